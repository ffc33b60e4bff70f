"""Which way of grouping questions finds the topics that a person sees in them.

    python -m benchmarks.topics

The questions (questions.txt) are of 24 topics, half of them Chinese, half English: some of the
sample files, the others written for this in other words. The everyday questions of the sample
files stand between them, each a topic of its own. From where on questions are alike enough is
chosen on every second topic and scored on the others, and the other way round.
"""

import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from random import Random
from statistics import fmean
from typing import Annotated, Any

import typer

from benchmarks.markdown import describe_provenance, number, table
from benchmarks.provenance import RESULTS, ROOT, describe, shown_command
from data.reading.reader import read_conversations
from data.script import is_chinese
from data.topics import ALIKE, find_topics, joined

from .scores import Scores, score
from .ways import OURS, ways

QUESTIONS = Path(__file__).with_name("questions.txt")
SAMPLES = ROOT / "data" / "samples"
SINGLES = ("general_en", "general_mix_en", "general_zh", "general_mix_zh")
SHARES = [each / 1000 for each in (*range(2, 30, 2), *range(30, 100, 5), *range(100, 300, 20))]
MANY = 4000

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@dataclass(frozen=True, slots=True)
class Asked:
    question: str
    topic: str


@dataclass(frozen=True, slots=True)
class Measured:
    """One way of telling what is alike, with one way of joining it."""

    way: str
    joining: str
    seconds: float  # for all questions
    thresholds: Sequence[float]  # chosen on one half for the other
    scores: Sequence[Scores]  # of both halves

    def mean(self, name: str) -> float:
        return fmean(getattr(each, name) for each in self.scores)


@app.command()
def main(
    home: Annotated[Path, typer.Option(help="Where the base is kept.")] = ROOT / "benchmark-home",
    out: Annotated[
        Path | None,
        typer.Option(help="The result, without ending. [default: benchmarks/results/DAY-topics]"),
    ] = None,
) -> None:
    """Group, score, print and write the tables: FILE.json and FILE.md."""
    path = out or RESULTS / f"{date.today():%Y-%m-%d}-topics"
    halves = [*read_halves()]
    measured = [each for way in ways(home).items() for each in measure(*way, halves)]
    ours = score_ours([each for half in halves for each in half])
    seconds = time_many([each for half in halves for each in half])
    page = _page(measured, ours, seconds)
    path.with_suffix(".md").write_text(page, encoding="utf-8")
    kept = {
        "measured": [*map(asdict, measured)],
        "ours": {name: asdict(each) for name, each in ours.items()},
        "seconds": seconds,
    }
    path.with_suffix(".json").write_text(
        json.dumps(kept, ensure_ascii=False, indent=1) + "\n", encoding="utf-8"
    )
    typer.echo(page)


def read_topics() -> dict[str, list[str]]:
    """The questions of each topic, by its name."""
    blocks = QUESTIONS.read_text("utf-8").strip().split("\n\n")
    return {block.splitlines()[0]: block.splitlines()[1:] for block in blocks}


def read_halves() -> Iterator[list[Asked]]:
    """Every second topic, and every second question that is a topic of its own."""
    topics = [*read_topics().items()]
    singles = [
        conversation.messages[0].content
        for name in SINGLES
        for conversation in read_conversations(SAMPLES / f"{name}.txt")
    ]
    for half in (0, 1):
        own = [Asked(each, name) for name, some in topics[half::2] for each in some]
        yield [*own, *(Asked(each, each) for each in singles[half::2])]


def measure(name: str, way: Any, halves: Sequence[Sequence[Asked]]) -> Iterator[Measured]:
    begin = time.perf_counter()
    way([each.question for half in halves for each in half])
    seconds = time.perf_counter() - begin
    tables = [way([each.question for each in half]) for half in halves]
    for joining, join in (("average", joined_by_average), ("connected", connected)):
        thresholds = [
            max(_thresholds(similar), key=lambda each: score_at(half, similar, each, join).rand)
            for half, similar in zip(halves, tables, strict=True)
        ]
        scores = [
            score_at(half, similar, threshold, join)
            for half, similar, threshold in zip(halves, tables, thresholds[::-1], strict=True)
        ]
        yield Measured(name, joining, seconds, thresholds, scores)


