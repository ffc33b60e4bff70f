"""Typed dialogues."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.conversation import Message
from data.dialogue import ROLE_WORDS, ROLES, read_dialogue
from data.errors import InvalidData


def turns(text: str) -> list[list[tuple[str, str]]]:
    conversations = read_dialogue(text, "a.txt")
    return [[(each.role, each.content) for each in one.messages] for one in conversations]


def faults(text: str) -> list[tuple[int, str, str]]:
    with pytest.raises(InvalidData) as caught:
        read_dialogue(text, "a.txt")
    return [(fault.line, fault.field, fault.seen) for fault in caught.value.faults]


@pytest.mark.parametrize("word", ROLE_WORDS["user"].split())
def test_every_user_word_begins_a_question(word: str):
    assert turns(f"{word}：a\n答：b") == [[("user", "a"), ("assistant", "b")]]


@pytest.mark.parametrize("word", ROLE_WORDS["assistant"].split())
def test_every_assistant_word_begins_an_answer(word: str):
    assert turns(f"Q: a\n{word}: b") == [[("user", "a"), ("assistant", "b")]]


@pytest.mark.parametrize(
    "head", ["q:", "  Q :", "Q：", "\u3000Q ： ", "**Q:**", "**Q**:", "** q **：", "QUESTION:"]
)
def test_case_space_width_and_bold_do_not_matter(head: str):
    assert turns(f"{head}a\nA:b") == [[("user", "a"), ("assistant", "b")]]


def test_letters_that_only_fold_to_a_role_word_begin_no_turn():
    assert turns("Q: a\nA: b\nu\u017fer: c") == [[("user", "a"), ("assistant", "b\nu\u017fer: c")]]


def test_answer_goes_on_over_lines_paragraphs_and_other_colons():
    text = "Q: a\nA: one\ntwo\n\n---\nNote: three\n\n\n四：五\n\n"
    assert turns(text) == [
        [("user", "a"), ("assistant", "one\ntwo\n\n---\nNote: three\n\n\n四：五")]
    ]


def test_text_may_begin_on_the_line_below_the_role_word():
    assert turns("Q:\na\nA:\n\nb") == [[("user", "a"), ("assistant", "b")]]


def test_question_right_below_an_answer_is_the_next_turn():
    assert [len(one) for one in turns("Q: a\nA: b\nQ: c\nA: d")] == [4]


@pytest.mark.parametrize("gap", ["\n", " \n", "---\n", "\n=====\n\n", "***\n"])
def test_gap_between_answer_and_question_begins_a_conversation(gap: str):
    conversations = read_dialogue(f"Q: a\nA: b\n{gap}Q: c\nA: d", "a.txt")
    assert [len(each.messages) for each in conversations] == [2, 2]
    assert [each.where for each in conversations] == ["a.txt:1", f"a.txt:{3 + gap.count(chr(10))}"]


def test_gap_between_question_and_answer_does_not_divide():
    assert turns("Q: a\n\nA: b") == [[("user", "a"), ("assistant", "b")]]


def test_system_line_begins_a_conversation_with_and_without_a_gap():
    text = "系统: s\n\nQ: a\nA: b\nSystem: t\nQ: c\nA: d"
    assert [[role for role, _ in one] for one in turns(text)] == [
        ["system", "user", "assistant"]
    ] * 2


def test_every_fault_is_collected_with_its_line():
    text = "---\ntitle\nQ: a\nQ: b\nA:\nA: c\nSystem: s\nA: d\nQ: e"
    assert [(line, field) for line, field, _ in faults(text)] == [
        (2, "text"),
        (3, "user"),
        (5, "assistant"),
        (6, "assistant"),
        (7, "system"),
        (8, "assistant"),
        (9, "user"),
    ]


def test_faults_say_what_stands_beside_the_turn():
    assert faults("Q: a\nA: b\n\nQ: c")[0][2] == "a question with no answer: below it is nothing"
    assert faults("A: b")[0][2] == "an answer with no question: above it is nothing"
    assert faults("Q: \nA: b") == [(1, "user", "an empty turn")]


def test_text_without_turns_shows_an_example_in_both_languages_and_the_first_line():
    with pytest.raises(InvalidData) as caught:
        read_dialogue("\nOnce upon a time\nthere was", "story.txt")
    message = str(caught.value)
    assert "story.txt:2" in message
    assert "Once upon a time" in message
    assert re.search(r"Q: .*\n *A: .*\n.*\n *问：.*\n *答：", message)


LINE = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters=":："))
CONTENT = (
    st.lists(LINE, min_size=1, max_size=4)
    .map(lambda lines: "\n".join(lines).strip())
    .filter(lambda text: text and not set(text.split("\n")[-1]) <= set("-=*_ "))
)
EXCHANGE = st.tuples(CONTENT, CONTENT)
DIALOGUE = st.tuples(st.none() | CONTENT, st.lists(EXCHANGE, min_size=1, max_size=3))


@st.composite
def role_lines(draw: st.DrawFn, role: str) -> str:
    word = draw(st.sampled_from([word for word in ROLES if ROLES[word] == role]))
    form = draw(st.sampled_from(["{}:", "{}： ", " {} :", "**{}：** ", "**{}**: "]))
    return form.format(draw(st.sampled_from([word, word.upper(), word.title()])))


@settings(max_examples=150, deadline=None)
@given(st.lists(DIALOGUE, min_size=1, max_size=3), st.data())
def test_dialogues_written_and_read_back_are_equal(
    dialogues: list[tuple[str | None, list[tuple[str, str]]]], data: st.DataObject
):
    expected: list[tuple[Message, ...]] = []
    text = ""
    for system, exchanges in dialogues:
        messages = [Message("system", system)] if system else []
        for question, answer in exchanges:
            messages += [Message("user", question), Message("assistant", answer)]
        for message in messages:
            text += f"{data.draw(role_lines(message.role))}{message.content}\n"
        text += data.draw(st.sampled_from(["\n", "---\n", "\n\n===\n"]))
        expected.append(tuple(messages))
    assert [each.messages for each in read_dialogue(text, "a.txt")] == expected
