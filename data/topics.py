"""Questions grouped by what they are about, in Chinese and English, by their words alone.

A question is its words and their pieces of three letters, which inflected words share (braking,
brakes), or in Chinese its characters and pairs of them; rare ones count more (tf-idf). The two
groups whose members are most alike on average become one, and so on until none are alike enough
(UPGMA). `benchmarks/topics` measures it beside other ways.
"""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf, log, sqrt
from typing import Any

from .likeness import normalized

ALIKE = 0.1  # cosine, on average between the members of two groups that become one
PIECE = 3  # [letters] of a word with its edges
LONGEST = 300  # [characters]: what it is about is said by then
LABEL_WORDS = 3
LABEL_CHARACTERS = (2, 3, 4)  # of a Chinese label's words

HAN = r"\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
RUN = re.compile(rf"(?P<han>[{HAN}]+)|[^\W_{HAN}]+(?:'[a-z]+)?")
# What questions have in common whatever they are about.
ENGLISH = frozenset(
    re.findall(
        r"\S+",
        """
        a about after again all also am an and any are aren't as at be because been before being but
        by can can't cannot could couldn't did didn't do does doesn't doing don't down for from get
        gets go goes going good had has have haven't having he help her here him his how i i'd i'll
        i'm i've if in into is isn't it it's its just keep keeps know let like long made make makes
        many me more most much must my myself need needs no nor not now of off often on once one
        only onto or other our out over own please recommend right shall she should so some still
        such than that that's the their them then there there's these they they're think this those
        to too until up upon us use used very want was wasn't way we were what what's when where
        which while who whom whose why will with without won't would yes yet you your
        """,
    )
)
CHINESE = re.compile(
    "怎么办|怎么样|怎么回事|为什么|是不是|能不能|有没有|可不可以|要不要|"
    "的时候|什么|怎么|怎样|如何|请问|可以|应该|需要|是否|哪些|哪个|哪里|"
    "多少|多久|一下|有点|有些|总是|经常|老是|一直|最近|每次|每天|已经|还是|"
    "就是|不是|因为|所以|但是|而且|如果|没有|我们|你们|他们|这个|那个|"
    "[的了吗呢吧啊呀么我你您他她它是有在和与或就都也还又很太会能要把被给]|"
    "[让对从到于着过地得哪]"
)

Vector = dict[str, float]  # features, in their order


@dataclass(frozen=True, slots=True)
class Topic:
    """Questions that belong together."""

    label: str  # words that many of them have, and few others
    members: tuple[int, ...]  # the questions' numbers, those that are most like the others first


def find_topics(questions: Sequence[str], alike: float = ALIKE) -> list[Topic]:
    """The topics of the questions, each of which is in one; those with most questions first.

    In which order the questions come makes no difference to the groups. Takes time and memory by
    the square of the number of different questions: 1.5 seconds and 64 MB for 4,000.
    """
    same: dict[str, list[int]] = defaultdict(list)
    for number, question in enumerate(questions):
        same[normalized(question)].append(number)
    keys = sorted(same)
    texts = [min(questions[number] for number in same[key])[:LONGEST] for key in keys]
    vectors = weighted([features_of(text) for text in texts])
    table = similarities(vectors)
    groups = joined(table, [len(same[key]) for key in keys], alike)
    labels = _Labels(texts)
    found: list[Topic] = []
    for group in groups:
        central = _central_first(group, vectors)
        members = [number for each in central for number in same[keys[each]]]
        found.append(Topic(labels.of(central), tuple(members)))
    return sorted(found, key=lambda topic: (-len(topic.members), topic.label))


def features_of(question: str) -> Counter[str]:
    found: Counter[str] = Counter()
    for word, is_chinese in _words(question):
        if is_chinese:
            found.update(word)
            found.update(_pieces(word, 2))
        else:
            found[f" {word} "] += 1
            found.update(_pieces(f" {word} ", PIECE))
    return found


def weighted(counts: Sequence[Mapping[str, int]]) -> list[Vector]:
    """A vector of length 1 for each text, of which only what other texts have too is kept."""
    spread = Counter(feature for each in counts for feature in each)
    vectors: list[Vector] = []
    for each in counts:
        vector = {
            feature: (1 + log(each[feature])) * log(1 + len(counts) / spread[feature])
            for feature in sorted(each)
        }
        length = sqrt(sum(weight**2 for weight in vector.values())) or 1
        shared = (feature for feature in vector if spread[feature] > 1)
        vectors.append({feature: vector[feature] / length for feature in shared})
    return vectors


