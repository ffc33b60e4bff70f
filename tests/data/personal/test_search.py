"""What in a text looks like personal data, and what does not."""

import pytest

from data.personal import find_personal


def kinds_in(text: str) -> list[str]:
    return [found.kind.name for found in find_personal(text)]


def places_in(text: str) -> list[str]:
    return [text[found.begin : found.end] for found in find_personal(text)]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("我的电话是13812345678。", "phone number"),
        ("+86 138-1234-5678", "phone number"),
        ("座机010-62345678", "phone number"),
        ("call (555) 123-4567 now", "phone number"),
        ("+1-555-123-4567", "phone number"),
        ("reach me at 555-123-4567x890", "phone number"),
        ("写信到li.ming+a@mail.example.com.cn，谢谢", "e-mail"),
        ("身份证11010519491231002X", "identity card"),
        ("身份证号：110105194912310021", "identity card"),  # mistyped, and still somebody's
        ("SSN 123-45-6789", "social security number"),
    ],
)
def test_personal_data_is_found_among_other_text(text: str, kind: str):
    assert kinds_in(text) == [kind]


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
        "6222021234567890120",  # no bank card: its check digit is wrong
        "订单号4111111111111111A",
    ],
)
def test_other_numbers_are_nothing_personal(text: str):
    assert kinds_in(text) == []


@pytest.mark.parametrize(
    ("text", "kind", "place"),
    [
        ("医保卡号：A12345678，能报吗", "insurance number", "A12345678"),
        ("社保卡号是 110002345678", "insurance number", "110002345678"),
        ("参保号 3301-0045-6677", "insurance number", "3301-0045-6677"),
        ("my insurance number is XK-4433221.", "insurance number", "XK-4433221"),
        ("Member ID: W123456789", "insurance number", "W123456789"),
        ("病历号0012345", "medical record number", "0012345"),
        ("住院号：ZY20230917，床位未定", "medical record number", "ZY20230917"),
        ("门诊号为 88001234", "medical record number", "88001234"),
        ("就诊卡号：00981234", "medical record number", "00981234"),
        ("MRN: 00123456", "medical record number", "00123456"),
        ("6222 0212 3456 7890 128", "bank card", "6222 0212 3456 7890 128"),
        ("pay with 4111111111111111", "bank card", "4111111111111111"),
        ("银行卡号（工商银行）：6222021234567890120", "bank card", "6222021234567890120"),
        ("护照号E12345678", "passport", "E12345678"),
        ("Passport No. 512345678", "passport", "512345678"),
        ("我的车是京A·12345", "number plate", "京A·12345"),
        ("沪AD12345停在楼下", "number plate", "沪AD12345"),
        ("微信号：anna_lee88", "WeChat number", "anna_lee88"),
        ("加我微信 annalee", "WeChat number", "annalee"),
        ("vx：abc12345", "WeChat number", "abc12345"),
        ("wx abc12345", "WeChat number", "abc12345"),
        ("加我V：lily_fix", "WeChat number", "lily_fix"),
        ("我微信wxid_8k2j3h4g5f", "WeChat number", "wxid_8k2j3h4g5f"),
        ("QQ：12345678", "QQ number", "12345678"),
        ("加Q 987654321", "QQ number", "987654321"),
        ("我的qq号是1234567890", "QQ number", "1234567890"),
    ],
)
def test_numbers_and_accounts_are_found_by_their_labels(text: str, kind: str, place: str):
    assert (kinds_in(text), places_in(text)) == ([kind], [place])


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("出生日期：1985年3月2日", "1985年3月2日"),
        ("出生年月 1985.03", "1985.03"),
        ("生日是3月2日", "3月2日"),
        ("他1985年3月2日出生", "1985年3月2日"),
        ("我85年3月生的，属牛", "85年3月"),
        ("生于一九八五年三月初二", "一九八五年三月初二"),
        ("出生日期：19850302", "19850302"),
        ("宝宝2023/5/1出生", "2023/5/1"),
        ("born on March 2, 1985", "March 2, 1985"),
        ("DOB: 03/02/1985", "03/02/1985"),
        ("date of birth 2 March 1985", "2 March 1985"),
        ("My birthday is the 2nd of March", "2nd of March"),
    ],
)
def test_birth_dates_are_found_by_the_words_around_them(text: str, place: str):
    assert (kinds_in(text), places_in(text)) == (["birth date"], [place])


@pytest.mark.parametrize(
    "text",
    [
        "医生日常查房在2024年3月2日",
        "事故发生于2024年3月2日",
        "2024年3月2日复查",
        "1985年出生",  # a year is many people's
        "保质期至2024年3月2日，生产日期2023-03-02",
        "本条例2024年3月2日生效",
        "挂号费20元，病历本2元",
        "住院12345天",
        "QQ群12345",
        "关注微信公众号bikeworld",
        "微信支付100元",
        "用wxPython写的",
        "银行卡丢了怎么办",
        "医保卡可以用吗",
        "护照过期3天",
        "维生素B12、T5120胎压",
        "born in 1985",
        "card number three",
        "the frame number is WTU123456",
    ],
)
def test_dates_and_words_alone_are_nothing_personal(text: str):
    assert kinds_in(text) == []


def test_what_is_found_twice_is_one_place():
    assert kinds_in("身份证号11010519491231002X") == ["identity card"]
    assert kinds_in("微信：13812345678") == ["WeChat number"]
