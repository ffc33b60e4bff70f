"""What is said once of a file: how many of its texts are remarkable in one way, and the first."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from data.conversation import Conversation, Role
from data.errors import Fault
from data.reading.shapes import OF_TURNS
from data.reading.shapes.cells import BEFORE_ANSWER, BEFORE_QUESTION, CUT, IN_ANSWER, IN_QUESTION
from data.reading.shapes.labels import STRANGE_IN_ANSWER, STRANGE_IN_QUESTION
from data.reading.shapes.row import Row
from data.reading.shapes.turns.strings import TAKEN_BY_TURNS

from .heads import Heads
from .tally import Tally, Totals

# How each kind is said: of which texts, what is seen, and what is expected.
SAYINGS: dict[str, tuple[Role, str, str]] = {
    IN_QUESTION: (
        "user",
        "hold a role word such as {!r} at the head of a line, and were kept as they are",
        "one question in a field, or turns of which the last one asks",
    ),
    IN_ANSWER: (
        "assistant",
        "hold a role word such as {!r} at the head of a line, and were kept as they are",
        "one answer in a field, or turns with a role word before each",
    ),
    BEFORE_QUESTION: (
        "user",
        "begin with {!r}, which was kept",
        "questions without a role word, or with one of who asks",
    ),
    BEFORE_ANSWER: (
        "assistant",
        "begin with {!r}, which was kept",
        "answers without a role word, or with one of who answers",
    ),
    STRANGE_IN_QUESTION: (
        "user",
        "hold a line that begins with {!r} and a colon, which was kept",
        "turns of who asks and who answers alone",
    ),
    STRANGE_IN_ANSWER: (
        "assistant",
        "hold a line that begins with {!r} and a colon, which was kept",
        "turns of who asks and who answers alone",
    ),
    TAKEN_BY_TURNS: (
        "user",
        "are strings without role words, such as {!r}, taken for questions and answers by turns",
        "question and answer by turns, or a role word before each",
    ),
    CUT: (
        "assistant",
        "began with {!r}, which was cut off",
        "answers without it, or questions that have a role word too",
    ),
}
NUL, NULS = "\0", "control characters"


class Remarks:
    """Collects what is read, row by row."""

    def __init__(self) -> None:
        self.totals: Totals = Counter()
        self._heads, self._nuls = Heads(), Tally()
        self._tallies: dict[str, Tally] = defaultdict(Tally)
        self._left_out: Counter[str] = Counter()  # fields of turns
        self._line = 1  # of the first of them

    def take(self, row: Row, conversations: Sequence[Conversation]) -> None:
        for conversation in conversations:
            self._take(conversation)
        for remark in row.remarks:
            if remark.kind == OF_TURNS:
                self._line = self._line if self._left_out else row.line
                self._left_out[remark.shown] += 1
            else:
                self._tallies[remark.kind].note(SAYINGS[remark.kind][0], row.line, remark.shown)

    def _take(self, conversation: Conversation) -> None:
        self._heads.take(conversation)
        for message in conversation.messages:
            self.totals[message.role] += 1
            if NUL in message.content:
                self._nuls.note(message.role, conversation.line, NUL)

    def faults(self, source: str) -> Iterator[Fault]:
        for kind, tally in self._tallies.items():
            _, seen, expected = SAYINGS[kind]
            said = f"{tally.share(self.totals)} {seen.format(tally.shown)}"
            yield tally.warn(source, "role words", said, expected)
        labels = {tally.shown.lower() for tally in self._tallies.values()}
        yield from self._heads.faults(source, self.totals, labels)
        if self._nuls.counts:
            seen = f"U+0000 in {self._nuls.share(self.totals)}"
            yield self._nuls.warn(source, NULS, seen, "characters that can be seen")
        if self._left_out:
            listed = ", ".join(f"{key!r} ({count:,})" for key, count in self._left_out.items())
            seen = f"fields of turns of no known use, left out: {listed}"
            expected = "what training uses"
            yield Fault(source, self._line, "turns", seen, expected, "warning", "unused field")
