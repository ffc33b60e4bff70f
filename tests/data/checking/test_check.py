"""What a check says of data."""

import json
from contextvars import Context
from pathlib import Path

import pytest

from data.checking.check import MOST_KEPT, Findings, check, read_checked
from data.checking.report import write_report
from data.conversation import Conversation, Item, Message
from data.errors import Fault, InvalidData, UnreadableFile
from data.wording import speak

SAMPLES = Path(__file__).parents[3] / "data" / "samples"
ANSWERED = {"role": "assistant", "content": "b", "weight": 0}
ANSWER = "先量血压，注意休息，少吃辛辣刺激的食物，没有好转再就诊。"


def pair(question: str, answer: str = ANSWER, line: int = 1) -> Conversation:
    return Conversation((Message("user", question), Message("assistant", answer)), "a.txt", line)


def kinds(*items: Item) -> list[tuple[str, int]]:
    return [(fault.kind, fault.line) for fault in check(items).faults]


@pytest.mark.parametrize("sample", sorted(SAMPLES.glob("*.txt")), ids=lambda path: path.name)
def test_nothing_is_found_in_the_shipped_samples(sample: Path):
    conversations, findings = read_checked(sample)
    assert len(conversations) >= 10
    assert not findings.counts


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("先量血压。<br/>再休息", "html"),
        ("头晕&nbsp;乏力", "html"),
        ('<p class="x">头晕</p>', "html"),
        ("头晕\ufffd乏力", "mojibake"),
        ("锟斤拷锟斤拷", "mojibake"),
        ("The cafÃ© is closed", "mojibake"),
        ("Itâ€™s fine", "mojibake"),
        ("头晕".encode().decode("latin-1"), "mojibake"),
        ("头晕" * 10_001, "length"),
        ("打13812345678", "personal data"),
    ],
)
def test_suspicious_text_is_a_warning_with_its_line(text: str, kind: str):
    assert kinds(pair("a"), pair(text, line=7)) == [(kind, 7)]


@pytest.mark.parametrize(
    "text",
    [
        "a < b and b > c",
        "体温<38度，心率>100",
        "R&D; Q&A",
        "Crème brûlée, naïve, Ærø, São Paulo, coöperate",
        "use `x << 3`",
        "Äpfel und Öl",
    ],
)
def test_ordinary_text_is_no_warning(text: str):
    assert kinds(pair(text)) == []


def test_personal_data_is_not_shown_again():
    findings = check([pair("我的电话13812345678")])
    assert "13812345678" not in str(findings.faults[0])


def test_alike_conversations_name_each_other():
    findings = check(
        [pair("头晕怎么办", line=3), pair("头晕怎么办？", line=8), pair("咳嗽", "b" * 30, 9)]
    )
    [fault] = [fault for fault in findings.faults if fault.kind == "duplicate"]
    assert (fault.line, fault.seen) == (8, "the same question and answer as a.txt:3")


def test_contradictory_answers_are_a_warning():
    assert kinds(
        pair("可以吃辣吗", "可以，没有关系。"), pair("可以吃辣吗", "不可以，会加重。", 5)
    ) == [("contradiction", 5)]


def test_a_row_in_another_language_is_a_warning_and_a_mixed_file_is_none():
    chinese = [pair(f"问题{i}", f"{ANSWER}{i}" * 2, i) for i in range(20)]
    english = pair("question", "Measure the blood pressure first, then rest.", 99)
    assert ("language", 99) in kinds(*chinese, english)
    assert not [kind for kind, _ in kinds(*chinese[:5], english) if kind == "language"]


def test_errors_and_warnings_are_counted_and_only_so_many_are_kept():
    fault = Fault("a.txt", 1, "user", "an empty turn", "text")
    findings = check([fault] * (MOST_KEPT + 5) + [pair("a&nbsp;b")])
    assert (findings.num_errors, findings.num_warnings) == (MOST_KEPT + 5, 1)
    assert len(findings.faults) == MOST_KEPT + 1


def test_lengths_are_counted_by_powers_of_two():
    findings = check([pair("a"), pair("ab"), pair("abc"), pair("a" * 9)])
    assert findings.questions.bins() == [(1, 1, 1), (2, 3, 2), (4, 7, 0), (8, 15, 1)]
    assert (findings.questions.mean, findings.questions.largest) == (3.75, 9)
    assert Findings().questions.bins() == []


def test_the_report_holds_everything_and_needs_nothing(tmp_path: Path):
    fault = Fault("a.txt", 1, "user", "an empty turn", "text")
    path = tmp_path / "report.html"
    write_report(check([fault, pair("<b>头晕</b>", line=4)]), ["我的.txt"], path)
    html = path.read_text(encoding="utf-8")
    for text in ("我的.txt", "a.txt:1", "an empty turn", "a.txt:4", "&lt;b&gt;头晕", "<rect"):
        assert text in html
    assert "http" not in html.replace("http-equiv", "")


def test_the_report_is_in_chinese_where_that_is_spoken(tmp_path: Path):
    path = tmp_path / "report.html"

    def report() -> str:
        speak("zh")
        items = (Fault("a.txt", 1, "user", "空的一轮", "文字"), pair("头晕&nbsp;<", line=4))
        write_report(check(items), ["我的.txt"], path)
        return " ".join(path.read_text(encoding="utf-8").split())

    html = Context().run(report)
    assert '<html lang="zh">' in html
    for text in (
        "<title>我的.txt: 数据检查</title>",
        "1 段对话，2 轮，1 条回答用于训练",
        "1 个错误：这份数据不能用于训练。 1 个警告。",
        "错误：格式（1）",
        "警告：HTML 标签（1）",
        "<th>位置</th><th>字段</th><th>发现</th><th>要求</th>",
        "第 1 轮",
        "不含 HTML 的文字",
        "提问的字符数",
    ):
        assert text in html
    assert "expected" not in html


def test_nothing_at_all_gives_a_report_too(tmp_path: Path):
    write_report(check([]), ["a.txt"], tmp_path / "report.html")
    assert [fault.kind for fault in check([]).faults] == ["nothing"]


def test_a_report_is_written_over_nothing_but_a_report(tmp_path: Path):
    path = tmp_path / "a.txt"
    path.write_text("precious")
    with pytest.raises(UnreadableFile, match="is no report"):
        write_report(check([]), ["a.txt"], path)
    assert path.read_text() == "precious"
    for _ in range(2):
        write_report(check([]), ["a.txt"], tmp_path / "report.html")
    with pytest.raises(UnreadableFile, match="there is no folder"):
        write_report(check([]), ["a.txt"], tmp_path / "none" / "report.html")


def test_a_conversation_without_a_trained_answer_is_an_error(tmp_path: Path):
    row = {"messages": [{"role": "user", "content": "a"}, ANSWERED], "id": 1}
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(row))
    with pytest.raises(InvalidData, match=r"a\.jsonl:1: conversation: no answer that is trained"):
        read_checked(path)


def test_what_is_trained_on_comes_with_its_warnings(tmp_path: Path):
    path = tmp_path / "a.csv"
    path.write_text("question,answer,score\na&nbsp;b,c,1\n")
    conversations, findings = read_checked(path)
    assert len(conversations) == 1
    assert {kind for _, kind in findings.counts} == {"unused field", "html"}
