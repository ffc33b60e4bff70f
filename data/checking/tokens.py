"""Data as one base's tokenizer sees it: how long it is, what is cut, what is trained."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from data.chat import ChatRenderer, Rendered
from data.conversation import Conversation
from data.errors import Fault, MarkInText, TemplateError
from data.length import check_length, may_exceed
from data.wording import N_, _

from .lengths import Lengths
from .own_words import OwnWords
from .spelling import ChineseSpelling

NUM_SHOWN = 3  # conversations

Segment = tuple[str, bool]  # text, and whether it is trained


@dataclass(slots=True)
class TokenCheck:
    """Takes conversations as training would; `decode` makes text of token ids again."""

    renderer: ChatRenderer
    decode: Callable[[Sequence[int]], str]
    max_tokens: int
    lengths: Lengths = field(default_factory=Lengths)  # [tokens] of whole conversations
    trained: Lengths = field(default_factory=Lengths)  # [tokens] of them that are trained
    num_cut: int = 0  # conversations that lose their oldest turns
    shown: list[list[Segment]] = field(default_factory=list[list[Segment]])
    own_words: OwnWords = field(init=False)
    spelling: ChineseSpelling | None = None

    def __post_init__(self) -> None:
        self.own_words = OwnWords(self.renderer)

    def take(self, conversation: Conversation) -> Iterator[Fault]:
        """What training would refuse."""
        try:
            rendered = self.renderer.render(conversation)
        except MarkInText as error:
            yield error.as_fault(conversation.source, conversation.line)
            return
        except TemplateError as error:
            expected = _("what the base's chat template accepts")
            where = conversation.source, conversation.line, _("conversation")
            yield Fault(*where, error.problem, expected, kind=N_("template"))
            return
        self.own_words.add(conversation)
        if self.spelling:
            self.spelling.add(conversation)
        self.lengths.add(len(rendered.token_ids))
        self.trained.add(rendered.num_trained)
        if len(self.shown) < NUM_SHOWN:
            self.shown.append(self._segments(rendered))
        if len(rendered.token_ids) > self.max_tokens:
            self.num_cut += 1
            if fault := check_length(conversation, self.renderer, self.max_tokens):
                yield fault

    def _segments(self, rendered: Rendered) -> list[Segment]:
        pairs = zip(rendered.trained, rendered.token_ids, strict=True)
        return [
            (self.decode([token_id for _, token_id in group]), trained)
            for trained, group in groupby(pairs, key=lambda pair: pair[0])
        ]


@dataclass(slots=True)
class LengthCheck:
    """Takes conversations as training would, for their length alone; `load` gives the renderer of
    the base's tokenizer, once there is a conversation that may be too long."""

    load: Callable[[], ChatRenderer]
    max_tokens: int
    _renderer: ChatRenderer | None = None

    def take(self, conversation: Conversation) -> Iterator[Fault]:
        if not may_exceed(conversation, self.max_tokens):
            return
        self._renderer = self._renderer or self.load()
        if fault := check_length(conversation, self._renderer, self.max_tokens):
            yield fault
