"""Data as one base's tokenizer sees it: how long it is, what is cut, what is trained."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from data.chat import ChatRenderer, Rendered
from data.conversation import Conversation
from data.errors import Fault, MarkInText, TemplateError

from .lengths import Lengths
from .own_words import OwnWords

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
            seen = str(error).removeprefix(f"{conversation.where}: ")
            expected = "what the base's chat template accepts"
            yield self._fault(conversation, "conversation", seen, expected, "template")
            return
        self.own_words.add(conversation)
        self.lengths.add(len(rendered.token_ids))
        self.trained.add(rendered.num_trained)
        if len(self.shown) < NUM_SHOWN:
            self.shown.append(self._segments(rendered))
        if len(rendered.token_ids) > self.max_tokens:
            self.num_cut += 1
            yield from self._check_last_turn(conversation)

    def _check_last_turn(self, conversation: Conversation) -> Iterator[Fault]:
        """Older turns may be cut; the last question and its answer must fit."""
        messages = conversation.messages
        begin = max(i for i, message in enumerate(messages) if message.role == "user")
        system = [message for message in messages[:1] if message.role == "system"]
        last = Conversation((*system, *messages[begin:]), tools=conversation.tools)
        try:
            num_tokens = len(self.renderer.render(last).token_ids)
        except TemplateError:
            return
        if num_tokens > self.max_tokens:
            seen = f"{num_tokens:,} tokens in the last question and answer"
            expected = f"at most {self.max_tokens:,} (max_tokens)"
            yield self._fault(conversation, "length", seen, expected, "too long")

    def _segments(self, rendered: Rendered) -> list[Segment]:
        pairs = zip(rendered.trained, rendered.token_ids, strict=True)
        return [
            (self.decode([token_id for _, token_id in group]), trained)
            for trained, group in groupby(pairs, key=lambda pair: pair[0])
        ]

    def _fault(
        self, conversation: Conversation, at: str, seen: str, expected: str, kind: str
    ) -> Fault:
        return Fault(conversation.source, conversation.line, at, seen, expected, kind=kind)
