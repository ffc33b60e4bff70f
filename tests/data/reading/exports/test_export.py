"""Exports written and read back, and dialogues that are none."""

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

import pytest

from data.reading.exports.export import read_export
from data.reading.exports.speakers import Part
from tests.data.reading.exports.chats import items_of
from tests.data.reading.items import faults_of, texts_of

FIXTURES = Path(__file__).parents[3] / "fixtures"
SAMPLES = Path(__file__).parents[4] / "data" / "samples"
EXPORTS = (  # names of fixtures
    "whatsapp",
    "wechat",
    "qq_",
    "line_",
    "telegram",
    "zoom",
    "teams",
    "meeting",
    "live_chat",
    "names_below",
    "subtitles",
    "times_between",
    "time_before",
    "name_before",
)

Write = Callable[[datetime, str, str], str]


def above(head: str, indent: str = "", end: str = "\n") -> Write:
    """The head above the text."""

    def write(when: datetime, name: str, text: str) -> str:
        lines = "".join(f"{indent}{line}\n" for line in text.split("\n"))
        return when.strftime(head).replace("NAME", name) + f"\n{lines}{end}"

    return write


def before(head: str, end: str = "\n") -> Write:
    """The head before the text."""
    return lambda when, name, text: f"{when.strftime(head).replace('NAME', name)}{text}{end}"


DATED: dict[str, Write] = {
    "android": before("%d/%m/%Y, %H:%M - NAME: "),
    "android, twelve hours": before("%m/%d/%y, %I:%M\u202f%p - NAME: "),
    "iphone": before("[%d.%m.%y, %H:%M:%S] NAME: "),
    "plain": before("%Y-%m-%d %H:%M:%S NAME："),
    "time and name": above("%Y-%m-%d %H:%M:%S NAME"),
    "name and time": above("NAME %Y/%m/%d %I:%M %p"),
    "name and time, dense": above("NAME, [%d.%m.%Y %H:%M]", end=""),
    "times": before("%Y-%m-%d %H:%M:%S\nNAME: "),
}
UNDATED: dict[str, Write] = {
    "zoom": above("%H:%M:%S From NAME to Everyone:", "\t", ""),
    "minutes": above("NAME %H:%M:%S"),
    "brackets": before("[%H:%M:%S] NAME: "),
    "cues": before("7\n%H:%M:%S,000 --> %H:%M:%S,900\nNAME: ", "\n\n"),
    "voices": before("%H:%M:%S.000 --> %H:%M:%S.900\n<v NAME>", "</v>\n\n"),
}
ASIDES = {
    "media": ["IMG-1.jpg (file attached)", "[图片]", "[动画表情]", "image omitted"],
    "note": ["Missed voice call", "以上是打招呼的内容", 'Reacted to "a" with 👋'],
    "deleted message": ["This message was deleted", "你撤回了一条消息"],
}
NAMES = (
    "Nina",
    "Bike Shop",
    "小王",
    "仁和诊所",
    "+49 170 1234567",
    "Zoë 🚲",
    "说话人 1",
    "Roe-Miller",
)

WORDS = (
    *(
        "abr",
        "ß",
        "я",
        "头晕",
        "胃",
        "のい",
        "at 10:30 sharp",
        "饭后：",
        "x[微笑]",
        "1. x",
        "5 > 3",
        "?!",
        "👍",
        "«a»",
    ),
    *(
        "https://x.example/a?b=c",
        "see (below)",
        "he said: no",
        "12/31",
        "10:30-11:30",
        "- x",
        '"yes"',
    ),
)


def a_text(random: Random) -> str:
    """Up to three lines."""
    lines = [" ".join(random.choices(WORDS, k=random.randint(1, 4))) for _ in range(3)]
    return "\n".join(lines[: random.randint(1, 3)])


def a_run(random: Random) -> tuple[list[str], list[tuple[str, str]]]:
    """Messages of one speaker, and what is none and stands behind the first of them."""
    kinds = random.sample([*ASIDES], k=random.choice((0, 0, 1, 2)))
    asides = [(kind, random.choice(ASIDES[kind])) for kind in kinds]
    return [a_text(random) for _ in range(random.randint(1, 3))], asides


@pytest.mark.parametrize("form", [*DATED, *UNDATED])
@pytest.mark.parametrize("seed", range(30))
def test_chats_written_and_read_back_are_equal(form: str, seed: int):
    """Conversations on days of their own, where the form tells of days. The same ones each time:
    of these few words, one chat of five thousand reads as one of another form (an error)."""
    random = Random(seed)
    write = (DATED | UNDATED)[form]
    names = random.sample(NAMES, k=2)
    when = datetime(2024, random.randint(1, 12), random.randint(1, 28), 8)
    text = ""
    expected: list[list[tuple[str, str]]] = []
    counts: Counter[str] = Counter()
    for _ in range(random.randint(1, 3) if form in DATED else 1):
        expected.append([])
        for name, role in [*zip(names, ("user", "assistant"), strict=True)] * random.randint(2, 3):
            said, asides = a_run(random)
            for each in [said[0], *(aside for _, aside in asides), *said[1:]]:
                text += write(when, name, each)
                when += timedelta(seconds=90)
            counts.update(kind for kind, _ in asides)
            expected[-1].append((role, "\n".join(said)))
        when = when.replace(hour=8, minute=0, second=0) + timedelta(days=random.randint(1, 40))
    roles: dict[str, Part] = {names[0].lower(): "user", names[1].lower(): "assistant"}
    read = [*items_of(text, roles)]
    assert texts_of(read) == expected
    warnings = {fault.kind: fault for fault in faults_of(read)}
    assert warnings.keys() == {*counts, *(["pause"] if len(expected) > 1 else [])}
    assert all(warnings[kind].seen.startswith((f"{num} ", "a ")) for kind, num in counts.items())


def test_times_and_colons_in_texts_are_no_heads_of_another_form():
    """Each of them would name somebody whom no other names."""
    busy = [f"10:30-11:30 {word}: no" for word in ("he said", "https", "abr", "饭后")]
    texts = ["Hi", *busy, "Yes", "?!", "At 3", "Thanks", "Bye"]
    said = [*zip(["Nina", "Shop"] * 5, texts, strict=True)]
    write = above("%H:%M:%S From NAME to Everyone:", "\t", "")
    text = "".join(write(datetime(2024, 1, 1, 8, at), *each) for at, each in enumerate(said))
    read = items_of(text, {"nina": "user", "shop": "assistant"})
    assert texts_of(read) == [[*zip(["user", "assistant"] * 5, texts, strict=True)]]


def test_no_warning_shows_a_phone_number():
    said = [("+49 170 1234567", "a"), ("Shop", "b")] * 2
    text = "".join(f"31/12/2023, 21:41 - {name}: {text}\n" for name, text in said)
    text += "31/12/2023, 21:41 - +49 170 1234567 left\n"
    assert "1234" not in "".join(map(str, faults_of(items_of(text)))).replace("4567", "")


@pytest.mark.parametrize(
    "path",
    [
        path
        for path in sorted([*FIXTURES.iterdir(), *SAMPLES.iterdir()])
        if path.suffix in (".txt", ".md") and not path.name.startswith(EXPORTS)
    ],
    ids=lambda path: path.name,
)
def test_a_dialogue_is_no_export(path: Path):
    text = path.read_bytes().decode("utf-8", errors="replace")
    assert read_export(text.split("\n"), path.name, {}) is None
