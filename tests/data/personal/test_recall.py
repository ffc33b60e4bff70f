"""How much personal data is found in sentences that were written without sight of the patterns."""

import re
from collections import Counter
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pytest

from data.personal import find_personal
from tests.data.personal.sentences import Datum, Sentence, clean_texts, filled, is_held_back

PAGE = Path(__file__).parents[3] / "docs" / "personal-data.md"
LEAST_RECALL = 0.9
MOST_TOUCHED = 1 / 200  # of clean texts


@cache
def promise() -> dict[str, str]:
    """What the page promises names to be found beside, each list of words as a pattern."""
    names = PAGE.read_text(encoding="utf-8").partition("Names stand\n")[2]
    behind, before, english, *_ = re.split(r"\n- ", names.partition("\n\nA surname")[0])[1:]
    courtesies, _, titles = before.partition(" and, with a given name, before ")
    chinese = r"[\u4e00-\u9fff]+"
    lists = {
        "behind": re.findall(chinese, behind.partition(" and words")[0]),
        "courtesy": re.findall(chinese, courtesies),
        "title": re.findall(chinese, titles.partition("; before")[0]),
        "english": re.split(r",\s+", english.removeprefix("behind ").rstrip(".;")),
    }
    return {name: "|".join(map(re.escape, words)) for name, words in lists.items()}


def is_promised(sentence: Sentence, datum: Datum) -> bool:
    """All but names, and names beside what the page lists."""
    if datum.kind != "name":
        return True
    text, rest = sentence.text[: datum.begin], sentence.text[datum.end :]
    if datum.end - datum.begin == 1:  # a surname
        is_lone = re.search("姓$", text) and re.match(r"\W|$", rest)
        return bool(is_lone or re.match(promise()["courtesy"], rest))
    is_between = re.search(r"(?:^|[\s，。：:；（、])$", text) and re.match(
        r"[\s，。；）、]|$", rest
    )
    return bool(
        re.search(rf"(?:{promise()['behind']})(?:[是叫]|[:：])?\s?$", text)
        or re.match(rf"{promise()['courtesy']}|{promise()['title']}", rest)
        or re.match(r"[，,（(]\s?(?:[男女]|\d)", rest)
        or re.search(rf"(?i:\b(?:{promise()['english']}))[,:]?\s+$", text)
        or (is_between and not text.isascii() and len({each.kind for each in sentence.data}) > 1)
    )


def recalls(sentences: Iterable[Sentence], *, promised: bool) -> dict[str, tuple[int, int]]:
    """Of each kind how many are found to the last character, and how many there are."""
    found, all_there = Counter[str](), Counter[str]()
    for sentence in sentences:
        covered = {i for each in find_personal(sentence.text) for i in range(each.begin, each.end)}
        for datum in sentence.data:
            if promised and not is_promised(sentence, datum):
                continue
            all_there[datum.kind] += 1
            found[datum.kind] += covered.issuperset(range(datum.begin, datum.end))
    return {kind: (found[kind], count) for kind, count in all_there.items()}


def is_touched(text: str) -> bool:
    return any(True for _ in find_personal(text))


@pytest.mark.parametrize("language", ["zh", "en"])
def test_nine_in_ten_of_every_kind_are_found(language: str):
    missed = {
        kind: f"{found} of {count}"
        for kind, (found, count) in recalls(filled(language), promised=True).items()
        if found < LEAST_RECALL * count
    }
    assert missed == {}


def test_clean_texts_stay_as_they_are():
    touched = [text for text in clean_texts() if is_touched(text)]
    assert len(touched) <= MOST_TOUCHED * len(clean_texts()), touched


def test_the_page_tells_how_much_was_found():
    """Its table is what `rows_of_page` counts now."""
    assert "\n".join(rows_of_page()) in PAGE.read_text(encoding="utf-8")


def rows_of_page() -> list[str]:
    rows: list[str] = []
    for language, title in (("zh", "Chinese"), ("en", "English")):
        halves = [
            [each for each in filled(language) if each.is_held_back == is_held]
            for is_held in (False, True)
        ]
        counts = [recalls(half, promised=True) for half in halves]
        for kind in sorted(counts[0] | counts[1]):
            seen, unseen = (_share(*half.get(kind, (0, 0))) for half in counts)
            rows.append(f"| {kind}, {title} | {seen} | {unseen} |")
    for is_held in (False, True):
        texts = [text for text in clean_texts() if is_held_back(text) == is_held]
    return rows


def _share(found: int, count: int) -> str:
    return f"{found / count:.2f} of {count}" if count else "–"
