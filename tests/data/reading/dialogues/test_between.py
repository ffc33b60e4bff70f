"""Lines between turns: left out and named, or named and kept, never part of a turn unsaid."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.conversation import Conversation
from data.errors import Fault
from data.reading.dialogues.between import sort_out
from data.reading.dialogues.role_words import ROLES, Part
from data.reading.dialogues.turns import lines_of, split_turns
from tests.data.reading.items import dialogue_items

HEADINGS = [
    "# 第二章",
    "## Brakes",
    "第三章 刹车",
    "第 3 节",
    "Chapter 4: Brakes",
    "- 12 -",
    "— 12 —",
    "第 3 页",
    "第3页 共10页",
    "Page 4",
    "page 4 of 10",
    "一、失眠",
    "【脾胃】",
    "（二）脾胃",
]
# Twenty sorts and more, by what is said of them.
LEFT_OUT = {
    "time": [
        "2024-01-01 10:00:00",
        "2024年1月1日 上午10:05",
        "10:05",
        "[10:05 PM]",
        "1/2/2024, 9:41 AM",
        "00:00:05,500 --> 00:00:07,000",
        "昨天 10:05",
        "Mon, 1 Jan 2024 10:00",
        "2024-01-01",
        "—— 10:05 ——",
    ],
    "number": ["3", "12.", "(4)", "#7", "No. 12", "第12条", "【9】", "3楼"],
    "record": ["id=2", "ID: 000123", "No:17", "qid：88", "question_id=7"],
    "link": [
        "https://www.example.com/doctor/2",
        "链接：https://example.com",
        "www.example.com/a?b=c",
    ],
    "e-mail address": ["info@example.com"],
    "file name": ["IMG_0012.jpg", "检查报告.pdf"],
    "event": ["[图片]", "（医生离开了）", "<Media omitted>", "(phone rings)"],
    "divider": ["—— 会话结束 ——", "---- End of chat ----", "*** 广告 ***"],
    "button": ["举报", "展开全文", "点赞 12  收藏 3", "回复(0)", "Like · Reply · 3", "Share"],
    "copyright": ["© 2023 Example Ltd.", "版权所有，翻印必究", "Copyright 2020"],
    "message head": ["李四 2024-01-01 10:05", "2024-01-01 10:05:11 李四"],
    "field": [
        "编号：000123",
        "科室：内科",
        "来源：某网站 2020-01-01 点击：1234",
        "Source: a forum",
    ],
    "heading": HEADINGS,
}
SPEAKERS = [
    "护士：请先登记。",
    "家属：吃得多。",
    "王护士：量一下体温。",
    "Nurse: This way.",
    "主持人：下一位。",
]
JUNK = [line for lines in LEFT_OUT.values() for line in lines]


def contents(text: str, roles: dict[str, Part] | None = None) -> list[list[str]]:
    return [
        [message.content for message in item.messages]
        for item in dialogue_items(text, roles)
        if isinstance(item, Conversation)
    ]


def faults(text: str, roles: dict[str, Part] | None = None) -> list[Fault]:
    return [item for item in dialogue_items(text, roles) if isinstance(item, Fault)]


@pytest.mark.parametrize("gap", ["", "\n"])
@pytest.mark.parametrize(("kind", "line"), [(k, line) for k in LEFT_OUT for line in LEFT_OUT[k]])
def test_a_line_that_is_no_text_is_left_out_and_named(kind: str, line: str, gap: str):
    text = (
        f"患者：头晕怎么办？\n医生：先量血压。\n{gap}{line}\n{gap}"
        "患者：可以吃辣吗？\n医生：少吃为好。\n"
    )
    [fault] = faults(text)
    assert (fault.severity, fault.field, fault.kind) == ("warning", kind, "between turns")
    assert f"line {4 if gap else 3} {line[:40]!r}" in fault.seen
    said = [each for one in contents(text) for each in one]
    assert said == ["头晕怎么办？", "先量血压。", "可以吃辣吗？", "少吃为好。"]


@pytest.mark.parametrize("line", [*LEFT_OUT["heading"], *LEFT_OUT["field"], *LEFT_OUT["record"]])
def test_two_consultations_with_a_border_between_them_are_two(line: str):
    text = f"患者：a。\n医生：b。\n{line}\n患者：c。\n医生：d。\n"
    assert contents(text) == [["a。", "b。"], ["c。", "d。"]]


def test_times_between_the_turns_of_one_consultation_do_not_divide_it():
    text = "患者：a。\n10:01\n医生：b。\n10:02\n患者：c。\n10:03\n医生：d。\n"
    assert contents(text) == [["a。", "b。", "c。", "d。"]]


@pytest.mark.parametrize("line", SPEAKERS)
def test_an_unknown_speaker_is_an_error_that_shows_the_option(line: str):
    text = f"患者：a。\n{line}\n医生：b。\n\n患者：c。\n医生：d。\n"
    [fault] = faults(text)
    word = line.replace(":", "：").split("：")[0].lower()
    assert (fault.severity, fault.line, fault.kind) == ("error", 2, "unknown speaker")
    assert f"--roles {word}=assistant" in fault.expected
    assert contents(text) == [["c。", "d。"]]
    assert contents(text, {word: "skip"}) == [["a。", "b。"], ["c。", "d。"]]
    assert contents(text, {word: "text"})[0] == [f"a。\n{line}", "b。"]
    assert faults(text, {word: "skip"}) == []


def test_a_title_on_the_first_line_is_a_heading():
    text = "中医问诊记录\n某诊所 2024 年\n\n患者：a\n医生：b\n"
    [fault] = faults(text)
    assert (fault.severity, fault.line, fault.field) == ("warning", 1, "heading")
    assert contents(text) == [["a", "b"]]


@pytest.mark.parametrize("line", ["我头晕怎么办？", "Once upon a time there was a bicycle."])
def test_a_sentence_before_the_first_turn_has_lost_its_role_word(line: str):
    [fault] = faults(f"{line}\n患者：a\n医生：b\n")
    assert (fault.severity, fault.line, fault.field) == ("error", 1, "text")


@pytest.mark.parametrize(
    "answer",
    [
        "先量血压。\n再来复诊。",
        "先量血压。\n\n再来复诊。",
        "建议：\n\n黄芪 10克\n当归 5克",
        "先量血压：\n1. 早上\n2. 晚上",
        "一、早睡\n二、少喝茶",
        "先泡脚。\n用法：每日一剂\n注意：忌辛辣",
        "【病情分析】\n脾虚。\n【指导意见】\n少食。",
        "Do this:\n- oil the chain\n- wipe it",
        "Do this.\n\n## Tips\n\nOil it.",
        "Run:\n```\nid=2\n\nmake\n```",
        "每日起居：\n7:00 起床\n22:00 睡觉",
        "少吃辣，多喝水，\n早点睡",
    ],
)
def test_what_belongs_to_an_answer_stays_without_a_word(answer: str):
    text = f"患者：头晕怎么办？\n医生：{answer}\n\n患者：可以吃辣吗？\n医生：少吃为好。\n"
    assert faults(text) == []
    assert contents(text)[0][1] == answer


@pytest.mark.parametrize(
    "line",
    [
        "舌色：红",
        "值班医生说：来",
        "患者;来",
        "详见\nhttps://example.com\n第三页有图。",
        "## 其他\n还有。",
    ],
)
def test_what_may_or_may_not_belong_stays_and_is_named(line: str):
    text = f"患者：头晕怎么办？\n医生：先量血压。\n{line}\n\n患者：可以吃辣吗？\n医生：少吃为好。\n"
    [fault] = faults(text)
    assert (fault.severity, fault.kind) == ("warning", "doubtful")
    assert contents(text)[0][1] == f"先量血压。\n{line}"
    assert contents(text, {"舌色": "text"}) == contents(text)


def test_a_block_of_few_words_behind_an_answer_is_left_out():
    text = "Q: a?\nA: Oil it.\n\nBrakes and tyres\n\nQ: b?\nA: Wash it.\n"
    [fault] = faults(text)
    assert (fault.line, fault.field) == (4, "text behind an empty line")
    assert contents(text) == [["a?", "Oil it."], ["b?", "Wash it."]]


def test_where_answers_end_without_a_full_stop_such_a_block_stays_and_is_named():
    text = "Q: a\nA: oil it\n\nwash it\n\nQ: b\nA: no\n"
    assert [fault.kind for fault in faults(text)] == ["doubtful"]
    assert contents(text)[0] == ["a", "oil it\n\nwash it"]


def test_a_line_that_ends_many_turns_is_left_out_unless_it_is_a_sentence():
    text = "".join(f"问：{i}？\n答：多喝水。\n好评率 9{i}\n\n" for i in range(3))
    [fault] = faults(text)
    assert fault.seen.startswith("3 lines left out (recurring line): line 3 '好评率 90'")
    text = text.replace("好评率", "以上仅供参考。")
    assert contents(text)[0][1].startswith("多喝水。")


def test_what_stands_behind_a_line_that_is_left_out_goes_with_it():
    text = "问：a？\n答：b。\n\nid=2\n我孩子发烧三天了。\n\n问：c？\n答：d。\n"
    assert contents(text) == [["a？", "b。"], ["c？", "d。"]]
    assert "'我孩子发烧三天了。'" in " ".join(fault.seen for fault in faults(text))


TURNS = [
    ("患者", "我最近失眠多梦，怎么办？"),
    ("医生", "这多属心脾两虚。宜早睡。"),
    ("患者", "胃胀，吃一点就饱。"),
    ("医生", "有没有反酸？\n\n大便怎么样？"),
    ("患者", "没有反酸。"),
    ("医生", "少食多餐。\n1. 忌生冷\n2. 忌辛辣"),
]


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.lists(st.sampled_from([*JUNK, *SPEAKERS, ""]), max_size=3),
        min_size=len(TURNS) + 1,
        max_size=len(TURNS) + 1,
    )
)
def test_nothing_between_turns_is_part_of_one_unsaid(woven: list[list[str]]):
    lines = [*woven[0]]
    junk = {number for number, line in enumerate(lines, start=1) if line}
    for (word, content), between in zip(TURNS, woven[1:], strict=True):
        lines += f"{word}：{content}".split("\n")
        junk |= {len(lines) + at for at, line in enumerate(between, start=1) if line}
        lines += between
    turns, stray = split_turns(lines_of("\n".join(lines)), ROLES)
    found = sort_out(stray, turns, ROLES)
    said = [
        *found.kept,
        *found.unlabelled,
        *(each for kind in found.left_out.values() for each in kind),
    ]
    said += [line for of in found.speakers.values() for line in of]
    unsaid = junk - {number for number, _ in said}
    assert not [lines[number - 1] for number in unsaid]
    known = {line for _, content in TURNS for line in content.split("\n")} | {""}
    kept = {text for _, text in found.kept} | {t for of in found.speakers.values() for _, t in of}
    for turn in turns:
        assert {line.strip() for line in turn.lines} <= known | kept
