"""What is proposed for --map, and above all what is not."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.reading.proposals import accepted, propose

QUESTIONS = ["How do I oil the chain?", "Is rust bad?", "Can I wash the bike?", "When do I brake?"]
ANSWERS = ["One drop per link.", "Yes, it is.", "Yes, gently.", "Before the corner, never in it."]
ASKED = ["最近胃胀怎么办？", "脸上起痘怎么办？", "可以吃辣吗？", "头晕怎么办？"]
TOLD = ["少食多餐，忌生冷。", "清淡饮食，勤洗脸。", "少吃为好。", "先量血压。"]
# What is no text to train on, whatever its field is called.
JUNK: dict[str, list[Any]] = {
    "ids": ["100001", "100002", "100003", "100004"],
    "codes": ["T-001", "T-002", "wxid_a1", "T-004"],
    "numbers": [3, 4.5, 0, 7],
    "prices": ["19.90 €", "5 €", "7,50", "12"],
    "dates": ["2024-01-01", "01.02.2024", "2024年3月4日", "3/4/2024"],
    "times": ["2024-01-01 10:00:00", "Tue Oct 31 22:10:47 +0000 2017", "10:00", "9:15 am"],
    "e-mails": ["a@example.com", "b@example.com", "c.d@example.org", "e@example.com"],
    "links": [
        "https://example.com/1",
        "http://example.com/a?b=c",
        "www.example.com",
        "ftp://e.com/x",
    ],
    "markup": ["<msg>a?</msg>", "<b>c</b>.", "<PR>d? e", "<img src='f'/>"],
    "labels": ["open", "closed", "open", "open"],
    "options": ["A", "C", "B", "D"],
    "yes and no": ["是", "否", "是", "no"],
    "flags": ["0", "1", "1", "0"],
    "booleans": [True, False, True, True],
    "lists": [["a?"], ["b?"], ["c?"], ["d?"]],
    "nothing": [None, "", " ", None],
}


def rows(**columns: list[Any]) -> list[dict[str, Any]]:
    return [
        dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)
    ]


def table(names: str, *columns: list[Any]) -> list[dict[str, Any]]:
    return rows(**dict(zip(names.split(), columns, strict=True)))


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("用户问题", "标准回复"),
        ("症状描述", "专家意见"),
        ("病人提问", "医生回答"),
        ("Frage", "Antwort"),
        ("customer_question", "agentReply"),
        ("Pregunta", "Respuesta"),
        ("Question", "Réponse"),
        ("Ticket_Description", "Resolution"),
        ("question", "anwser"),
        ("q", "a"),
        ("human", "assistant"),
    ],
)
def test_fields_are_known_by_their_names(question: str, answer: str):
    given = rows(**{"id": JUNK["ids"], answer: ANSWERS, "at": JUNK["times"], question: QUESTIONS})
    assert propose(given) == f"question={question},answer={answer}"


def test_names_alone_are_enough():
    assert (
        propose([{"编号": "", "用户问题": "", "标准回复": ""}])
        == "question=用户问题,answer=标准回复"
    )


@pytest.mark.parametrize(("asked", "told"), [(QUESTIONS, ANSWERS), (ASKED, TOLD)])
def test_fields_are_known_by_what_stands_in_them(asked: list[str], told: list[str]):
    given = table("x1 x2 x3 x4", JUNK["ids"], told, asked, JUNK["labels"])
    assert propose(given) == "question=x3,answer=x2"


@pytest.mark.parametrize("junk", JUNK)
@pytest.mark.parametrize("name", ["Correct Answer", "回答", "resolution", "x"])
def test_nothing_but_text_is_taken_for_the_answer(junk: str, name: str):
    # Four values show no label yet: forty do.
    given = rows(id=JUNK["ids"] * 10, question=QUESTIONS * 10, **{name: JUNK[junk] * 10})
    assert propose(given) is None


@pytest.mark.parametrize("junk", JUNK)
def test_nothing_but_text_is_taken_for_the_question(junk: str):
    given = rows(question=JUNK[junk] * 10, answer=ANSWERS * 10)
    assert propose(given) is None


def test_what_speaks_of_a_question_is_not_the_question():
    names = "question_id questionDate answer_count 提问时间 回答者 问题编号 answer_type"
    given = table(names, *[QUESTIONS] * 4, *[ANSWERS] * 3)
    assert propose(given) is None


@pytest.mark.parametrize(
    "given",
    [
        rows(question_short=QUESTIONS, question_long=QUESTIONS[::-1], answer=ANSWERS),
        table("x y z", QUESTIONS, ANSWERS, ANSWERS[::-1]),
        table("x y z", QUESTIONS, QUESTIONS[::-1], ANSWERS),
        table("x y", QUESTIONS[:2], ANSWERS[:2]),
        table("x y", QUESTIONS, TOLD),
        table("x y", ANSWERS, ANSWERS[::-1]),
        table("name street", ["Nina K", "Tom B", "Ann C", "Li D"], ["Main Street 5, Berlin"] * 4),
        [{"title": "Shop", "paragraphs": [{"context": "The shop opened in 1998."}]}] * 4,
        table("x y", [f"Doctor: {each}\nPatient: No." for each in QUESTIONS], ANSWERS),
        [{"question,asked": "a?", "answer": "b."}],
        [{}],
        [],
    ],
)
def test_in_doubt_nothing_is_proposed(given: list[dict[str, Any]]):
    assert propose(given) is None
    assert "--map question=NAME,answer=NAME" in accepted(given)


def test_wrong_answers_that_are_marked_are_left_out_by_the_mark():
    given = table("1 2 3 4", [*QUESTIONS[:2], *QUESTIONS[:2]], JUNK["flags"], ANSWERS, JUNK["ids"])
    assert propose(given) == "question=1,answer=3,keep=2"
    once = table("1 2 3", QUESTIONS, JUNK["flags"], ANSWERS)
    assert propose(once) == "question=1,answer=3"


def test_a_shell_takes_what_is_proposed():
    given = rows(**{"What is it?": QUESTIONS, "Our answer": ANSWERS})
    assert accepted(given).endswith("--map 'question=What is it?,answer=Our answer'")


CELLS = st.sampled_from([each for values in JUNK.values() for each in values])


@given(
    st.dictionaries(st.sampled_from(["id", "a", "answer", "x", "回复", "text"]), CELLS), st.data()
)
def test_junk_is_never_proposed(first: dict[str, Any], data: st.DataObject):
    others = data.draw(st.lists(st.fixed_dictionaries(dict.fromkeys(first, CELLS)), max_size=9))
    assert propose([first, *others]) is None
