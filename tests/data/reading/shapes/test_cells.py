r"""Turns and role words in the cells of questions and answers, with line ends written out as \n."""

from typing import Any

import pytest

from tests.data.reading.lines import Turn, all_turns, faults, turns, warnings

PAIR = [("user", "头晕"), ("assistant", "量血压")]


def pair(question: str, answer: str) -> dict[str, Any]:
    return {"input": question, "target": answer}


@pytest.mark.parametrize("end", [r"\n", r"\r\n", r"\t", "<br>", "<br/>", "<BR />", "\n", "\r\n"])
def test_turns_in_a_question_are_read_however_their_lines_end(end: str):
    cell = end.join(["病人：头晕", "医生：多久了？", "病人：三天", "医生："])
    assert turns(pair(cell, "量血压")) == [
        ("user", "头晕"),
        ("assistant", "多久了？"),
        ("user", "三天"),
        ("assistant", "量血压"),
    ]


def test_line_ends_within_a_turn_are_read_as_those_between_turns_are():
    assert turns(pair("病人：头晕，\n三天了\\n恶心<br>医生：", "量血压")) == [
        ("user", "头晕，\n三天了\n恶心"),
        ("assistant", "量血压"),
    ]


def test_turns_in_an_answer_go_on_with_those_of_the_question():
    expected = [*PAIR, ("user", "还有呢？"), ("assistant", "休息")]
    assert turns(pair("病人：头晕", "医生：量血压\n病人：还有呢？\n医生：休息")) == expected
    assert turns(pair("病人：头晕\\n医生：", "量血压\\n病人：还有呢？\\n医生：休息")) == expected


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("问：头晕", "答：量血压"),
        ("问:头晕", "答:量血压"),
        ("Q: 头晕", "A: 量血压"),
        ("患者：头晕", "医生：量血压"),
        ("【问】：头晕", "**答**：量血压"),
        ("患者：头晕", "李医生：量血压"),
        ("1、问：头晕", "答：量血压"),
        ("问：头晕", "量血压"),
        ("头晕", "量血压"),
    ],
)
def test_role_words_that_say_what_their_fields_say_are_cut_off(question: str, answer: str):
    assert turns(pair(question, answer)) == PAIR


def test_a_role_word_before_answers_alone_is_cut_off_and_said_with_its_share():
    rows = [pair("头晕", "答：量血压")] * 3 + [pair("胃胀", "少食")]
    assert all_turns(*rows)[0] == PAIR
    [warning] = warnings(*rows)
    assert warning == "3 of 4 answers began with '答', which was cut off"


@pytest.mark.parametrize(
    ("question", "answer", "seen"),
    [
        ("答：头晕", "量血压", "1 of 1 questions begin with '答', which was kept"),
        ("系统：打不开", "重启", "1 of 1 questions begin with '系统', which was kept"),
        ("头晕", "问：量血压", "1 of 1 answers begin with '问', which was kept"),
        (
            "怎么办？",
            "先问医生：多久复查？",
            "1 of 1 answers begin with '先问医生', which was kept",
        ),
        ("Which plan?", "A: the cheap one", "1 of 1 answers begin with 'A', which was kept"),
        ("用户：登录失败 答案：改密码", "d", "1 of 1 questions begin with '用户'"),
        ("病人：头晕\n医生：多久？", "量血压", "1 of 1 questions hold a role word such as '医生'"),
        (
            "看病历：\n患者：男\n主诉：头晕",
            "量血压",
            "1 of 1 questions hold a role word such as '患者'",
        ),
        ("头晕三天。医生：多久？", "三天", "1 of 1 questions hold a role word such as '医生'"),
        ("头晕", "量血压。患者：谢谢 医生：不谢", "1 of 1 answers hold a role word such as '患者'"),
        ("Rust?", "Oil it. Customer: thanks", "1 of 1 answers hold a role word such as 'Customer'"),
        (
            "写一段对话",
            "好的：\n医生：你好\n患者：你好",
            "1 of 1 answers hold a role word such as '医生'",
        ),
        (
            "病人：头晕",
            "医生：量血压\n医生：休息",
            "1 of 1 answers hold a role word such as '医生'",
        ),
    ],
)
def test_a_role_word_that_is_not_understood_stays_and_is_said(
    question: str, answer: str, seen: str
):
    row = pair(question, answer)
    [warning] = warnings(row)
    assert warning.startswith(seen)
    [read] = all_turns(row)
    assert [role for role, _ in read] == ["user", "assistant"]


def test_what_is_said_of_many_rows_is_said_once_with_the_first_of_them():
    rows = [pair("头晕", "量血压")] * 4 + [pair("头晕", "问：量血压")] * 196
    [fault] = faults(*rows)
    assert fault.startswith("a.jsonl:5: role words: 196 of 200 answers begin with '问'")


def test_options_of_a_question_are_no_turns():
    question = "问：以下哪项？\nA：头痛\nB：发热"
    asked = "以下哪项？\nA：头痛\nB：发热"
    assert turns(pair(question, "答：B")) == [("user", asked), ("assistant", "B")]
    options = "Which?\nA: wax\nB: oil"
    assert turns(pair(options, "B")) == [("user", options), ("assistant", "B")]
    assert turns(pair("List them.", "There are:\nA: wax\nB: oil"))[1][1].endswith("A: wax\nB: oil")


@pytest.mark.parametrize("row", [pair("问：", "量血压"), pair("问：头晕", "答：")])
def test_a_role_word_with_nothing_behind_it_is_an_empty_turn(row: dict[str, Any]):
    [fault] = faults(row)
    assert "an empty turn" in fault


@pytest.mark.parametrize(
    "text",
    ['print("a\\n")', 'printf("Q: x\\nA: y")', r"C:\new\table", r"\frac{a}{b}\neq c", "1<br>2"],
)
def test_backslashes_before_no_role_word_stay(text: str):
    [read] = all_turns(pair(text, text))
    assert read == [("user", text), ("assistant", text)]


@pytest.mark.parametrize(
    "text",
    [
        "Here is the answer: 42",
        "A note to the user: wait.",
        "可以问医生。多久复查：三天。",
        "http://user:word@example.com",
        "建议：多休息。注意：饮食清淡。",
    ],
)
def test_a_role_word_within_a_sentence_is_a_word_of_it(text: str):
    assert turns(pair("头晕", text)) == [("user", "头晕"), ("assistant", text)]


@pytest.mark.parametrize(
    "row",
    [
        {"conversation": [{"human": "问：头晕", "assistant": "答：量血压"}]},
        {"questions": ["问：头晕"], "answers": ["答：量血压"]},
        {"patterns": ["Q: 头晕"], "responses": ["A: 量血压"]},
    ],
)
def test_role_words_are_cut_off_pairs_of_every_kind(row: Any):
    assert turns(row) == PAIR


def test_role_words_are_cut_off_earlier_turns_too():
    row = {"query": "问：头晕", "response": "答：量血压", "history": [["问：胃胀", "答：少食"]]}
    assert turns(row) == [("user", "胃胀"), ("assistant", "少食"), *PAIR]


def test_numbers_within_answers_begin_no_turn():
    answer: str = "建议：\n1. 多休息：每天八小时\n2. 饮食：清淡"
    expected: list[Turn] = [("user", "头晕"), ("assistant", answer)]
    assert turns(pair("头晕", answer)) == expected
