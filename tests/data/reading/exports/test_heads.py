"""Heads of messages in the forms that programs write them, and what is none."""

import pytest

from data.reading.exports.export import read_export
from data.reading.talk import read_talk
from tests.data.reading.items import texts_of

TALK = ("How often?", "Every 200 km.", "In rain?", "Every 100 km.")
READ = [[(role, text) for role, text in zip(("user", "assistant") * 2, TALK, strict=True)]]

BEFORE_TEXT = [
    "31/12/2023, 21:41 - {}: ",
    "31/12/2023 21:41 - {}: ",
    "12/31/23, 9:41\u202fPM - {}: ",
    "31/12/23, 9:41 p.\u00a0m. - {}: ",
    "31.12.23, 21:41 - {}: ",
    "31-12-2023 21:41 - {}: ",
    "31.12.2023 klo 21.41 - {}: ",
    "31/12/2023 à 21:41 - {}: ",
    "2023/12/31 下午9:41 - {}: ",
    "2023-12-31 21:41 - {}: ",
    "31. 12. 2023 21:41 - {}: ",
    "2023. 12. 31. 오후 9:41, {} : ",
    "2023년 12월 31일 오후 9:41, {} : ",
    "Sun, 12/31/2023, 9:41 PM - {}: ",
    "[31.12.23, 21:41:05] {}: ",
    "\u200e[31/12/23, 9:41:05\u202fPM] {}: ",
    "[2023/12/31, 21:41:05] {}: ",
    "[31/12/2023 21:41:05] {}: ",
    "[12.3.2022 klo 14.08.18] {}: ",
    "[31.12.23, 21:41:05] \u202a{}\u202c: ",
    "[31.12.23, 21:41:05] ~\u202f{}: ",
    "[21:41, 31.12.2023] {}: ",
    "[2019-12-24, 12:23] {}: ",
    "[12/31 9:41 PM] {}: ",
    "2024-01-01 10:00:00 {}：",
    "2024年1月1日 10:00 {}：",
    "2024-01-01T10:00:00.000Z {}: ",
    "21:41 {}: ",
    "[00:12:31] {}: ",
    "(10:15:02 AM) {}: ",
    "[00:00:02 - 00:00:07] {}: ",
    "00:12:31 From {} to Everyone: ",
    "00:12:31\t From  {} : ",
    "16:20:25\t De  {} : ",
    "12:00:01 从 {} 到 所有人：",
    "00:58:04\t{}:\t",
    "下午09:41\t{}\t",
    "[{}] [오후 9:41] ",
    "7/1/16, 4:56:55 PM: {}: ",
    "15:45, 31 Oct 2013 - {}: ",
    "18 Mar 12:14 - {}: ",
    "Mar 5, 2023, 8:11 PM {}: ",
    "[١٨\u200f/٣\u200f/٢٠٢٢، ٢:٥٦:٠٠\u00a0م] {}: ",
    "[3/18/2565 BE, 14:56:01] {}: ",
    "[3/18/R4, 14:56:01] {}: ",
    "* From {} to Everyone 02:01 PM: ",
    "{} (2024-01-01 10:00:00): ",
    "{} 10:00：",
    "{}(00:00:12): ",
]
ABOVE_TEXT = [
    "2024-01-01 10:00:00 {}",
    "2024-01-01 10:00:00 '{}'",
    "2024-01-01 10:00:00 {}(10023456)",
    "2024-01-01 10:00:00 {}<nina@example.org>",
    "[00:00:02 - 00:00:07] {}",
    "{} 2023/09/16 2:51 PM",
    "{} 2024年1月1日 10:00",
    "{}(z00123456)\t2026-03-31 09:15:32",
    "{}, [31.12.23 21:41]",
    "{} — 31.12.2023 21:41",
    "{}  9:41 PM",
    "{} (10:02)",
    "{} (00:00:12):",
    "{} 00:12",
    "**{}** 10:02 AM",
    "🟢 {} [00:00:05]",
    "00:12:31 From {} to Everyone:",
    "2025-11-29 17:03:48 From {} to Everyone:",
    "From {} to Everyone:  02:42 PM",
    "From {} to Everyone: (18:09)",
    "From {} to Everyone 10:54 AM",
]


def chat(head: str, end: str = "") -> str:
    names = ("Nina", "Bike Shop") * 2
    return "".join(f"{head.format(n)}{text}\n{end}" for n, text in zip(names, TALK, strict=True))


@pytest.mark.parametrize("head", BEFORE_TEXT)
def test_a_head_may_stand_before_the_text(head: str):
    assert texts_of(read_talk(chat(head), "a.txt", {})) == READ


@pytest.mark.parametrize("end", ["", "\n"])
@pytest.mark.parametrize("head", ABOVE_TEXT)
def test_a_head_may_stand_above_the_text(head: str, end: str):
    assert texts_of(read_talk(chat(f"{head}\n", end), "a.txt", {})) == READ


