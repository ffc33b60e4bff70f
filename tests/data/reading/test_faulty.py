"""Faulty conversations: named, skipped or mended, and counted."""

from pathlib import Path

import pytest

from data.conversation import Conversation
from data.errors import Fault, InvalidData
from data.reading.faulty import HOW, Faulty
from data.reading.reader import ReadOptions, read_conversations, read_items

GOOD = "患者：头晕怎么办？\n医生：先量血压。\n"
THANKS = "患者：失眠怎么办？\n医生：睡前泡脚。\n患者：谢谢医生。\n"
GREETING = "医生：您好。\n患者：胃胀。\n医生：少食。\n"
TWICE = "患者：咳嗽。\n患者：三天了。\n医生：多喝水。\n"
OPEN = "患者：有人吗？\n"
STRANGE = "患者：发烧。\n护士：请先登记。\n医生：多喝水。\n"
ALL = "\n".join([GOOD, GREETING, THANKS, TWICE, STRANGE, OPEN])


def read(tmp_path: Path, text: str, how: Faulty) -> tuple[list[list[str]], list[Fault]]:
    path = tmp_path / "a.txt"
    path.write_text(text, encoding="utf-8")
    items = list(read_items(path, ReadOptions(faulty=how)))
    said = [[m.content for m in each.messages] for each in items if isinstance(each, Conversation)]
    return said, [each for each in items if isinstance(each, Fault)]


def test_mend_keeps_what_can_be_mended_and_counts_what_it_did(tmp_path: Path):
    said, faults = read(tmp_path, ALL, "mend")
    assert said == [
        ["头晕怎么办？", "先量血压。"],
        ["胃胀。", "少食。"],
        ["失眠怎么办？", "睡前泡脚。"],
        ["咳嗽。\n三天了。", "多喝水。"],
    ]
    assert {fault.severity for fault in faults} == {"warning"}
    assert [fault.seen.split(":")[0] for fault in faults] == [
        "1 conversation mended (an answer before the first question, dropped)",
        "1 conversation mended (a last question without an answer, dropped)",
        "1 conversation mended (turns of one speaker in a row, joined)",
        "1 conversation left out (unknown speaker)",
        "1 conversation left out (no answer)",
    ]
    assert "line 8 '谢谢医生。'" in faults[1].seen


def test_skip_leaves_all_of_them_out_by_what_is_wrong(tmp_path: Path):
    said, faults = read(tmp_path, ALL, "skip")
    assert said == [["头晕怎么办？", "先量血压。"]]
    assert [fault.seen.split(":")[0] for fault in faults] == [
        "1 conversation left out (no question)",
        "2 conversations left out (no answer)",
        "1 conversation left out (turns in a row)",
        "1 conversation left out (unknown speaker)",
    ]


def test_stop_names_each_fault_and_says_what_the_others_would_do(tmp_path: Path):
    said, faults = read(tmp_path, ALL, "stop")
    assert len(said) == 1
    assert [fault.severity for fault in faults] == ["error"] * 5 + ["warning"]
    assert faults[-1].seen == (
        "5 conversations with faults: --faulty mend would keep 3 of them and leave 2 out, "
        "--faulty skip would leave all of them out"
    )
    with pytest.raises(InvalidData, match="--faulty mend would keep 3"):
        read_conversations(tmp_path / "a.txt")


@pytest.mark.parametrize("how", HOW)
def test_data_without_faults_reads_alike_without_a_word(how: Faulty, tmp_path: Path):
    assert read(tmp_path, GOOD, how) == ([["头晕怎么办？", "先量血压。"]], [])


def test_what_is_wrong_with_the_whole_file_stops_whatever_is_said(tmp_path: Path):
    _, [fault] = read(tmp_path, "Once upon a time there was a bicycle.", "mend")
    assert (fault.severity, fault.field) == ("error", "text")


def test_sixty_consultations_that_end_with_thanks_are_all_kept(tmp_path: Path):
    said, [fault] = read(tmp_path, "\n".join([THANKS] * 60), "mend")
    assert len(said) == 60
    assert fault.seen.startswith("60 conversations mended (a last question")
    assert fault.seen.endswith("and 57 more")
