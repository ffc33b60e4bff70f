"""Typed dialogues."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.conversation import Conversation, Message, Role
from data.errors import Fault
from data.reading.dialogues.role_words import ROLE_WORDS, ROLES
from tests.data.reading.items import conversations_of, dialogue_items, faults_of


def conversations_in(text: str) -> list[Conversation]:
    """Warnings aside."""
    items = dialogue_items(text)
    return conversations_of(
        item for item in items if isinstance(item, Conversation) or item.severity == "error"
    )


def turns(text: str) -> list[list[tuple[str, str]]]:
    conversations = conversations_in(text)
    return [[(each.role, each.content) for each in one.messages] for one in conversations]


def faults(text: str) -> list[tuple[int, str, str]]:
    found = faults_of(dialogue_items(text))
    return [(fault.line, fault.field, fault.seen) for fault in found]


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
    text = f"Q: a\nA: b\n{gap}Q: c\nA: d"
    conversations = conversations_of(dialogue_items(text))
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
    text = "---\nIs this one?\nQ: a\nQ: b\nA:\nA: c\nSystem: s\nA: d\nQ: e"
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
    [fault] = faults_of(dialogue_items("\nOnce upon a time\nthere was"))
    message = str(fault)
    assert "a.txt:2" in message
    assert "Once upon a time" in message
    assert re.search(r"Q: .*\n *A: .*\n.*\n *问：.*\n *答：", message)


# Sentences: what else may stand below a turn's first line is for test_between.py.
WORDS = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"], exclude_characters=":：∶")
)
LINE = WORDS.map(lambda text: f"这{text}。")
CONTENT = st.lists(LINE | st.just(""), min_size=1, max_size=4).map(
    lambda lines: "\n".join([*lines, "好。"]).strip()
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
    assert [each.messages for each in conversations_in(text)] == expected


@pytest.mark.parametrize(
    "head", ["<user>:", "<患者>：", "【问】：", "[Q]:", "Q1:", "问12：", "问题 3:"]
)
def test_brackets_and_numbers_of_turns_do_not_matter(head: str):
    assert turns(f"{head} a\nA: b") == [[("user", "a"), ("assistant", "b")]]


def test_both_turns_may_stand_on_one_line():
    text = "问：头晕怎么办？ 答：先量血压。\n问：咳嗽呢？答：多喝水。\n多休息。\n"
    assert turns(text) == [
        [
            ("user", "头晕怎么办？"),
            ("assistant", "先量血压。"),
            ("user", "咳嗽呢？"),
            ("assistant", "多喝水。\n多休息。"),
        ]
    ]
    assert turns("<user>: hi there <bot>: hello") == [
        [("user", "hi there"), ("assistant", "hello")]
    ]
    assert turns("Q: a | A: b\n\nQ: c\tA: d") == [
        [("user", "a"), ("assistant", "b")],
        [("user", "c"), ("assistant", "d")],
    ]


def test_a_whole_conversation_may_stand_on_one_line():
    assert turns("患者：a 医生：b 患者：c 医生：d") == [
        [("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d")]
    ]


def test_a_question_that_has_its_answer_below_is_not_divided():
    assert turns("Q: What is the A: drive?\nA: A floppy.") == [
        [("user", "What is the A: drive?"), ("assistant", "A floppy.")]
    ]


def test_numbered_questions_begin_conversations():
    text = "1. 头晕怎么办？\n答：先量血压：\n1. 早上\n2. 晚上\n2、咳嗽\n怎么办？\n答：多喝水。\n"
    assert turns(text) == [
        [("user", "头晕怎么办？"), ("assistant", "先量血压：\n1. 早上\n2. 晚上")],
        [("user", "咳嗽\n怎么办？"), ("assistant", "多喝水。")],
    ]


def test_numbers_begin_no_question_where_words_do():
    text = "Q: a\nA: do this:\n1. one\n2. two\nA: or that"
    assert [field for _, field, _ in faults(text)] == ["assistant"]


def test_two_unknown_speakers_are_found_and_named():
    text = "".join(f"小王：问题{i}？\n李大夫：回答{i}。\n\n" for i in range(3))
    *read, warning = sorted(dialogue_items(text), key=lambda item: isinstance(item, Fault))
    assert [each.messages[0].content for each in conversations_of(read)] == [
        "问题0？",
        "问题1？",
        "问题2？",
    ]
    assert isinstance(warning, Fault)
    assert warning.severity == "warning"
    assert "--roles '小王=user,李大夫=assistant'" in str(warning)


def test_the_user_may_say_who_is_who():
    text = "Anna: a\nBen: b\n"
    roles: dict[str, Role] = {"anna": "assistant", "ben": "user"}
    found = list(dialogue_items("Ben: a\nAnna: b\n", roles))
    assert [each.messages for each in conversations_of(found)] == [
        (Message("user", "a"), Message("assistant", "b"))
    ]
    assert faults_of(dialogue_items(text, roles))


@pytest.mark.parametrize(
    "text",
    [
        "Note: a\nWarning: b\n",  # too few
        "u: x\nv: x\nw: x\nx: x\nu: x\nv: x\n",  # too many
        "u: x\nu: x\nu: x\nu: x\nv: x\nv: x\n",  # not by turns
    ],
)
def test_other_names_before_colons_are_no_speakers(text: str):
    assert [field for _, field, _ in faults(text)] == ["text"]


@pytest.mark.parametrize("line", ["问" * 50_000, "1" * 50_000, "<" * 50_000, "a " * 30_000])
def test_long_lines_take_no_long_time(line: str):
    assert turns(f"Q: {line}\nA: {line}")[0][1] == ("assistant", line.strip())
    assert faults(line)


def test_numbers_may_stand_before_role_words():
    assert turns("1. 问：a\n   答：b\n\n2. 问：c\n   答：d") == [
        [("user", "a"), ("assistant", "b")],
        [("user", "c"), ("assistant", "d")],
    ]


@pytest.mark.parametrize(
    ("ask", "answer"),
    [
        ("患者（女，45岁）：", "医生（主任）："),
        ("- 患者：", "- 医生："),
        ("> 患者：", "> 医生："),
        ("### 问：", "### 答："),
        ("[12:30] 患者：", "[12:31] 医生："),
        ("（2024-01-02 12:30）患者：", "（2024-01-02 12:31）医生："),
        ("Ｑ：", "Ａ："),
        ("患者∶", "医生∶"),
        ("\u200b患者：", "\ufeff医生："),
        ("张患者：", "李医生："),
        ("說話患者：", "王大夫："),
    ],
)
def test_what_stands_around_role_words_hides_no_turn(ask: str, answer: str):
    text = f"患者：a\n医生：b\n{ask}c\n{answer}d"
    assert [content for _, content in turns(text)[0]] == ["a", "b", "c", "d"]


def test_lines_of_words_own_are_lines():
    assert turns("患者：a\x0b医生：b\u2028多喝水") == [[("user", "a"), ("assistant", "b\n多喝水")]]


def test_the_time_of_day_is_no_number_of_a_turn():
    text = "问：几点？\n答：问12:30到13:00的人。\n医生 12:31 再来"
    read = [item for item in dialogue_items(text) if not isinstance(item, Fault)]
    assert [each.messages[1].content for each in read] == ["问12:30到13:00的人。\n医生 12:31 再来"]


def test_numbers_of_role_words_begin_conversations():
    assert [len(one) for one in turns("1. 问：a\n答：b\n2. 问：c\n答：d")] == [2, 2]


def test_a_letter_within_a_sentence_begins_no_answer():
    assert [field for _, field, _ in faults("Q: Should I take plan A: the cheap one?")] == ["user"]


def test_speakers_may_be_told_apart_by_numbers():
    text = "说话人1：a\n说话人2：b\n\n说话人1：c\n说话人2：d\n"
    read = [item for item in dialogue_items(text) if not isinstance(item, Fault)]
    assert [len(each.messages) for each in read] == [2, 2]


def test_a_title_says_who_answers_though_he_speaks_first():
    text = "李大夫：哪里不舒服？\n小王：头晕。\n李大夫：多久了？\n小王：三天。\n"
    [warning] = [
        item
        for item in dialogue_items(text)
        if isinstance(item, Fault) and item.severity == "warning"
    ]
    assert "小王=user" in warning.expected


@pytest.mark.parametrize("marks", ["1) 2)", "1. 2.", "一、 二、"])
def test_options_below_a_numbered_question_belong_to_it(marks: str):
    one, two = marks.split()
    options = f"{one} 矿物油\n{two} 合成油"
    first = f"1. 哪种油好？\n{options}\n答：合成油：\n1. 便宜\n2. 好买\n"
    text = f"{first}2. 哪种胎好？\n{options}\n答：c\n3. d\n答：e"
    assert turns(text) == [
        [("user", f"哪种油好？\n{options}"), ("assistant", "合成油：\n1. 便宜\n2. 好买")],
        [("user", f"哪种胎好？\n{options}"), ("assistant", "c")],
        [("user", "d"), ("assistant", "e")],
    ]


def test_a_list_below_a_list_of_an_answer_is_no_question_with_options():
    text = "1) a\n答：b\n1. c\n1) d\n2) e\n答：f"
    assert turns(text)[1] == [("user", "e"), ("assistant", "f")]