def _thresholds(similar: Any) -> list[float]:
    """Those that are reached by so many of all pairs."""
    import numpy as np

    pairs = similar[np.triu_indices(len(similar), 1)]
    return [float(np.quantile(pairs, 1 - share)) for share in SHARES]


def score_at(asked: Sequence[Asked], similar: Any, threshold: float, join: Any) -> Scores:
    groups = dict[int, int]()
    for group, members in enumerate(join(similar, threshold)):
        groups |= dict.fromkeys(members, group)
    return score([each.topic for each in asked], [groups[each] for each in range(len(asked))])


def joined_by_average(similar: Any, threshold: float) -> list[list[int]]:
    return joined(similar.copy(), [1] * len(similar), threshold)


def connected(similar: Any, threshold: float) -> list[list[int]]:
    """Groups in which each is alike enough to some other."""
    import numpy as np

    left, groups = set(range(len(similar))), list[list[int]]()
    while left:
        group = [left.pop()]
        for each in group:
            near = left.intersection(np.flatnonzero(similar[each] >= threshold).tolist())
            left -= near
            group += near
        groups.append(group)
    return groups


def score_ours(asked: Sequence[Asked]) -> Mapping[str, Scores]:
    """What `lora-chat feedback topics` would show, of all questions at once."""
    groups = dict[int, int]()
    for group, topic in enumerate(find_topics([each.question for each in asked])):
        groups |= dict.fromkeys(topic.members, group)

    def scored(chosen: Sequence[int]) -> Scores:
        return score([asked[each].topic for each in chosen], [groups[each] for each in chosen])

    chinese = [number for number, each in enumerate(asked) if is_chinese(each.question)]
    english = sorted({*range(len(asked))} - {*chinese})
    return {
        "all": scored(range(len(asked))),
        "Chinese": scored(chinese),
        "English": scored(english),
    }


def time_many(asked: Sequence[Asked]) -> float:
    """Seconds for `MANY` different questions, each of two of these."""
    random = Random(0)
    texts = [each.question for each in asked]
    many = [f"{' '.join(random.sample(texts, 2))} {count}" for count in range(MANY)]
    begin = time.perf_counter()
    find_topics(many)
    return time.perf_counter() - begin


def _page(measured: Sequence[Measured], ours: Mapping[str, Scores], seconds: float) -> str:
    provenance = describe(date.today(), shown_command("topics", sys.argv[1:]))
    names = ("rand", "f1", "v_measure", "precision", "recall")
    heads = ["adjusted Rand", "pairs: F1", "V-measure", "precision", "recall"]
    rows = [
        [
            each.way,
            each.joining,
            *(number(each.mean(name), 2) for name in names),
            number(each.seconds, 2),
        ]
        for each in sorted(measured, key=lambda each: -each.mean("rand"))
    ]
    own = [
        [language, *(number(getattr(each, name), 2) for name in names)]
        for language, each in ours.items()
    ]
    parts = [
        "# Which way of grouping finds the topics of questions",
        f"{sum(map(len, read_topics().values()))} questions of {len(read_topics())} topics, half "
        "Chinese, half English, between everyday questions that are topics of their own. From "
        "where on they are alike enough was chosen on one half of the topics and scored on the "
        "other; what is shown is the mean of both. Joined by the average similarity of groups, or "
        "connected wherever one pair is alike. Our list of common words was written by somebody "
        "who had these questions at hand, which flatters it.",
        table(["alike by", "joined", *heads, "seconds"], rows, 2),
        f"## {OURS}, at {ALIKE:g}",
        f"As `lora-chat feedback topics` groups all of them at once; {MANY:,} different questions "
        f"take it {seconds:.1f} seconds.",
        table(["questions", *heads], own),
    ]
    return "\n\n".join([*parts, *describe_provenance(provenance)]) + "\n"


if __name__ == "__main__":
    app()
