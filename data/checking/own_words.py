"""What texts hold of a base's own words: names of control tokens, and its template's marks."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from data.chat import ChatRenderer
from data.conversation import Conversation, places_of
from data.errors import MARK_KIND, Fault

TOKEN_KIND = "special token in text"
KEPT = {
    TOKEN_KIND: "none (they stay text, and are trained as such)",
    MARK_KIND: "none (an invisible space was put into them)",
}


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
            words = ", ".join(f"{word!r} in {count:,}" for word, count in counts.most_common(5))
            more = f" and {len(counts) - 5:,} others" * (len(counts) > 5)
            seen = f"{words}{more} (in so many texts; the first is here)"
            yield Fault(*self.first[kind], seen, KEPT[kind], "warning", kind)