def similarities(vectors: Sequence[Vector]) -> Any:
    """The cosine of each pair, [texts, texts]; as symmetrical as it should be, for all products are
    added in the features' order."""
    import numpy as np

    numbers: dict[str, list[int]] = defaultdict(list)
    weights: dict[str, list[float]] = defaultdict(list)
    for number, vector in enumerate(vectors):
        for feature, weight in vector.items():
            numbers[feature].append(number)
            weights[feature].append(weight)
    rows = {feature: np.array(each) for feature, each in numbers.items()}
    columns = {feature: np.array(each) for feature, each in weights.items()}
    table = np.zeros((len(vectors), len(vectors)), np.float32)
    for number, vector in enumerate(vectors):
        if vector:
            others = np.concatenate([rows[feature] for feature in vector])
            products = np.concatenate([columns[each] * weight for each, weight in vector.items()])
            table[number] = np.bincount(others, products, len(vectors))
    return table


def joined(table: Any, sizes: Sequence[int], alike: float) -> list[list[int]]:
    """Groups of rows whose similarity is so large on average, by chains of nearest neighbours: two
    that are each other's nearest become one, whatever else there is. Uses up the table."""
    import numpy as np

    np.fill_diagonal(table, -inf)
    weights = [*sizes]
    groups = {number: [number] for number in range(len(weights))}
    waiting, chain, done = [*reversed(groups)], list[int](), list[list[int]]()
    while groups:
        while not chain:
            chain = [number for number in [waiting.pop()] if number in groups]
        last, before = chain[-1], chain[-2] if len(chain) > 1 else None
        nearest = int(table[last].argmax())
        if before is not None and table[last, before] >= table[last, nearest]:
            nearest = before
        if table[last, nearest] < alike:
            done.append(groups.pop(chain.pop()))
            table[last], table[:, last] = -inf, -inf
        elif nearest != before:
            chain.append(nearest)
        else:
            kept, gone = sorted(chain[-2:])
            del chain[-2:]
            _merge(table, kept, gone, weights)
            groups[kept] += groups.pop(gone)
            waiting.append(kept)
    return [sorted(group) for group in done]


def _merge(table: Any, kept: int, gone: int, weights: list[int]) -> None:
    total = weights[kept] + weights[gone]
    mean = (weights[kept] * table[kept] + weights[gone] * table[gone]) / total
    table[kept], table[:, kept] = mean, mean
    table[gone], table[:, gone] = -inf, -inf
    table[kept, kept] = -inf
    weights[kept] = total


def _central_first(group: Sequence[int], vectors: Sequence[Vector]) -> list[int]:
    middle: Counter[str] = Counter()
    for number in group:
        middle.update(vectors[number])

    def nearness(number: int) -> float:
        return sum(weight * middle[feature] for feature, weight in vectors[number].items())

    return sorted(group, key=lambda number: (-round(nearness(number), 6), number))


class _Labels:
    """Names groups of texts by words that a third of a group have, and few others."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = texts
        self._words = [set(_label_words(text)) for text in texts]
        self._spread = Counter(word for words in self._words for word in words)

    def of(self, group: Sequence[int]) -> str:
        """A group's label; its first text where no two have a word in common."""
        counts = Counter(word for number in group for word in self._words[number])
        chosen: list[str] = []
        for word in sorted(counts, key=lambda word: (-self._worth(word, counts[word]), word)):
            if counts[word] == 1 or len(chosen) == LABEL_WORDS:
                break
            is_common = 3 * counts[word] >= len(group)
            if is_common and not any(_overlap(word, each) for each in chosen):
                chosen.append(word)
        return " · ".join(chosen) or " ".join(self._texts[group[0]].split())

    def _worth(self, word: str, count: int) -> float:
        """A longer Chinese word says more than its part in as many texts; what one text alone has
        says nothing of a group."""
        rarity = log((1 + len(self._texts)) / self._spread[word])
        longer = 1 + len(word) / 100 if _is_chinese(word) else 1
        return count * rarity * longer if count > 1 else 0


def _overlap(one: str, other: str) -> bool:
    if _is_chinese(one):
        return bool(set(one) & set(other))
    return one[:4] == other[:4]


def _label_words(text: str) -> Iterator[str]:
    for word, is_chinese in _words(text):
        if is_chinese:
            for length in LABEL_CHARACTERS:
                yield from _pieces(word, length)
        elif len(word) > 1:
            yield word


def _words(text: str) -> Iterator[tuple[str, bool]]:
    """Words of letters, and what stands between the common words of Chinese; which of both it
    is."""
    plain = unicodedata.normalize("NFKC", text).casefold().replace("’", "'")
    for run in RUN.finditer(plain):
        if run["han"]:
            yield from ((part, True) for part in CHINESE.split(run[0]) if part)
        elif run[0] not in ENGLISH:
            yield run[0], False


def _pieces(word: str, length: int) -> Iterable[str]:
    return (word[at : at + length] for at in range(len(word) - length + 1))


def _is_chinese(word: str) -> bool:
    return word[0] >= "\u3040"
