"""How much personal data is found in sentences that were written without sight of the patterns."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest

from data.personal import find_personal
from tests.data.personal.sentences import Datum, Sentence, clean_texts, filled, is_held_back

PAGE = Path(__file__).parents[3] / "docs" / "personal-data.md"
LEAST_RECALL = 0.9
MOST_TOUCHED = 1 / 200  # of clean texts


@cache
def promise() -> dict[str, list[str]]:
    """The words that the page promises names to be found beside."""
    names = PAGE.read_text(encoding="utf-8").partition("Names stand\n")[2]
    behind, before, english, *_ = re.split(r"\n- ", names.partition("\n\nA surname")[0])[1:]
    courtesies, _, titles = before.partition(" and, with a given name, before ")
    chinese = r"[\u4e00-\u9fff]+"
    return {
        "behind": re.findall(chinese, behind.partition(" and words")[0]),
        "courtesies": re.findall(chinese, courtesies),
        "titles": re.findall(chinese, titles.partition("; before")[0]),
        "english": re.split(r",\s+", english.removeprefix("behind ").rstrip(".;")),
    }


def any_of(*lists: str) -> str:
    return "|".join(re.escape(word) for name in lists for word in promise()[name])


def is_promised(sentence: Sentence, datum: Datum) -> bool:
    """All but names, and names beside what the page lists."""
    if datum.kind != "name":
        return True
    before, after = sentence.text[: datum.begin], sentence.text[datum.end :]
    if datum.end - datum.begin == 1:  # a surname
        is_lone = re.search("姓$", before) and re.match(r"\W|$", after)
        return bool(is_lone or re.match(any_of("courtesies"), after))
    edges = re.search(r"(?:^|[\s，。：:；（、])$", before) and re.match(r"[\s，。；）、]|$", after)
    return bool(
        re.search(rf"(?:{any_of('behind')})(?:[是叫]|[:：])?\s?$", before)
        or re.match(any_of("courtesies", "titles"), after)
        or re.match(r"[，,（(]\s?(?:[男女]|\d)", after)
        or re.search(rf"(?i:\b(?:{any_of('english')}))[,:]?\s+$", before)
        or (edges and not sentence.text.isascii() and len({d.kind for d in sentence.data}) > 1)
    )


def recalls(sentences: Iterable[Sentence], *, promised: bool = True) -> dict[str, tuple[int, int]]:
    """Of each kind how many are found to the last character, and how many there are."""
    num_found, num_there = Counter[str](), Counter[str]()
    for sentence in sentences:
        covered = {i for each in find_personal(sentence.text) for i in range(each.begin, each.end)}
        for datum in sentence.data:
            if is_promised(sentence, datum) or not promised:
                num_there[datum.kind] += 1
                num_found[datum.kind] += covered.issuperset(range(datum.begin, datum.end))
    return {kind: (num_found[kind], count) for kind, count in sorted(num_there.items())}


def found(text: str) -> list[str]:
    return [text[each.begin : each.end] for each in find_personal(text)]


@pytest.mark.parametrize("language", ["zh", "en"])
def test_nine_in_ten_of_every_kind_are_found(language: str):
    missed = {
        kind: f"{num_found} of {count}"
        for kind, (num_found, count) in recalls(filled(language)).items()
        if num_found < LEAST_RECALL * count
    }
    assert missed == {}


def test_clean_texts_stay_as_they_are():
    touched = [text for text in clean_texts() if found(text)]
    assert len(touched) <= MOST_TOUCHED * len(clean_texts()), touched


def test_names_are_found_beside_every_word_that_the_page_lists():
    words = promise()
    unknown = [each for each in words["behind"] if "王芳" not in found(f"{each}王芳，")]
    titles = words["courtesies"] + words["titles"]
    unknown += [each for each in titles if found(f"王芳{each}，") != ["王芳"]]
    unknown += [each for each in words["courtesies"] if found(f"王{each}，") != ["王"]]
    english = [each for each in words["english"] if each not in ("Dear", "Regards")]
    unknown += [each for each in english if not found(f"{each} Anna Lee, yes")]
    assert unknown == []


def test_the_page_says_how_much_is_found():
    rows = "\n".join(measured())
    assert rows in PAGE.read_text(encoding="utf-8"), f"it should say\n{rows}"


def measured() -> Iterator[str]:
    """The rows of the page's table: the half that the patterns were mended on, and the other."""
    for language, title in (("zh", "Chinese"), ("en", "English")):
        seen, unseen = (
            [each for each in filled(language) if each.is_held_back == is_held]
            for is_held in (False, True)
        )
        for kind, counts in recalls(seen).items():
            yield _row(f"{kind}, {title}", counts, recalls(unseen)[kind])
        everywhere = [recalls(half, promised=False)["name"] for half in (seen, unseen)]
        yield _row(f"any name, {title}", *everywhere)
    yield _row("clean texts touched", *(_touched(is_held) for is_held in (False, True)))


def _row(title: str, *halves: tuple[int, int]) -> str:
    return f"| {title} | {' | '.join(f'{count} of {there}' for count, there in halves)} |"


def _touched(is_held: bool) -> tuple[int, int]:
    texts = [text for text in clean_texts() if is_held_back(text) == is_held]
    return sum(bool(found(text)) for text in texts), len(texts)
