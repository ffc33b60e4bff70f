"""Feedback of other programs: what is read of it, and what is left out with a reason."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from data.errors import UnreadableFile
from service.accounts.caller import ANYBODY
from service.feedback.feedback import Feedback
from service.feedback.importing import Brought, LeftOut, is_said_of, read_feedback
from service.state.database import State

QUESTION, ANSWER, CORRECTION = "失眠怎么办？", "多喝咖啡。", "少喝咖啡，早睡。"
Write = Callable[..., Path]


def rated(answer: dict[str, Any] | None = None, **data: Any) -> dict[str, Any]:
    """An entry of Open WebUI's export: the second answer of a chat with two branches is rated."""
    messages: dict[str, Any] = {
        "u1": {"id": "u1", "parentId": None, "childrenIds": ["a1"], "role": "user"},
        "a1": {"id": "a1", "parentId": "u1", "childrenIds": ["u2"], "role": "assistant"},
        "u2": {"id": "u2", "parentId": "a1", "childrenIds": ["a2", "a3"], "role": "user"},
        "a2": {"id": "a2", "parentId": "u2", "childrenIds": [], "role": "assistant"},
        "a3": {"id": "a3", "parentId": "u2", "childrenIds": [], "role": "assistant"},
    }
    texts = {"u1": "你好", "a1": "您好。", "u2": QUESTION, "a2": "早睡。", "a3": ANSWER}
    for key, text in texts.items():
        messages[key] |= {"content": text, "timestamp": 1_744_577_557, "models": ["tcm"]}
    messages["a3"] |= {"model": "tcm", "done": True, **(answer or {})}
    given = {"rating": -1, "model_id": "tcm", "sibling_model_ids": None, "reason": "", **data}
    return {
        "id": "b1c2",
        "user_id": "d951",
        "version": 0,
        "type": "rating",
        "data": {"comment": "", "tags": [], "details": {"rating": 2}, **given},
        "meta": {"model_id": "tcm", "message_id": "a3", "message_index": 4, "chat_id": "96bd"},
        "snapshot": {
            "chat": {
                "id": "96bd",
                "title": "失眠",
                "chat": {
                    "id": "",
                    "title": "失眠",
                    "models": ["tcm"],
                    "params": {},
                    "history": {"currentId": "a3", "messages": messages},
                    "messages": [],
                },
            }
        },
        "created_at": 1_744_577_567,
        "updated_at": 1_744_577_567,
    }


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def make(name: str, content: Any, encoding: str = "utf-8") -> Path:
        path = tmp_path / name
        text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
        path.write_text(text, encoding=encoding)
        return path

    return make


def only(path: Path) -> Brought:
    (found,) = read_feedback(path)
    assert isinstance(found, Brought), found
    return found


def test_open_webuis_rating_has_the_branch_that_was_rated(write: Write):
    entry = rated(rating="-1", reason="Inaccurate", comment="剂量？", tags=["睡眠", "Inaccurate"])
    found = only(write("feedback.json", [entry]))
    assert [each["content"] for each in found.messages] == ["你好", "您好。", QUESTION]
    assert (found.answer, found.rating, found.correction) == (ANSWER, -1, None)
    assert (found.reasons, found.note) == (["Inaccurate", "睡眠"], "剂量？")
    assert (found.model, found.created) == ("tcm", 1_744_577_567)


def test_an_answer_that_was_edited_there_is_a_correction(write: Write):
    edited = {"content": CORRECTION, "originalContent": ANSWER}
    found = only(write("feedback.json", [rated(edited)]))
    assert (found.answer, found.correction) == (ANSWER, CORRECTION)


def test_what_cannot_be_used_is_left_out_with_a_reason(write: Write):
    without, of_user, picture = rated(), rated(), rated({"content": [{"type": "image"}]})
    without["snapshot"] = None
    of_user["meta"]["message_id"] = "u2"
    found = [*read_feedback(write("feedback.json", [without, of_user, picture, 7, rated()]))]
    reasons = [each.why for each in found[:4] if isinstance(each, LeftOut)]
    assert ["snapshot" in each for each in reasons] == [True, True, True, False]
    assert (reasons[3], isinstance(found[4], Brought)) == ("is no rating", True)


def test_a_preference_is_a_correction(write: Write):
    row = {
        "input": {"messages": [{"role": "user", "content": QUESTION}], "tools": []},
        "preferred_output": [{"role": "assistant", "content": CORRECTION}],
        "non_preferred_output": [{"role": "assistant", "content": ANSWER}],
    }
    lines = [json.dumps(row), "", "{}", json.dumps({**row, "preferred_output": []}), "no JSON"]
    found, *others = read_feedback(write("pairs.jsonl", "\n".join(lines)))
    assert isinstance(found, Brought)
    assert (found.answer, found.correction, found.rating) == (ANSWER, CORRECTION, -1)
    assert [each.where for each in others] == ["line 3", "line 4", "line 5"]
    assert {type(each) for each in others} == {LeftOut}


@pytest.mark.parametrize(
    ("name", "text", "encoding"),
    [
        ("a.csv", "问题,回答,更正,备注\n{q},{a},{c},n\n", "gb18030"),
        ("a.csv", "Question;Answer;Correction\n{q};{a};{c}\n", "utf-8-sig"),
        ("a.tsv", "id\tquestion\tresponse\tcorrected\n1\t{q}\t{a}\t{c}\n", "utf-8"),
    ],
)
def test_a_table_is_read(write: Write, name: str, text: str, encoding: str):
    text = text.format(q=QUESTION, a=ANSWER, c=CORRECTION)
    found = only(write(name, text, encoding))
    assert found.messages == [{"role": "user", "content": QUESTION}]
    assert (found.answer, found.correction) == (ANSWER, CORRECTION)


def test_a_row_without_a_correction_is_left_out_and_a_right_answer_is_good(write: Write):
    text = f"question,answer,correction\n{QUESTION},{ANSWER},\n{QUESTION},早睡。,早睡。\n"
    empty, good = read_feedback(write("a.csv", text))
    assert isinstance(empty, LeftOut)
    assert (empty.where, isinstance(good, Brought)) == ("line 2", True)
    assert isinstance(good, Brought)
    assert (good.rating, good.correction) == (1, None)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.csv", "question,answer\na,b\n", "no column correction; its columns: question, answer"),
        ("a.json", "[{", "is no JSON"),
        ("a.json", "", "is empty"),
    ],
)
def test_what_is_none_of_them_is_refused(write: Write, name: str, content: str, reason: str):
    with pytest.raises(UnreadableFile, match=reason):
        list(read_feedback(write(name, content)))


def test_it_is_new_once(state: State, write: Write):
    feedback = Feedback(state)
    found = only(write("feedback.json", [rated()]))
    item = feedback.bring(found, "here", "tcm@3:1")
    assert item is not None
    assert feedback.page(ANYBODY) == [item]
    assert (item.state, item.pinned, item.model, item.created) == (
        "new",
        "tcm@3:1",
        "tcm",
        1_744_577_567,
    )
    assert feedback.bring(found, "here", "tcm@3:1") is None
    assert feedback.bring(found, "there", "tcm@3:1") is not None


@pytest.mark.parametrize(
    ("model", "is_own"),
    [
        (None, True),
        ("tcm", True),
        ("tcm@2", True),
        ("clinic.tcm", True),
        ("tcm:0.7", True),
        ("llama3:8b", False),
        ("tcm2", False),
    ],
)
def test_whose_answer_it_was(model: str | None, is_own: bool):
    assert is_said_of("tcm", model) == is_own
