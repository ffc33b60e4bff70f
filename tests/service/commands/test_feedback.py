"""`lora-chat feedback` as a person or a script meets it."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from data.conversation import Message
from data.reading.reader import read_conversations
from finetune.errors import AdapterInvalid
from service.accounts.caller import ANYBODY
from service.accounts.keys import Keys, KeyWish
from service.cli import app
from service.errors import FeedbackNotFound
from service.feedback.answers import Answers
from service.feedback.feedback import Feedback
from service.feedback.item import FeedbackItem, Opinion
from service.feedback.item import State as ReviewState
from service.feedback.stored_answer import StoredAnswer
from service.state.database import State

Run = Callable[..., Result]
Say = Callable[..., FeedbackItem]
CORRECTION = "少喝咖啡，早睡。"
TOOLS = [{"type": "function", "function": {"name": "dose"}}]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.delenv("LORA_CHAT_DATABASE", raising=False)
    monkeypatch.setenv("COLUMNS", "120")

    def call(*arguments: str, typed: str = "") -> Result:
        command = ["feedback", *arguments, "--home", str(tmp_path)]
        return CliRunner().invoke(app, command, input=typed, catch_exceptions=False)

    return call


@pytest.fixture
def say(own_state: State) -> Say:
    """Say something of a new answer: what is said; then whose the answer is."""
    made = 0

    def give(
        opinion: Opinion,
        *,
        key_id: str = "",
        user: str | None = None,
        question: str = "失眠怎么办？",
        version: str | None = None,
    ) -> FeedbackItem:
        nonlocal made
        made += 1
        message = {"role": "assistant", "content": "多喝咖啡。"}
        answer = StoredAnswer(
            id=f"chatcmpl-{made}",
            key_id=key_id,
            place="",
            created=1_764_406_000,
            model="tcm",
            pinned=f"tcm@{version or made}:1",
            base="base",
            template="",
            user=user,
            messages=[{"role": "user", "content": question}],
            asked={"tools": TOOLS} if made == 2 else {},
            sampling={},
            choices=[{"index": 0, "message": message, "finish_reason": "stop"}],
        )
        Answers(own_state).add(answer)
        return Feedback(own_state).give(answer, 0, opinion)

    return give


def test_a_list_says_what_was_said_of_which_version(run: Run, say: Say):
    say(Opinion(rating=1))
    bad = say(Opinion(rating=-1, correction=CORRECTION, reasons=["剂量不对"], critical=True))
    lines = [" ".join(line.split()) for line in run("list").stdout.splitlines()]
    assert lines[1].startswith(
        f"{bad.id} tcm@2 critical; bad; 剂量不对; corrected new 失眠怎么办？"
    )
    assert len(lines) == 3
    (found,) = json.loads(run("list", "--model", "tcm@1:1", "--json").stdout)["feedback"]
    assert (found["rating"], found["correction"]) == (1, None)


def test_an_empty_list_says_how_feedback_is_given(run: Run):
    assert "docs/feedback.md" in run("list").stdout


def test_topics_show_what_a_version_answers_badly(run: Run, say: Say):
    say(Opinion(rating=1))
    say(Opinion(rating=-1, correction=CORRECTION, reasons=["剂量不对\x1b[2J"]))
    shown = run("topics", "tcm").stdout
    assert "\x1b" not in shown
    lines = [" ".join(line.split()) for line in shown.splitlines()]
    assert lines[0] == "tcm@2: 1 of 1 answers are bad"
    assert lines[2].startswith(
        "失眠怎么办？ 1/1 100% 0/0 → 1/1 1 剂量不对\\x1b[2J (1) 失眠怎么办？"
    )
    assert "tcm@1: 0 of 1 answers are bad" in lines
    (found,) = json.loads(run("topics", "tcm@2", "--json").stdout)["versions"]
    assert (found["version"], found["topics"][0]["bad"]) == ("tcm@2", 1)
    assert "docs/feedback.md" in run("topics", "style").stdout


def test_more_topics_than_are_wished_are_counted(run: Run, say: Say):
    for question in ("便秘", "咳嗽", "泡脚"):
        say(Opinion(rating=-1), question=question, version="1")
    shown = run("topics", "--limit", "1").stdout
    assert "3 of 3 answers are bad" in shown
    assert "… and 2 topics more" in shown


def test_one_is_shown_with_what_the_correction_changes(run: Run, say: Say):
    item = say(Opinion(correction=CORRECTION, note="Twice the dose."))
    shown = run("show", item.id).stdout
    for said in ("失眠怎么办？", "多喝咖啡。", CORRECTION, "Twice the dose."):
        assert said in shown
    assert json.loads(run("show", item.id, "--json").stdout)["correction"] == CORRECTION
    with pytest.raises(FeedbackNotFound):
        run("show", "fb-000000000000")


def test_corrections_and_good_answers_become_rows_that_training_reads(
    run: Run, say: Say, tmp_path: Path
):
    say(Opinion(rating=1))
    say(Opinion(rating=-1, correction=CORRECTION))
    say(Opinion(rating=-1))
    say(Opinion(rating=1, critical=True))
    path = tmp_path / "rows.jsonl"
    assert "2 rows of 4" in run("export", str(path)).stdout
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert [row["messages"][-1]["content"] for row in rows] == ["多喝咖啡。", CORRECTION]
    assert rows[1]["tools"] == TOOLS
    assert read_conversations(path)[0].messages[-1] == Message("assistant", "多喝咖啡。")
    run("export", str(path), "--form", "preference")
    (row,) = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert row["input"]["messages"] == [{"role": "user", "content": "失眠怎么办？"}]
    assert row["preferred_output"][0]["content"] == CORRECTION
    assert row["non_preferred_output"][0]["content"] == "多喝咖啡。"


def test_what_clients_wrote_does_not_steer_the_terminal(run: Run, say: Say):
    item = say(Opinion(note="a\x1b[2Jb\nc", correction="\x1b]52;;x\x07", reasons=["\x1b[2J"]))
    for shown in (run("show", item.id).stdout, run("list").stdout):
        assert "\x1b" not in shown
        assert "\\x1b[2J" in shown


def test_another_form_is_refused_and_nothing_written(run: Run, tmp_path: Path):
    refused = run("export", str(tmp_path / "rows.jsonl"), "--form", "kto")
    assert (refused.exit_code, (tmp_path / "rows.jsonl").exists()) == (2, False)
    assert "sft" in refused.stderr


@pytest.mark.parametrize("by", ["--key", "--user"])
def test_a_persons_data_is_forgotten_and_nobody_elses(
    run: Run, say: Say, own_state: State, tmp_path: Path, by: str
):
    keys = Keys(own_state)
    anna, ben = (keys.create(KeyWish(name))[0].id for name in ("anna", "ben"))
    secret = "mandrake-root-4711"
    say(Opinion(correction=secret), key_id=anna, user="patient-17")
    kept = say(Opinion(rating=1), key_id=ben, user="patient-18")
    whom = "anna" if by == "--key" else "patient-17"
    assert run("forget", by, whom, typed="n\n").exit_code == 1
    assert len(Feedback(own_state).page(ANYBODY)) == 2
    assert "1 answers, 1 times" in run("forget", by, whom, "--yes").stdout
    assert Feedback(own_state).page(ANYBODY) == [kept]
    assert [answer.id for answer in Answers(own_state).page(ANYBODY)] == ["chatcmpl-2"]
    files = (path for path in tmp_path.rglob("*") if path.is_file())
    assert not [path for path in files if secret.encode() in path.read_bytes()]


@pytest.mark.parametrize("arguments", [(), ("--key", "a", "--user", "b")])
def test_forgetting_needs_one_person(run: Run, arguments: tuple[str, ...]):
    refused: Any = run("forget", *arguments)
    assert refused.exit_code == 2
    assert "give one of both" in refused.stderr


def state_of(state: State, item: FeedbackItem) -> ReviewState:
    return Feedback(state).find(item.id, ANYBODY).state


def test_items_are_accepted_edited_rejected_and_reopened(run: Run, say: Say, own_state: State):
    one, two = say(Opinion(correction=CORRECTION)), say(Opinion(rating=-1))
    assert "accepted" in run("accept", one.id, "--critical").output
    assert Feedback(own_state).find(one.id, ANYBODY).critical
    assert "as you wrote it" in run("edit", two.id, "--answer", "早睡。").output
    assert Feedback(own_state).find(two.id, ANYBODY).right_answer == "早睡。"
    run("reject", one.id, two.id)
    assert state_of(own_state, one) == state_of(own_state, two) == "rejected"
    run("reopen", one.id)
    (found,) = json.loads(run("list", "--state", "new", "--json").stdout)["feedback"]
    assert found["id"] == one.id


def test_an_editor_begins_with_the_correction(
    run: Run, say: Say, own_state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    item = say(Opinion(correction=CORRECTION))
    editor = tmp_path / "editor.py"
    editor.write_text(
        "import sys, pathlib\npath = pathlib.Path(sys.argv[1])\n"
        "path.write_text(path.read_text('utf-8') + '多走路。\\n', 'utf-8')\n"
    )
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.delenv("EDITOR", raising=False)
    assert "$EDITOR" in run("edit", item.id).stderr
    monkeypatch.setenv("EDITOR", f"{sys.executable} {editor}")
    run("edit", item.id)
    assert Feedback(own_state).find(item.id, ANYBODY).right_answer == f"{CORRECTION}多走路。"
    editor.write_text("raise SystemExit(1)")
    assert "nothing was written" in run("edit", item.id).stderr


def test_what_is_new_is_reviewed_with_single_keys(run: Run, say: Say, own_state: State):
    items = [say(Opinion(correction=f"{CORRECTION}{number}")) for number in range(4)]
    items.append(say(Opinion(rating=-1)))
    shown = run("review", typed="acrsxaq").output
    assert [state_of(own_state, each) for each in items] == [
        "accepted",
        "accepted",
        "rejected",
        "new",
        "new",
    ]
    assert Feedback(own_state).find(items[1].id, ANYBODY).critical
    assert "unlike what was accepted for the same question" in shown
    assert items[0].id in shown.split("contradicts")[1]
    assert "write it" in shown  # a bad answer without a correction cannot be accepted as it is
    assert run("review", typed="q").output.count("1 / 2") == 1
    run("review", typed="rr")
    assert "Nothing is new." in run("review").output


def test_feedback_of_another_program_is_brought_in_once(
    run: Run, own_state: State, tmp_path: Path, add_adapter: Any
):
    path = tmp_path / "corrections.csv"
    path.write_text("question,answer,correction\n失眠？,多喝咖啡。,早睡。\n头痛？,,\n", "utf-8")
    with pytest.raises(AdapterInvalid):
        run("import", str(path), "tcm")
    add_adapter("tcm")
    told = run("import", str(path), "tcm")
    assert "1 new, 0 known already, 1 left out" in told.stdout
    assert "line 3" in told.stderr
    (item,) = Feedback(own_state).page(ANYBODY)
    assert (item.pinned, item.correction) == ("tcm@1:1", "早睡。")
    assert "0 new, 1 known already" in run("import", str(path), "tcm").stdout
