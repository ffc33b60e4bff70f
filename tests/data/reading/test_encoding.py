"""Bytes to text."""

import io

import pytest

from data.errors import UnreadableFile
from data.reading.encoding import open_text

CHINESE = "患者：我最近总是头晕，应该看什么科？\n医生：建议先到神经内科就诊，测量血压。\n" * 3


def decode(raw: bytes, source: str) -> str:
    return open_text(io.BytesIO(raw), source).read()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030", "gbk"])
def test_text_is_the_same_in_every_accepted_encoding(encoding: str):
    assert decode(CHINESE.encode(encoding), "a.txt") == CHINESE


def test_big_endian_utf16_with_a_mark_is_read():
    assert decode(b"\xfe\xff" + CHINESE.encode("utf-16-be"), "a.txt") == CHINESE


@pytest.mark.parametrize("line_end", ["\r\n", "\r", "\n"])
def test_line_ends_become_newlines(line_end: str):
    assert decode(f"Q: a{line_end}A: b".encode(), "a.txt") == "Q: a\nA: b"


def test_one_bad_byte_in_utf8_is_named_and_not_read_as_gb18030():
    raw = CHINESE.encode()
    offset = raw.index(b"\n") + 1
    with pytest.raises(UnreadableFile) as caught:
        decode(raw[:offset] + b"\xff" + raw[offset:], "a.txt")
    message = str(caught.value)
    assert message.startswith("a.txt: looks like UTF-8")
    assert f"0xff at byte offset {offset}, line 2" in message
    assert "save it" in message


def test_utf8_cut_inside_a_character_is_an_error_at_that_character():
    raw = CHINESE.strip().encode()
    with pytest.raises(UnreadableFile, match=f"byte offset {len(raw) - 3}, line 6"):
        decode(raw[:-1], "a.txt")


def test_a_byte_lost_from_any_chinese_character_in_utf8_is_an_error():
    raw = CHINESE.encode()
    for at, byte in enumerate(raw):
        if byte >= 0x80:
            with pytest.raises(UnreadableFile, match="looks like UTF-8"):
                decode(raw[:at] + raw[at + 1 :], "a.txt")


def test_file_joined_from_utf8_and_gb18030_is_an_error():
    with pytest.raises(UnreadableFile, match="looks like UTF-8"):
        decode(CHINESE.encode() + CHINESE.encode("gb18030"), "a.txt")


def test_offset_counts_the_byte_order_mark():
    with pytest.raises(UnreadableFile, match=r"its byte order mark.*byte offset 5, line 1"):
        decode(b"\xef\xbb\xbfab\xff", "a.txt")
    with pytest.raises(UnreadableFile, match=r"UTF-16-LE.*byte offset 6, line 2"):
        decode(b"\xff\xfea\0\n\0\x00\xd8", "a.txt")


def test_bytes_of_no_accepted_encoding_name_where_it_broke():
    with pytest.raises(UnreadableFile, match=r"is not UTF-8, looks like .*offset 7, line 2"):
        decode(b"abc\ncaf\x81 \xff au lait", "a.txt")


@pytest.mark.parametrize("encoding", ["big5", "cp950", "gb18030"])
@pytest.mark.parametrize("times", [1, 50])
def test_traditional_characters_are_read_in_the_encoding_they_are_in(encoding: str, times: int):
    text = (
        "患者：我最近總是頭暈，應該怎麼辦？\n醫生：先量血壓，注意休息，少吃辛辣的食物。\n" * times
    )
    assert decode(text.encode(encoding), "a.txt") == text


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("text", ["Q: hello\nA: it’s fine\n", CHINESE])
def test_utf16_without_a_mark_is_read(encoding: str, text: str):
    assert decode(text.encode(encoding), "a.txt") == text


def test_curly_quotes_of_windows_are_no_chinese():
    text = "Q: How’s the chain?\nA: It’s “fine” — oil it every 200 km.\n"
    assert decode(text.encode("cp1252"), "a.txt") == text


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030", "utf-16-le", "big5"])
def test_characters_may_lie_across_blocks(encoding: str):
    text = "a" + "患者：我最近總是頭暈，應該怎麼辦？先量血壓。\n" * 70_000
    assert decode(text.encode(encoding), "a.txt") == text


def test_a_bad_byte_far_behind_is_found_with_its_place():
    raw = ("测试，\n" * 300_000).encode("gb18030")
    with pytest.raises(UnreadableFile, match=rf"byte offset {len(raw)}, line 300001"):
        decode(raw + b"\xff\xff" + raw, "a.txt")


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (b"ab\0cd", "binary data"),
        (b"\x01\x02\x03 text", "binary data"),
        (b"\x00\xff\xff\xff", "binary data"),
    ],
)
def test_what_is_not_text_is_said_to_look_like_what_it_is(raw: bytes, kind: str):
    with pytest.raises(UnreadableFile, match=f"{kind}.*byte offset"):
        decode(raw, "a.txt")


def test_a_stray_control_character_in_a_long_text_is_no_sign_of_binary():
    assert decode(CHINESE.encode() + b"\x1b", "a.txt").endswith("\x1b")
