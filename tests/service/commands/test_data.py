"""`lora-chat data`, as a person calls it."""

import json
import os
import subprocess
import sys
from contextvars import Context
from pathlib import Path

import pytest
from typer.testing import CliRunner

from data.errors import DataError
from service.cli import app

GOOD = "患者：头晕怎么办？\n医生：先量血压，注意休息。\n\n患者：可以吃辣吗？\n医生：少吃为好。\n"
SAMPLE = Path(__file__).parents[3] / "data" / "samples" / "bike_workshop.txt"


@pytest.fixture
def clinic(tmp_path: Path) -> Path:
    path = tmp_path / "clinic.txt"
    path.write_bytes(GOOD.encode("gb18030"))
    return path


def call(*arguments: str | Path, code: int = 0, stdin: bytes | None = None) -> str:
    """What is printed; both streams."""
    result = CliRunner().invoke(app, ["data", *map(str, arguments)], input=stdin)
    if isinstance(result.exception, DataError):
        raise result.exception
    assert result.exit_code == code, result.output
    return result.output


def test_good_data_passes_with_its_numbers(clinic: Path):
    output = call("check", clinic)
    assert "No errors, 0 warnings. This data can be trained on." in output
    assert "2 answers trained on" in output.replace("  ", " ")


def test_errors_are_all_printed_and_exit_with_1(tmp_path: Path):
    path = tmp_path / "a.txt"
    path.write_text("Q: a\nQ: b\nA: c\n\nA: d\n")
    output = call("check", path, code=1)
    assert f"{path}:1: user" in output
    assert f"{path}:5: assistant" in output
    assert "2 errors, 0 warnings" in output
    assert "2 conversations with faults: --faulty mend would keep 1 of them and leave 1" in output


def test_faulty_conversations_may_be_mended_or_left_out(tmp_path: Path):
    path = tmp_path / "a.txt"
    path.write_text("Q: a?\nA: b.\nQ: thanks\n\nQ: is anybody there?\n\nQ: c?\nA: d.\n")
    mended = call("check", path, "--faulty", "mend")
    assert "1 conversation mended (a last question without an answer, dropped)" in mended
    assert "This data can be trained on." in mended
    found = json.loads(call("check", path, "--faulty", "mend", "--json"))
    assert (found["conversations"], found["errors"]) == (2, 0)
    found = json.loads(call("check", path, "--faulty", "skip", "--json"))
    assert (found["conversations"], found["errors"]) == (1, 0)
    call("check", path, "--faulty", "ignore", code=2)
    call("convert", path, "--out", tmp_path / "b.jsonl", "--faulty", "mend")
    assert len((tmp_path / "b.jsonl").read_text().splitlines()) == 2


def test_an_answer_too_long_for_training_is_found_without_a_base(tmp_path: Path):
    path = tmp_path / "a.txt"
    path.write_text("Q: a?\nA: " + "word " * 3000 + "\n", encoding="utf-8")
    home = ("--home", tmp_path / "home")
    output = call("check", path, *home, code=1)
    assert "tokens in the last question and answer; expected at most 2,048" in output
    assert "No errors" in call("check", path, *home, "--max-tokens", "8000")


def test_warnings_are_printed_by_kind_and_do_not_stop(tmp_path: Path):
    path = tmp_path / "a.txt"
    path.write_text("Q: a&nbsp;b\nA: c\n\n" * 5 + "Q: my phone is 13812345678\nA: ok\n")
    output = call("check", path)
    assert "html: 5" in output
    assert "… and 2 more" in output
    assert "duplicate: 4" in output
    assert "13812345678" not in output


def test_json_is_all_that_is_printed(clinic: Path):
    found = json.loads(call("check", clinic, "--json"))
    assert (found["conversations"], found["errors"], found["sources"]) == (2, 0, {str(clinic): 2})


def test_a_report_is_written(clinic: Path, tmp_path: Path):
    output = call("check", clinic, "--report", tmp_path / "report.html")
    assert f"Report: {tmp_path / 'report.html'}" in output
    assert "clinic.txt" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_several_paths_and_standard_input_are_checked_together(clinic: Path):
    found = json.loads(call("check", clinic, SAMPLE, "-", "--json", stdin=GOOD.encode()))
    assert list(found["sources"]) == [str(clinic), str(SAMPLE), "standard input"]
    assert {fault["kind"] for fault in found["faults"]} == {"duplicate"}


def test_roles_and_columns_may_be_named(tmp_path: Path):
    table, dialogue = tmp_path / "a.csv", tmp_path / "a.txt"
    table.write_text("病情,意见\n头晕,休息\n")
    dialogue.write_text("甲：头晕\n乙：休息\n")
    proposal = "--map question=病情,answer=意见"
    assert proposal in call("check", table, code=1)
    assert "No errors" in call("check", table, *proposal.split())
    assert "No errors" in call("check", dialogue, "--roles", "甲=user，乙=assistant")


@pytest.mark.parametrize("option", ["--roles=a", "--roles=a=doctor", "--map=question", "--map==x"])
def test_options_that_say_nothing_are_usage_errors(clinic: Path, option: str):
    call("check", clinic, option, code=2)


