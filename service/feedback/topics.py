"""Where each version fails most: feedback by what was asked, and by what is wrong."""

import re
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

from sqlalchemy import func, select

from data.topics import Topic, find_topics
from service.accounts.caller import Caller
from service.accounts.keys import DAY
from service.state.database import State
from service.state.tables import FEEDBACK

from .answers import seen_by, storable
from .feedback import answered_by, item_of
from .findings import Findings, Found
from .item import FeedbackItem

MOST = 4000  # items that are looked at, the newest: grouping takes time by their square
RECENT = 28  # [days]
NUM_EXAMPLES = 2
SINGLE = re.compile(r"([^@:+]+)@([^:+]+):[^+]*")  # name@number:scale, of one version


@dataclass(frozen=True, slots=True)
class Tally:
    answers: int
    bad: int


@dataclass(frozen=True, slots=True)
class Wrong:
    """What is wrong with bad answers: a person's reason, or a fault by its name."""

    what: str
    by: Literal["person", "rule"]
    answers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionTopic(Tally):
    """What was said of one version's answers to questions that are alike."""

    label: str
    before: Tally
    recent: Tally  # what was said within `RECENT`
    corrections: int  # answers that somebody has corrected
    wrong: Sequence[Wrong]  # the most frequent first
    examples: Sequence[str]  # questions, of bad answers if there are any


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionTopics(Tally):
    version: str  # name@number; a blend, or the base, as it is pinned
    topics: Sequence[VersionTopic]  # those with most bad answers first


@dataclass(frozen=True, slots=True)
class Overview:
    versions: Sequence[VersionTopics]  # of each adapter together
    left_out: int  # older items, which were not looked at


@dataclass(frozen=True, slots=True)
class _Answer:
    """One answer, with all that was said of it."""

    version: str
    question: str
    found: Sequence[Found]

    @property
    def is_bad(self) -> bool:
        return any(each.item.is_bad for each in self.found)

    @property
    def is_corrected(self) -> bool:
        return any(each.item.written is not None for each in self.found)

    @property
    def created(self) -> int:
        return min(each.item.created for each in self.found)

    @property
    def wrong(self) -> set[tuple[str, Literal["person", "rule"]]]:
        reasons = {reason for each in self.found for reason in each.item.reasons}
        faults = {fault for each in self.found for fault in each.faults}
        return {*((each, "person") for each in reasons), *((each, "rule") for each in faults)}


class Topics:
    """The topics of one home's feedback. Asks the database and reads cards, so call from threads.
    Raises StateUnavailable."""

    def __init__(
        self,
        state: State,
        home: Path,
        place: str,
        clock: Callable[[], float] = time.time,
        most: int = MOST,
    ) -> None:
        self._state = state
        self._most = most
        self._place = place
        self._findings = Findings(state, home, place)
        self._clock = clock

    def of(self, caller: Caller, adapter: str | None = None) -> Overview:
        """What the caller may see, of all that have answered or of one: an adapter, one version of
        it, a blend, the base. Questions are grouped over all versions of an adapter."""
        items, left_out = self._items(caller, adapter)
        by_adapter: dict[str, list[_Answer]] = defaultdict(list)
        for answer in _answers(self._findings.of(items, caller)):
            by_adapter[_name(answer.version)].append(answer)
        since = self._clock() - RECENT * DAY
        names = sorted(by_adapter)
        versions = [each for name in names for each in _by_version(by_adapter[name], since)]
        return Overview(versions, left_out)

    def _items(self, caller: Caller, adapter: str | None) -> tuple[list[FeedbackItem], int]:
        """The newest, and how many others there are."""
        if not storable(adapter or ""):
            return [], 0
        where = [FEEDBACK.c.place == self._place, *seen_by(caller, FEEDBACK)]
        where += [answered_by(adapter)] if adapter is not None else []
        asked = select(FEEDBACK).where(*where).order_by(FEEDBACK.c.number.desc()).limit(self._most)
        with self._state.begin() as connection:
            items = [item_of(row) for row in connection.execute(asked).mappings()]
            count = connection.execute(select(func.count()).where(*where)).scalar_one()
        return items, count - len(items)


def _answers(found: Iterable[Found]) -> list[_Answer]:
    by_answer: dict[tuple[str, int], list[Found]] = defaultdict(list)
    for each in found:
        by_answer[each.item.completion_id, each.item.choice].append(each)
    return [
        _Answer(_version(said[0].item.pinned), _question(said[0].item), said)
        for said in by_answer.values()
    ]


def _version(pinned: str) -> str:
    """name@number, whatever its scale was."""
    single = SINGLE.fullmatch(pinned)
    return f"{single[1]}@{single[2]}" if single else pinned


def _name(version: str) -> str:
    return version if "+" in version else version.partition("@")[0]


def _question(item: FeedbackItem) -> str:
    """All that a person has asked."""
    asked = [each.get("content") or "" for each in item.messages if each["role"] == "user"]
    return " ".join(" ".join(asked).split())


def _by_version(answers: Sequence[_Answer], since: float) -> list[VersionTopics]:
    """An adapter's versions, the one of which something was said last first."""
    found = find_topics([each.question for each in answers])
    return [
        _of_version(version, answers, found, since)
        for version in dict.fromkeys(each.version for each in answers)
    ]


def _of_version(
    version: str, answers: Sequence[_Answer], found: Iterable[Topic], since: float
) -> VersionTopics:
    topics: list[VersionTopic] = []
    for topic in found:
        own = [answers[each] for each in topic.members if answers[each].version == version]
        topics += [_topic(topic.label, own, since)] if own else []
    topics.sort(key=lambda each: (-each.bad, each.answers, each.label))
    answered, bad = (sum(getattr(each, name) for each in topics) for name in ("answers", "bad"))
    return VersionTopics(answered, bad, version=version, topics=topics)


def _topic(label: str, answers: Sequence[_Answer], since: float) -> VersionTopic:
    """The answers whose questions are most like the others come first."""
    bad = [each for each in answers if each.is_bad]
    counts = Counter(wrong for each in bad for wrong in each.wrong)
    wrong = [Wrong(*what, count) for what, count in sorted(counts.items(), key=_most_first)]
    examples = dict.fromkeys(each.question for each in bad or answers)
    return VersionTopic(
        len(answers),
        len(bad),
        label=label,
        before=_tally(each for each in answers if each.created < since),
        recent=_tally(each for each in answers if each.created >= since),
        corrections=sum(each.is_corrected for each in answers),
        wrong=wrong,
        examples=[*islice(examples, NUM_EXAMPLES)],
    )


def _most_first(counted: tuple[tuple[str, str], int]) -> tuple[int, str, str]:
    (what, by), count = counted
    return -count, by, what


def _tally(answers: Iterable[_Answer]) -> Tally:
    verdicts = [each.is_bad for each in answers]
    return Tally(len(verdicts), sum(verdicts))
