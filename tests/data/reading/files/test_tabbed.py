"""Text files that are tables, and those that only hold tabs."""

import pytest

from data.reading.files.tabbed import is_tab_table

WIDE = "内科\t1\t7\t胃胀怎么办？\t少食多餐。\n内科\t0\t7\t胃胀怎么办？\t换副眼镜。\n"


@pytest.mark.parametrize(
    "text",
    [
        WIDE,
        WIDE.replace("\n", "\r\n"),
        "question\tanswer\na\tb\n",
        "Why is it so?\tBecause.\nHow is it?\tFine.\nWhen is it?\tNow.\n",
        "a\tb\tc\n\nd\te\tf",
    ],
)
def test_lines_of_as_many_cells_are_a_table(text: str):
    for encoding in ("utf-8", "gb18030"):
        assert is_tab_table(text.encode(encoding))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a\tb\tc\n",
        "Q: a\tA: b\nQ: c\tA: d\n",
        "1.\t问：a\t答：b\n2.\t问：c\t答：d\n",
        "a\tb\tc\na\tb\n",
        "a\nb\n",
        "Anna\tHello.\nBen\tHi.\nAnna\tBye.\n",
        "10:00:01\tAnna\tHello?\n10:00:05\tBen\tHi.\n",
        "2024-01-01\tAnna\tHello?\n2024-01-02\tBen\tHi.\n",
    ],
)
def test_dialogues_and_chats_are_none(text: str):
    for encoding in ("utf-8", "gb18030", "utf-16"):
        assert not is_tab_table(text.encode(encoding))


def test_a_table_is_known_by_its_beginning():
    assert is_tab_table((WIDE * 999).encode()[: 1 << 14])
