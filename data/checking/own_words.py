"""What texts hold of a base's own words: names of control tokens, and its template's marks."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from data.chat import ChatRenderer
from data.conversation import Conversation, places_of
from data.errors import MARK_KIND, Fault
from data.wording import N_, _

TOKEN_KIND = N_("special token in text")
KEPT = {
    TOKEN_KIND: N_("none (they stay text, and are trained as such)"),
    MARK_KIND: N_("none (an invisible space was put into them)"),
}
NUM_SHOWN = 5  # words


@dataclass(slots=True)
class OwnWords:
    """Counts over all conversations, so that there is one warning of each kind."""

    renderer: ChatRenderer
    counts: dict[str, Counter[str]] = field(default_factory=dict[str, Counter[str]])
    first: dict[str, tuple[str, int, str]] = field(default_factory=dict[str, tuple[str, int, str]])

    def add(self, conversation: Conversation) -> None:
        for place, value in places_of(conversation.messages, conversation.tools):
            found = {
                TOKEN_KIND: self.renderer.control_tokens_in(value),
                MARK_KIND: self.renderer.plain_marks_in(value),
            }
            for kind, words in found.items():
                if words:
                    self.first.setdefault(kind, (conversation.source, conversation.line, place))
                    self.counts.setdefault(kind, Counter()).update(set(words))

    def warnings(self) -> Iterator[Fault]:
        for kind, counts in self.counts.items():
            seen = _("{words} (in so many texts; the first is here)").format(words=_listed(counts))
            yield Fault(*self.first[kind], seen, _(KEPT[kind]), "warning", kind)


def _listed(counts: Counter[str]) -> str:
    words = _(", ").join(
        _("{word!r} in {count:,}").format(word=word, count=count)
        for word, count in counts.most_common(NUM_SHOWN)
    )
    if len(counts) <= NUM_SHOWN:
        return words
    return _("{words} and {count:,} others").format(words=words, count=len(counts) - NUM_SHOWN)