@pytest.mark.parametrize("title", ["", "Chat with the Bike Shop\n\n", "\ufeff"])
def test_lines_go_on_with_the_message_above(title: str):
    text = title + chat("31/12/2023, 21:41 - {}: ", "- one: 10:30\n\n  two\n")
    [[_, (_, answer), *_]] = texts_of(read_talk(text, "a.txt", {}))
    assert answer == "Every 200 km.\n- one: 10:30\n\n  two"


def test_a_line_that_ends_in_a_time_is_text_where_heads_have_empty_lines_above():
    text = chat("{} 10:02:00\n", "\n").replace("200 km.", "200 km.\nwe close at 10:30")
    [[_, (_, answer), *_]] = texts_of(read_talk(text, "a.txt", {}))
    assert answer == "Every 200 km.\nwe close at 10:30"


SCHEDULE = "08:00 Breakfast: porridge\n12:00 Lunch: soup\n18:00 Dinner: soup\n"


@pytest.mark.parametrize(
    "text",
    [
        f"Q: What do I eat?\nA: This:\n{SCHEDULE}",
        f"问：怎么吃？\n答：如下\n{SCHEDULE}\n问：多久？\n答：一周\n",
        SCHEDULE.replace("Lunch", "Brunch"),  # names that do not come again
        "Bus 10:30\nTram 10:35\nBus 10:45\nTram 10:50\n",  # no text
        "".join(
            f"2024-01-01 10:00:0{i} {level}: x\n" for i, level in enumerate(["INFO", "WARN"] * 3)
        ),
        "Monday 10:00\nopen\nTuesday 10:00\nopen\nMonday 14:00\nopen\nTuesday 14:00\nopen\n",
        "10:00 Nina: a\n10:01 Tom: b\n",  # too few
        "10:00 Nina: a\n10:01 Nina: b\n10:02 Nina: c\n",  # one speaker
        "2024-01-01 10:00\na\n2024-01-02 10:00\nb\n2024-01-03 10:00\nc\n",  # a diary
        "Chapter 3:16 Text: a\nChapter 3:17 Text: b\nChapter 3:18 Text: c\n",
        "v1.20 Fix: a\nv1.21 Add: b\nv1.22 Fix: c\nv1.23 Add: d\n",
    ],
)
def test_other_texts_with_times_are_no_chats(text: str):
    assert read_export(text.split("\n"), "a.txt", {}) is None


def test_a_note_and_a_line_above_are_left_out_and_named():
    text = "a title\n" + chat("31/12/2023, 21:41 - {}: ").replace(
        "31/12/2023, 21:41 - Nina: In", "31/12/2023, 21:42 - Tom left\n31/12/2023, 21:41 - Nina: In"
    )
    export = read_export(text.split("\n"), "a.txt", {})
    assert export
    [note] = [fault for fault in export.faults if fault.kind == "note"]
    assert note.seen == "2 lines that nobody said, left out: line 1 'a title', line 4 'Tom left'"


def test_text_that_looks_like_a_head_of_another_form_is_a_warning():
    text = chat("31/12/2023, 21:41 - {}: ") + "[31.12.23, 21:45:00] Tom: Hi\n"
    export = read_export(text.split("\n"), "a.txt", {})
    assert export
    [warning] = [fault for fault in export.faults if fault.kind == "unread head"]
    assert "'[31.12.23, 21:45:00] Tom: Hi'" in warning.seen


def test_a_dialogue_of_which_some_turns_have_times_is_none():
    text = "".join(f"[12:3{i}] 患者：a\n[12:3{i}] 医生：b\n" for i in range(4))
    assert read_export(f"{text}患者：c\n医生：d\n".split("\n"), "a.txt", {}) is None
    assert read_export(text.split("\n"), "a.txt", {})


def test_a_name_before_text_within_a_message_is_a_warning():
    text = chat("2024-01-01 10:00:00 {}\n", "Nina: and then?\n")
    export = read_export(text.split("\n"), "a.txt", {})
    assert export
    [warning] = [fault for fault in export.faults if fault.kind == "unread head"]
    assert "line 1 'Nina: and then?'" in warning.seen


def test_what_is_said_of_a_speaker_is_no_part_of_a_role_word():
    text = "[12:30] 患者（女，45岁）：a\n[12:31] 医生：b\n[12:32] 患者（男）：c\n[12:33] 医生：d\n"
    assert texts_of(read_talk(text, "a.txt", {})) == [
        [("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d")]
    ]


@pytest.mark.parametrize(
    "line", ["2024" * 20_000, "a " * 40_000, " " * 80_000, "1:" * 40_000, "[" * 80_000]
)
def test_long_lines_take_no_long_time(line: str):
    assert read_export([line] * 3, "a.txt", {}) is None
