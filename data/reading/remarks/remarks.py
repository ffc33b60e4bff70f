"""What is said once of a file: how many of its texts are remarkable in one way, and the first."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from data.conversation import Conversation, Role
from data.errors import Fault
from data.reading.shapes import LEFT_OUT, OF_TURNS
from data.reading.shapes.cells import BEFORE_ANSWER, BEFORE_QUESTION, CUT, IN_ANSWER, IN_QUESTION
from data.reading.shapes.labels import STRANGE_IN_ANSWER, STRANGE_IN_QUESTION
from data.reading.shapes.row import Row
from data.reading.shapes.turns.strings import TAKEN_BY_TURNS
from data.wording import N_, _

from .heads import BEGUN, KIND, Heads
from .tally import RemarkTally, Totals

HELD = N_(
    "{share} hold a role word such as {shown!r} at the head of a line, and were kept as they are"
)
STRANGE = N_("{share} hold a line that begins with {shown!r} and a colon, which was kept")
NO_OTHERS = N_("turns of who asks and who answers alone")
# How each kind is said: of which texts, what is seen, and what is expected.
SAYINGS: dict[str, tuple[Role, str, str]] = {
    IN_QUESTION: (
        "user",
        HELD,
        N_("one question in a field, or turns of which the last one asks"),
    ),
    IN_ANSWER: (
        "assistant",
        HELD,
        N_("one answer in a field, or turns with a role word before each"),
    ),
    BEFORE_QUESTION: (
        "user",
        BEGUN,
        N_("questions without a role word, or with one of who asks"),
    ),
    BEFORE_ANSWER: (
        "assistant",
        BEGUN,
        N_("answers without a role word, or with one of who answers"),
    ),
    STRANGE_IN_QUESTION: (
        "user",
        STRANGE,
        NO_OTHERS,
    ),
    STRANGE_IN_ANSWER: (
        "assistant",
        STRANGE,
        NO_OTHERS,
    ),
    TAKEN_BY_TURNS: (
        "user",
        N_(
            "{share} are strings without role words, such as {shown!r}, taken for questions and "
            "answers by turns"
        ),
        N_("question and answer by turns, or a role word before each"),
    ),
    CUT: (
        "assistant",
        N_("{share} began with {shown!r}, which was cut off"),
        N_("answers without it, or questions that have a role word too"),
    ),
    LEFT_OUT: (
        "assistant",
        N_("{share} are preferred to another one, and are examples; that one is none"),
        N_("a training on preferences (method dpo), if it shall learn from both"),
    ),
}
NUL, NULS = "\0", N_("control characters")


class Remarks:
    """Collects what is read, row by row."""

    def __init__(self) -> None:
        self.totals: Totals = Counter()
        self._heads, self._nuls = Heads(), RemarkTally()
        self._tallies: dict[str, RemarkTally] = defaultdict(RemarkTally)
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
            _role, saying, expected = SAYINGS[kind]
            seen = _(saying).format(share=tally.share(self.totals), shown=tally.shown)
            told = LEFT_OUT if kind == LEFT_OUT else KIND
            yield tally.warn(source, told, seen, _(expected))
        labels = {tally.shown.lower() for tally in self._tallies.values()}
        yield from self._heads.faults(source, self.totals, labels)
        if self._nuls.counts:
            seen = _("U+0000 in {share}").format(share=self._nuls.share(self.totals))
            yield self._nuls.warn(source, NULS, seen, _("characters that can be seen"))
        if self._left_out:
            listed = ", ".join(f"{key!r} ({count:,})" for key, count in self._left_out.items())
            seen = _("fields of turns of no known use, left out: {fields}").format(fields=listed)
            where, kind = (source, self._line, _("turns")), N_("unused field")
            yield Fault(*where, seen, _("what training uses"), "warning", kind)
