"""FAQs without role words: what is a question, what its answer, and what is neither."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.conversation import Conversation, Item
from data.errors import Fault
from data.reading.dialogues.faq import read_faq
from tests.data.reading.items import dialogue_items


def read(text: str) -> list[Item] | None:
    return read_faq(text.split("\n"), "a.md")


def pairs(text: str) -> list[tuple[str, str]]:
    found = read(text) or []
    return [
        (each.messages[0].content, each.messages[1].content)
        for each in found
        if isinstance(each, Conversation)
    ]


def said(text: str) -> str:
    return "\n".join(str(each) for each in read(text) or [] if isinstance(each, Fault))


@pytest.mark.parametrize(
    "text",
    [
        "## a?\nb\n## c?\nd",
        "# T\n\n## 1. a?\n\nb\n\n## 2. c?\n\nd",
        "**a?**\nb\n\n**c?**  \nd",
        "- **a?**\n\nb\n- **c?**\n\nd",
        "__a?__\nb\n__c?__\nd",
        "a?\n---\nb\n\nc?\n---\nd",
        "a?\nb\n\nc?\nd",
        "a?\n\nb.\n\nc?\n\nd.",
        "1、a？\nb\n\n\n2、c？\nd",
    ],
)
def test_forms_of_faqs_give_the_same(text: str):
    plain = [(each[0].rstrip("?？"), each[1].rstrip(".")) for each in pairs(text)]
    assert plain == [("a", "b"), ("c", "d")]


def test_it_is_said_what_was_taken_for_questions():
    assert "no role words, but 2 headings that ask" in said("## a?\nb\n## c?\nd")
    assert "2 lines in bold that ask" in said("**a?**\nb\n**c?**\nd")
    assert "2 lines that ask" in said("a?\nb\n\nc?\nd")


def test_what_belongs_to_no_question_is_left_out_and_named():
    text = "# T\nHello.\n## a?\nb\n## Prices\nLow.\n## c?\nd\n\n---\n\nWrite to us."
    assert pairs(text) == [("a?", "b"), ("c?", "d")]
    seen = said(text)
    for left in ("'# T'", "'Hello.'", "'## Prices'", "'Low.'", "'Write to us.'"):
        assert left in seen


def test_deeper_headings_and_code_belong_to_the_answer():
    text = "## a?\nb\n### More\n```\n# c?\n---\n```\ne\n## d?\nf"
    assert pairs(text)[0] == ("a?", "b\n### More\n```\n# c?\n---\n```\ne")


def test_a_question_without_an_answer_is_a_fault():
    found = read("## a?\n## c?\nd\n## e?\n") or []
    errors = [each for each in found if isinstance(each, Fault) and each.severity == "error"]
    assert [(each.line, each.field) for each in errors] == [(1, "user"), (4, "user")]
    assert "no answer below it: 'a?'" in errors[0].seen


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Just some prose.\nNobody asks.",
        "## a?\nb",
        "## Chains\nb\n## Brakes\nd\n## Why?\ne\n## Tyres\nf",
        "Hello.\n\na?\nb\n\nc?\nd",
        "a?\nb\n\nc\n\nd\n\ne?\nf",
        "a?\n\nb?\nc",
        "Q: a?\nb\n\nQ: c?\nd",
        "## Q: a?\nb\n## Q: c?\nd",
    ],
)
def test_other_texts_are_none(text: str):
    assert read(text) is None


WORDS = st.text("abcdefg ", min_size=1, max_size=9).map(str.strip).filter(bool)
JUNK = st.sampled_from(
    ["Shipping", "- 12 -", "第二章 退货", "Source: web  Clicks: 12", "2024-01-01", "* * *"]
)


@given(st.lists(st.tuples(WORDS, WORDS), min_size=4, max_size=9), st.data())
def test_junk_between_blocks_is_in_no_turn(known: list[tuple[str, str]], data: st.DataObject):
    junk = data.draw(JUNK)
    at = data.draw(st.integers(1, len(known)))
    blocks = [f"{question}?\n{answer}" for question, answer in known]
    text = "\n\n".join([*blocks[:at], junk, *blocks[at:]])
    assert pairs(text) == [(f"{question}?", answer) for question, answer in known]


@given(st.lists(st.sampled_from(["# a?", "## b?", "**c?**", "d", "", "---", "```", "e?", "## F"])))
def test_every_line_is_in_a_turn_or_named(lines: list[str]):
    found = read_faq(lines, "a.md")
    if found is None:
        return
    kept = "\n".join(
        message.content
        for each in found
        if isinstance(each, Conversation)
        for message in each.messages
    )
    faults = " ".join(f"{each.seen} {each.line}" for each in found if isinstance(each, Fault))
    for line in lines:
        word = line.strip("#* ")
        if word not in ("", "---"):
            assert word in kept or word in faults or " more" in faults


def test_a_role_word_within_an_answer_makes_no_dialogue():
    text = "## a?\nb\nUser: your name\n\n## c?\nd"
    items = list(dialogue_items(text))
    assert [type(each) for each in items] == [Fault, Conversation, Conversation]