@pytest.mark.parametrize("shape", ["messages", "alpaca", "sharegpt"])
def test_data_is_converted_and_reads_the_same(clinic: Path, tmp_path: Path, shape: str):
    out = tmp_path / "out.jsonl"
    assert "2 conversations" in call("convert", clinic, "--out", out, "--shape", shape)
    assert "少吃为好" in call("show", out, "2")
    with pytest.raises(DataError, match="exists already"):
        CliRunner().invoke(
            app, ["data", "convert", str(clinic), "--out", str(out)], catch_exceptions=False
        )
    call("convert", clinic, "--out", tmp_path / "x.jsonl", "--shape", "xml", code=2)


def test_personal_data_may_be_replaced_on_the_way(tmp_path: Path):
    (tmp_path / "a.txt").write_text("Q: call 13812345678\nA: ok\n")
    call("convert", tmp_path / "a.txt", "--out", tmp_path / "b.jsonl", "--redact")
    assert "[phone number]" in (tmp_path / "b.jsonl").read_text()


def test_a_split_writes_both_sides(tmp_path: Path):
    train, held_out = tmp_path / "train.jsonl", tmp_path / "held_out.jsonl"
    call("split", SAMPLE, "--train", train, "--held-out", held_out, "--fraction", "0.2")
    counts = [len(path.read_text(encoding="utf-8").splitlines()) for path in (train, held_out)]
    assert counts[1] == pytest.approx(sum(counts) * 0.2, abs=2)


def test_stats_count_by_file(clinic: Path):
    lines = call("stats", clinic, SAMPLE).splitlines()
    assert [line.split()[-1] for line in lines[1:3]] == ["2", "72"]


def test_one_conversation_is_shown(clinic: Path):
    output = call("show", clinic)
    assert "user: 头晕怎么办？" in output
    assert "assistant: 先量血压，注意休息。" in output
    with pytest.raises(DataError, match="fewer than 3 conversations"):
        call("show", clinic, "3")


def test_a_split_writes_both_sides_or_none(clinic: Path, tmp_path: Path):
    train = tmp_path / "train.jsonl"
    call("split", clinic, "--train", train, "--held-out", train, code=2)
    with pytest.raises(DataError, match="exists already"):
        call("split", clinic, "--train", train, "--held-out", clinic)
    clinic.write_text("问：a\n答：b\n")
    with pytest.raises(DataError, match="fewer than two"):
        call("split", clinic, "--train", train, "--held-out", tmp_path / "held_out.jsonl")
    assert not train.exists()


def test_warnings_are_said_while_converting(tmp_path: Path):
    (tmp_path / "a.csv").write_text("question,answer,score\na,b,1\n")
    output = call("convert", tmp_path / "a.csv", "--out", tmp_path / "b.jsonl")
    assert "Warning" in output
    assert "score" in output


def test_nothing_to_write_leaves_no_file(tmp_path: Path):
    (tmp_path / "a.csv").write_text("question,answer,keep\na,b,\n")
    with pytest.raises(DataError, match="none"):
        call("convert", tmp_path / "a.csv", "--out", tmp_path / "b.jsonl")
    assert not (tmp_path / "b.jsonl").exists()
    assert "conversations: none" in call("check", tmp_path / "a.csv", code=1)


FAULTY = (
    "医生：您好。\n\n患者：头晕&nbsp;怎么办？\n医生：先量血压。\n\n"
    "患者：可以吃辣吗？\n护士：请先登记。\n医生：少吃。\n"
)


def test_a_chinese_terminal_is_told_in_chinese(tmp_path: Path):
    path = tmp_path / "门诊.txt"
    path.write_bytes(FAULTY.encode("gb18030"))
    told = subprocess.run(
        [sys.executable, "-m", "service.cli", "data", "check", path],
        env={**os.environ, "LANG": "zh_CN.UTF-8", "LC_ALL": "", "PYTHONUTF8": "1"},
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert told.returncode == 1, told.stderr
    for line in (
        f"  {path}:7: 说话人: '护士' 的 1 行，不知道是谁在说话：第 7 行 '护士：请先登记。'；"
        "要求：用 --roles 护士=assistant 说明（或 user；skip 略去，text 保留）",
        f"  {path}:1: assistant: 有回答没有提问：上面是（无）；要求：上面有一行 user",
        "HTML 标签：1",
        f"  {path}:3: 第 1 轮: '头晕&nbsp;怎么办？'；要求：不含 HTML 的文字",
        "2 个错误，1 个警告。这份数据不能用于训练：请先改正错误。另外，2 段对话有问题："
        "--faulty mend 可保留其中 0 段、略去 2 段，--faulty skip 则全部略去。",
    ):
        assert line in told.stdout.splitlines()


def test_nobody_asks_for_a_language_and_the_data_decides(clinic: Path, tmp_path: Path):
    clinic.write_text(FAULTY, encoding="utf-8")
    assert "这份数据不能用于训练" in Context().run(call, "check", clinic, code=1)
    found = json.loads(Context().run(call, "check", clinic, "--json", code=1))
    assert {each["kind"] for each in found["faults"]} == {"unknown speaker", "no question", "html"}
    assert "Training would refuse" in call("check", clinic, code=1)  # asked for English
    train = tmp_path / "a.jsonl"
    with pytest.raises(DataError, match=r"clinic.txt: 数据有 2 处错误；2 段对话有问题"):
        Context().run(call, "split", clinic, "--train", train, "--held-out", tmp_path / "b.jsonl")
    (tmp_path / "a.txt").write_text("Q: a\nQ: b\nA: c\n")
    assert "Training would refuse" in Context().run(call, "check", tmp_path / "a.txt", code=1)
