"""Training and hold-out."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.conversation import Conversation, Message
from data.split import split_conversations, unlike


def pair(question: str, answer: str) -> Conversation:
    return Conversation((Message("user", question), Message("assistant", answer)))


def distinct(count: int) -> list[Conversation]:
    return [pair(f"question {number}", f"answer {number}") for number in range(count)]


@pytest.mark.parametrize(
    ("count", "expected"),
    [(0, 0), (1, 0), (2, 1), (3, 1), (12, 4), (30, 10), (100, 10), (500, 50), (5000, 200)],
)
def test_held_out_count_follows_the_fraction_within_its_bounds(count: int, expected: int):
    train, held_out = split_conversations(distinct(count), 0)
    assert (len(train), len(held_out)) == (count - expected, expected)


def test_bounds_are_arguments():
    conversations = distinct(100)
    assert len(split_conversations(conversations, 0, fraction=0.3)[1]) == 30
    assert len(split_conversations(conversations, 0, at_most=5, at_least=1)[1]) == 5


def test_other_seed_gives_another_split():
    conversations = distinct(100)
    assert split_conversations(conversations, 1)[1] != split_conversations(conversations, 2)[1]


def test_duplicates_after_normalisation_stay_on_one_side():
    forms = ["ＡＢＣ，头晕？", "abc 头晕", "Abc头晕!!"]
    for seed in range(20):
        conversations = [*distinct(5), *(pair(form, f"x{form}") for form in forms)]
        train, _ = split_conversations(conversations, seed)
        kept = [each for each in train if each.messages[0].content in forms]
        assert len(kept) in (0, 3)


def test_a_system_message_that_all_have_makes_nobody_alike():
    system = Message(
        "system", "You are Marv, who is sarcastic, answers shortly and likes no rules."
    )
    conversations = [Conversation((system, *each.messages)) for each in distinct(30)]
    assert len(split_conversations(conversations, 0)[1]) == 10


def test_questions_of_punctuation_alone_are_not_all_equal():
    conversations = [pair("？", "a"), pair("！", "b")]
    assert [len(side) for side in split_conversations(conversations, 0)] == [1, 1]


def test_tool_calls_without_text_are_no_duplicates():
    call = Message("assistant", "", tool_calls=({"id": "1"},))
    conversations = [Conversation((Message("user", f"q{number}"), call)) for number in range(6)]
    assert len(split_conversations(conversations, 0)[1]) == 2


def test_one_group_is_all_training():
    assert split_conversations([pair("a", "b")] * 9, 0)[1] == []


def test_smallest_group_is_held_out_when_every_group_is_more_than_a_third():
    big, small = [pair("a", "b")] * 6, [pair("c", "d")] * 4
    assert split_conversations(big + small, 3) == (big, small)


SMALL = st.lists(st.builds(pair, *[st.sampled_from(["a", "A!", "b", "c", "d", "e", "f"])] * 2))


@settings(max_examples=150, deadline=None)
@given(SMALL, st.integers(0, 9), st.randoms(use_true_random=False))
def test_split_divides_no_group_and_ignores_the_order(
    conversations: list[Conversation], seed: int, random: Random
):
    train, held_out = split_conversations(conversations, seed)
    assert sorted(map(repr, train + held_out)) == sorted(map(repr, conversations))
    for place in (0, 1):
        sides = [
            {each.messages[place].content.strip("!").lower() for each in side}
            for side in (train, held_out)
        ]
        assert not sides[0] & sides[1]
    assert bool(train) == bool(conversations)
    shuffled = conversations.copy()
    random.shuffle(shuffled)
    again = split_conversations(shuffled, seed)
    assert [sorted(map(repr, side)) for side in again] == [
        sorted(map(repr, side)) for side in (train, held_out)
    ]


@settings(max_examples=100, deadline=None)
@given(st.integers(2, 120), st.integers(0, 9))
def test_never_more_than_a_third_of_distinct_conversations_is_held_out(count: int, seed: int):
    train, held_out = split_conversations(distinct(count), seed)
    assert train
    assert 1 <= len(held_out) <= max(1, count // 3)


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 12), st.integers(1, 4), st.integers(0, 999))
def test_what_is_nearly_the_same_is_not_divided(num_texts: int, num_copies: int, seed: int):
    """Each text some times, with one character of two hundred changed."""
    random = Random(seed)
    conversations: list[Conversation] = []
    for number in range(num_texts):
        text = "".join(chr(random.randrange(0x4E00, 0x9FA5)) for _ in range(200))
        for copy in range(num_copies):
            at = random.randrange(200)
            changed = f"{text[:at]}{'甲乙丙丁'[copy]}{text[at + 1 :]}"
            messages = Message("user", f"{number}问{copy}"), Message("assistant", changed)
            conversations.append(Conversation(messages, line=number))
    random.shuffle(conversations)
    sides = split_conversations(conversations, seed)
    train, held_out = ({each.line for each in side} for side in sides)
    assert not train & held_out
    assert len(train | held_out) == num_texts


def test_unlike_are_those_that_ask_and_answer_nothing_of_the_others():
    others = [pair("Question 1!", "other"), pair("other", "ANSWER 2")]
    left = unlike(distinct(5), others)
    assert left == [each for number, each in enumerate(distinct(5)) if number not in (1, 2)]
    assert unlike(distinct(3), []) == distinct(3)
    assert unlike([], others) == []


def test_unlike_leaves_out_what_is_nearly_the_same_text():
    text = "My chain skips on the smallest sprocket when I push hard up the hill to the school"
    near = pair(text, "It is worn; measure it and change it.")
    other = pair(f"{text} today", "It is worn; measure it, and change it.")
    assert unlike([near, pair("a", "b")], [other]) == [pair("a", "b")]
