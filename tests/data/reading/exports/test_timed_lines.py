"""Times and cues on lines of their own."""

import pytest

from data.reading.exports.speakers import Part
from data.reading.talk import read_talk
from tests.data.reading.exports.chats import export_of
from tests.data.reading.items import faults_of, texts_of

READ = [[("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d")]]


@pytest.mark.parametrize(
    "time",
    [
        "2024-01-01 10:00:00",
        "[2024-01-01 10:00]",
        "10:00",
        "10:00 AM",
        "—— 2024年1月1日 10:00 ——",
        "（10:00）",
        "2024/1/1 上午10:00",
        "00:00:01 --> 00:00:05",
    ],
)
@pytest.mark.parametrize(
    "names", [("患者", "医生"), ("Nina Roe", "Bike Shop"), ("[Nina]", "[Agent]")]
)
def test_a_time_may_stand_above_each_turn(time: str, names: tuple[str, str]):
    lines = zip(names * 2, "abcd", strict=True)
    text = "".join(f"{time}\n{name}: {said}\n" for name, said in lines)
    assert texts_of(read_talk(text, "a.txt", {})) == READ


@pytest.mark.parametrize("lines", ["{time}\n{name}\n{said}\n", "{name}\n{time}\n{said}\n\n"])
def test_names_may_stand_alone_beside_the_time(lines: str):
    text = "".join(
        lines.format(time="10:12 AM", name=name, said=said)
        for name, said in zip(("Nina", "Shop Support") * 2, "abcd", strict=True)
    )
    assert texts_of(read_talk(text, "a.txt", {})) == READ


def test_names_in_brackets_may_stand_below_a_cue_and_within_it():
    cue = "00:0{}.000 --> 00:0{}.900\n{}\n\n"
    said = ("(Nina Roe)\na", "(Nina Roe)\nand\n-\n(Bike Shop)\nb", "(Bike Shop)\nor c")
    text = "".join(cue.format(i, i, each) for i, each in enumerate(said))
    assert texts_of(read_talk(text, "a.vtt", {})) == [
        [("user", "a\nand\n-"), ("assistant", "b\nor c")]
    ]


def test_a_line_below_a_time_that_names_nobody_is_left_out():
    text = "".join(f"10:0{i}\n{'患者' if i % 2 else '医生'}：a\n" for i in range(1, 7))
    text += "10:08\n患者已离开\n"
    read = [*read_talk(text, "a.txt", {})]
    [warning] = faults_of(read)
    assert (warning.line, warning.kind) == (14, "note")
    assert [[text for _, text in one] for one in texts_of(read)] == [["a"] * 6]


CUES = "".join(
    f"{i}\n00:00:0{i},000 --> 00:00:0{i},900\n{said}\n\n"
    for i, said in enumerate(("Nina: a", "Tom: b", "Note: c", "d"), start=1)
)


def test_another_word_before_a_colon_is_a_speaker_unless_told_that_it_is_text():
    [error] = [f for f in faults_of(read_talk(CUES, "a.srt", {})) if f.severity == "error"]
    assert error.seen == "3 speakers: Note (2 messages), Nina (1 message), Tom (1 message)"
    roles: dict[str, Part] = {"nina": "user", "tom": "assistant", "note": "text"}
    assert [[turn.lines for turn in one] for one in export_of(CUES, roles).conversations] == [
        [["a"], ["b", "Note: c", "d"]]
    ]


@pytest.mark.parametrize("name", ["Nina Roe", "Roe, Nina", "Dr. Roe (guest)", "3rd: Nina"])
def test_a_voice_may_be_called_anything(name: str):
    cue = "00:0{}.000 --> 00:0{}.900 align:start\n{}\n\n"
    said = (f"<v {name}>a", "b &lt;c&gt;</v>", "<v.loud Bike Shop>d <i>e</i></v>")
    text = "WEBVTT\n\nSTYLE\n::cue { color: red }\n\n" + "".join(
        cue.format(i, i, text) for i, text in enumerate(said)
    )
    assert texts_of(read_talk(text, "a.vtt", {})) == [[("user", "a\nb <c>"), ("assistant", "d e")]]


def test_subtitles_without_names_are_an_error_that_says_so():
    text = CUES.replace("Nina: ", "").replace("Tom: ", "").replace("Note: ", "")
    [error] = faults_of(read_talk(text, "a.srt", {}))
    assert (error.severity, error.kind) == ("error", "speakers")
    assert "do not say who speaks" in error.seen
