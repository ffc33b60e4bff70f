"""A chat template: conversations to text, and what of it is its own and not people's."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol

import jinja2

from data.conversation import Message, as_template_sees, change_texts, places_of, with_texts
from data.errors import MarkInText, TemplateError
from data.wording import _

from .control_tokens import ControlTokens, Span, control_tokens_of, is_same_text
from .omissions import check_messages, check_tools
from .plain_marks import OnMarks, PlainMarks, marks_of

PROBE = "lora-chat-probe"
SYSTEM_PROBE = "lora-chat-system"
TURN = (Message("user", PROBE), Message("assistant", PROBE))
# A template is a program of other people: it raises what Python's own operators do, too.
REFUSALS = (
    jinja2.TemplateError,
    ArithmeticError,
    AttributeError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)

Tools = Sequence[Mapping[str, Any]]


class Tokenizer(Protocol):
    """What rendering needs of a transformers tokenizer."""

    chat_template: Any
    eos_token_id: Any
    all_special_ids: Any
    added_tokens_decoder: Any

    def __len__(self) -> int: ...

    def apply_chat_template(self, conversation: Any, **options: Any) -> Any: ...

    def encode(self, text: str, *, add_special_tokens: bool) -> Any: ...

    def decode(self, token_ids: Any) -> Any: ...


@dataclass(frozen=True, slots=True)
class Written:
    """A rendering, and where in it the template itself wrote control tokens.

    Without `own` there is nothing to tell apart: all that read like one are the template's.
    """

    text: str
    own: tuple[Span, ...] | None = None


class ChatTemplate:
    """Writes conversations by one template, with one tokenizer's special tokens."""

    def __init__(self, tokenizer: Tokenizer, source: str, on_marks: OnMarks) -> None:
        self.source = source
        self._tokenizer = tokenizer
        self._on_marks: OnMarks = on_marks

    def write(self, messages: Sequence[Message], tools: Tools, *, prompt: bool) -> Written:
        """The text, up to where an answer begins or whole.

        Raises TemplateError where the template refuses the conversation or leaves something out,
        where a text holds one of its plain marks, or could not be kept from becoming a token.
        """
        try:
            return self._write(messages, tools, prompt=prompt)
        except RecursionError as error:
            told = _("the tools or the calls of one are nested too deeply")
            raise TemplateError(told) from error

    def _write(self, messages: Sequence[Message], tools: Tools, *, prompt: bool) -> Written:
        messages, tools = self._without_marks(messages, tools)
        if self._folds_system and [message.role for message in messages[:2]] == ["system", "user"]:
            messages = _fold_system(messages)
        seen = [as_template_sees(message) for message in messages]
        try:
            text = self._apply(seen, tools, prompt=prompt)
            bare = self._apply(seen, (), prompt=prompt) if tools else text
        except REFUSALS as error:
            told = _("the chat template refuses this conversation: {reason}")
            raise TemplateError(told.format(reason=error)) from error
        check_messages(text, messages)
        check_tools(text, bare, tools)
        if any(message.tool_calls for message in messages):
            self._check_calls(text, messages, tools, prompt=prompt)
        return Written(text, self._own_spans(text, seen, tools, prompt=prompt))

    @cached_property
    def preamble(self) -> str:
        """What it writes before the first user turn when no system message is given."""
        return self.write(TURN[:1], (), prompt=True).text.split(PROBE)[0]

    @cached_property
    def control(self) -> ControlTokens:
        """The tokens that a text must not become."""
        return control_tokens_of(self._tokenizer, frozenset(self._written_around_turns()))

    @cached_property
    def marks(self) -> PlainMarks:
        """What else it marks turns with, that is no token."""
        return marks_of(self._written_around_probes(), (PROBE, SYSTEM_PROBE), self._added)

    def _without_marks(
        self, messages: Sequence[Message], tools: Tools
    ) -> tuple[Sequence[Message], Tools]:
        if not self.marks:
            return messages, tools
        if self._on_marks == "defuse":
            messages = [with_texts(message, self.marks.defuse) for message in messages]
            return messages, change_texts(tools, self.marks.defuse)
        for place, value in places_of(messages, tools):
            if found := self.marks.find_in(value):
                raise MarkInText(place, found[0])
        return messages, tools

    def _own_spans(
        self, text: str, seen: list[dict[str, Any]], tools: Tools, *, prompt: bool
    ) -> tuple[Span, ...] | None:
        """Where control tokens are the template's own, if there are others."""
        hidden, hidden_tools = self.control.hide(seen), self.control.hide(tools)
        if hidden == seen and hidden_tools == list(tools):
            return None
        try:
            blind = self._apply(hidden, hidden_tools, prompt=prompt)
        except REFUSALS:  # it looked at what is hidden
            blind = ""
        if not is_same_text(text, blind):
            told = _(
                "{token} stands in a text that the chat template does not write as it is, so it "
                "cannot be kept from becoming a control token. Take it out."
            )
            raise TemplateError(told.format(token=self._named_in(seen, tools)))
        own = self.control.spans(blind)
        return None if own == self.control.spans(text) else own

    def _named_in(self, seen: list[dict[str, Any]], tools: Tools) -> str:
        found = dict.fromkeys(self.control.find_in([seen, tools]))
        return _(" or ").join(map(repr, found)) or _("a part of a special token's name")

    def _check_calls(
        self, text: str, messages: Sequence[Message], tools: Tools, *, prompt: bool
    ) -> None:
        without = [as_template_sees(replace(message, tool_calls=())) for message in messages]
        try:
            are_lost = text == self._apply(without, tools, prompt=prompt)
        except REFUSALS:  # it looks at them at least
            return
        if are_lost:
            told = _(
                "the chat template leaves out the tool calls of an answer. Choose a base whose "
                "template writes them, or tell of them in words."
            )
            raise TemplateError(told)

    @cached_property
    def _folds_system(self) -> bool:
        """Whether the template refuses a system message, leaves it out or moves it.

        Mistral's moves it to the last question, so that no prompt begins the whole conversation.
        """
        system = Message("system", SYSTEM_PROBE)
        prompt = self._try((system, TURN[0]), prompt=True)
        whole = self._try((system, *TURN, *TURN), prompt=False)
        if prompt is None or whole is None:
            return True
        before, found, _ = prompt.partition(SYSTEM_PROBE)
        return not found or not whole.startswith(before + found)

    @property
    def _added(self) -> list[str]:
        added: dict[int, Any] = self._tokenizer.added_tokens_decoder
        return [token.content for token in added.values() if token.content]

    def _written_around_turns(self) -> set[str]:
        """Added tokens around earlier turns, special or not: DeepSeek's <｜User｜> is not.

        Tags that come in pairs, as <think> does, are around parts of an answer.
        """
        longer = self._try((*TURN, TURN[0]), prompt=False)
        text = longer or self._try(TURN, prompt=False) or ""
        tags = [(token.replace("/", "", 1), token) for token in self._added if "/" in token]
        paired = {tag for pair in tags if pair[0] in self._added for tag in pair}
        written = {token for token in self._added if token in text and _is_in_brackets(token)}
        return written - paired

    def _written_around_probes(self) -> Iterator[str]:
        system = Message("system", SYSTEM_PROBE)
        for messages in ((system, *TURN, *TURN), (*TURN, *TURN), TURN):
            if messages[0] is not system or not self._folds_system:
                yield self._try(messages, prompt=False) or ""
        yield self._try(TURN[:1], prompt=True) or ""

    def _try(self, messages: Sequence[Message], *, prompt: bool) -> str | None:
        """None where the template refuses them."""
        try:
            return self._apply([as_template_sees(each) for each in messages], (), prompt=prompt)
        except REFUSALS:
            return None

    def _apply(self, seen: list[dict[str, Any]], tools: Tools, *, prompt: bool) -> str:
        return self._tokenizer.apply_chat_template(
            seen,
            tools=[dict(tool) for tool in tools] or None,
            chat_template=self.source,
            add_generation_prompt=prompt,
            tokenize=False,
        )


def _fold_system(messages: Sequence[Message]) -> list[Message]:
    """Put the system message into the first user turn, for templates that have no such role."""
    system, first, *rest = messages
    return [replace(first, content=f"{system.content}\n\n{first.content}"), *rest]


def _is_in_brackets(token: str) -> bool:
    """Or in any other characters that words do not have: white space and words are no marks."""
    ends = token[0] + token[-1]
    return not any(each.isalnum() or each.isspace() for each in ends) and any(
        each.isalnum() for each in token
    )
