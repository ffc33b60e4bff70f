"""Which corrections measure and which are trained on."""

from typing import Any

from data.conversation import Conversation, Message
from finetune.improving.correction import ENOUGH, Correction, Side, assign, reviewed_for


def asked(question: str, answer: str = "早睡。") -> Conversation:
    return Conversation((Message("user", question), Message("assistant", answer)))


def correction(number: int, side: Side | None = None, **fields: Any) -> Correction:
    question = f"{number} {'甲乙丙丁戊己庚辛壬癸'[number % 10] * 5}{number}怎么办？"
    return Correction(str(number), asked(question), given="喝水。", side=side, **fields)


def test_every_second_is_held_out_until_there_are_ten_then_every_fifth():
    sides = assign([correction(number) for number in range(35)], [])
    out = [int(key) for key, side in sides.items() if side == "held_out"]
    assert out == [*range(1, 20, 2), 24, 29, 34]


def test_round_by_round_it_is_the_same():
    known: dict[str, Side] = {}
    for end in (3, 4, 11, 12, 30, 35):
        known = assign([correction(number, known.get(str(number))) for number in range(end)], [])
    assert known == assign([correction(number) for number in range(35)], [])


def test_what_has_a_side_keeps_it():
    one, two = correction(0, "held_out"), correction(1, "trained")
    assert assign([one, two], []) == {"0": "held_out", "1": "trained"}


def test_what_asks_the_same_stays_together():
    first, second = correction(0), correction(1)
    again = Correction("again", first.right, given="x")
    once_more = Correction("once more", second.right, given="x")
    assert assign([first, second, again, once_more], []) == {
        "0": "trained",
        "1": "held_out",
        "again": "trained",
        "once more": "held_out",
    }
    held_out_before = [asked(first.right.messages[0].content, "不知道。")]
    assert assign([first], held_out_before) == {"0": "held_out"}


def test_a_good_answer_measures_nothing():
    liked = [Correction(str(n), correction(n).right) for n in range(4)]
    assert {*assign(liked, []).values()} == {"trained"}
    assert assign([*liked, correction(5), correction(6)], [])["6"] == "held_out"


def test_how_many_have_to_be_reviewed():
    assert reviewed_for(ENOUGH, 0) == 20
    assert reviewed_for(ENOUGH - 3, 3) == 14
    assert reviewed_for(4, 8) == 2 * 2 + 2 * 5
    assert reviewed_for(1, 40) == 5
