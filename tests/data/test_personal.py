"""Personal data in texts."""

import pytest

from data.personal import find_personal, redact


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("我的电话是13812345678。", "phone number"),
        ("+86 138-1234-5678", "phone number"),
        ("座机010-62345678", "phone number"),
        ("call (555) 123-4567 now", "phone number"),
        ("+1-555-123-4567", "phone number"),
        ("写信到li.ming+a@mail.example.com.cn，谢谢", "e-mail"),
        ("身份证11010519491231002X", "identity card"),
        ("SSN 123-45-6789", "social security number"),
    ],
)
def test_personal_data_is_found_among_other_text(text: str, kind: str):
    assert [found.kind.name for found in find_personal(text)] == [kind]
    assert f"[{kind}]" in redact(text)


@pytest.mark.parametrize(
    "text",
    [
        "110105194912310021",  # its check digit is wrong
        "000-12-3456",
        "666-12-3456",
        "123-00-4567",
        "订单2024138123456789",
        "每日3次，每次100-200毫升",
        "2024-02-29",
        "a@b",
        "13812345678901",
    ],
)
def test_other_numbers_are_nothing_personal(text: str):
    assert list(find_personal(text)) == []
    assert redact(text) == text


def test_everything_in_a_text_is_replaced_and_the_rest_stays():
    text = "张先生，13812345678，z@example.com，头晕三天。"
    assert redact(text) == "张先生，[phone number]，[e-mail]，头晕三天。"
    assert redact("请发到abc@qq.com即可") == "请发到[e-mail]即可"
    assert redact("邮箱abc@qq.com") == "邮箱[e-mail]"
