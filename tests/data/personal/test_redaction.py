"""Personal data replaced."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.conversation import Conversation, Message
from data.personal import find_personal, redact, redact_conversation

PIECES = (
    "我叫王芳",
    "姓名：李小明",
    "张伟先生",
    "13812345678",
    "住在北京市朝阳区建国路88号3单元501室",
    "微信号：anna_lee88",
    "QQ 12345678",
    "病历号0012345",
    "出生日期1985年3月2日",
    "a@example.com",
    "My name is Anna Lee",
    "born on March 2, 1985",
    "，",
    "头晕三天",
    " and ",
    "\n",
)


def test_everything_in_a_text_is_replaced_and_the_rest_stays():
    text = "张伟先生，13812345678，z@example.com，头晕三天。"
    assert redact(text) == "[姓名]先生，[电话]，[邮箱]，头晕三天。"
    assert redact("请发到abc@qq.com即可") == "请发到[邮箱]即可"
    assert redact("头晕三天") == "头晕三天"


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("我叫王芳，微信anna_lee88", "我叫[姓名]，微信[微信号]"),
        ("生日3月2日，QQ：12345678", "生日[出生日期]，QQ：[QQ号]"),
        ("My name is 王芳? No: My name is Anna Lee, call 555-123-4567", None),
        ("I am Anna Lee, call 555-123-4567", "I am [name], call [phone number]"),
        ("13812345678", "[phone number]"),
    ],
)
def test_replacements_are_in_the_language_of_the_rest(text: str, redacted: str | None):
    if redacted is None:
        assert "[phone number]" in redact(text)
    else:
        assert redact(text) == redacted


def test_a_text_without_a_word_is_in_the_language_of_its_conversation():
    conversation = Conversation(
        (Message("user", "我的电话是多少？"), Message("assistant", "13812345678"))
    )
    assert redact_conversation(conversation).messages[1].content == "[电话]"


@given(st.lists(st.sampled_from(PIECES), max_size=8).map(" ".join))
def test_places_are_in_order_and_nothing_is_left_after_replacing(text: str):
    places = [(found.begin, found.end) for found in find_personal(text)]
    assert all(begin < end for begin, end in places)
    assert all(one[1] <= other[0] for one, other in itertools.pairwise(places))
    redacted = redact(text)
    assert redact(redacted) == redacted


@given(st.text())
def test_any_text_can_be_redacted(text: str):
    if not list(find_personal(text)):
        assert redact(text) == text
