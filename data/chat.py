"""Conversations to token ids, for training and for serving alike, by the chat template alone.

The ids are always those of the template's own rendering, tokenized with nothing added. What is
trained follows from rendering too: an answer begins where the rendered prompt ends, which is
what makes the prompt at training and the prompt at serving the same ids.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol

import jinja2

from .conversation import Conversation, Message, as_template_sees
from .errors import TemplateError
from .omissions import check_messages, check_tools

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
class Rendered:
    """A conversation as token ids; `trained[i]` says whether the loss counts `token_ids[i]`."""

    token_ids: tuple[int, ...]
    trained: tuple[bool, ...]

    @property
    def num_trained(self) -> int:
        return sum(self.trained)


class ChatRenderer:
    """Renders conversations with one tokenizer and one chat template."""

    def __init__(self, tokenizer: Tokenizer, template: str | None = None) -> None:
        """Take `template`, or the tokenizer's own. Raises TemplateError where there is none."""
        chosen = template or tokenizer.chat_template
        if not isinstance(chosen, str):
            raise TemplateError(
                "The base model has no chat template. Choose its chat (or instruct) variant, or "
                "put a chat_template.jinja into its folder."
            )
        self.template = chosen
        self._tokenizer = tokenizer

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.template.encode()).hexdigest()

    @cached_property
    def preamble(self) -> str:
        """What the template writes before the first user turn when no system message is given.

        Some templates bring a persona of their own here.
        """
        return self._text([Message("user", PROBE)], (), prompt=True).split(PROBE)[0]

    @cached_property
    def end_ids(self) -> tuple[int, ...]:
        """The tokens that end an answer: the template's own and the tokenizer's end of text."""
        prompt = self.prompt_ids(TURN[:1])
        upto = self._upto_answer(Conversation(TURN), 1, prompt)
        special = [i for i in upto[_num_shared(prompt, upto) :] if i in self._special_ids]
        ends = {self._tokenizer.eos_token_id, *special[-1:]} & self._special_ids
        return tuple(sorted(ends))

    def prompt_ids(
        self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]] = ()
    ) -> tuple[int, ...]:
        """The ids of everything up to where the answer begins."""
        return self._encode(self._text(messages, tools, prompt=True))

    def continued_ids(
        self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]] = ()
    ) -> tuple[int, ...]:
        """The ids of everything up to where the last message stops, an answer that is to go on.

        Raises TemplateError where no longer answer would begin with them.
        """
        *before, begun = messages
        if not before or begun.tool_calls or begun.tool_call_id is not None:
            raise TemplateError(
                "an answer can be continued that follows a question and calls no tool"
            )
        prompt = self._text(before, tools, prompt=True)
        if not begun.content.strip():
            return self._encode(prompt)
        longer = replace(begun, content=begun.content + PROBE)
        text = self._text([*before, longer], tools, prompt=False).rpartition(PROBE)[0]
        if not (text.startswith(prompt) and text.endswith(begun.content.lstrip())):
            raise TemplateError(
                "this answer cannot be continued: the chat template writes it otherwise than after "
                "its prompt. End with a question, for a new answer."
            )
        return self._encode(text)

    def whole_ids(
        self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]] = ()
    ) -> tuple[int, ...]:
        """The ids of the messages alone, with nothing for an answer to follow."""
        return self._encode(self._text(messages, tools, prompt=False))

    def render(self, conversation: Conversation) -> Rendered:
        """The whole conversation's ids, with each trained answer and its end token marked.

        Raises TemplateError where the template refuses the conversation, or where it writes an
        earlier turn otherwise once later ones follow, so that no prefix of it is a prompt.
        """
        try:
            return self._render(conversation)
        except TemplateError as error:
            raise TemplateError(f"{conversation.where}: {error}") from error

    def _render(self, conversation: Conversation) -> Rendered:
        messages, tools = conversation.messages, conversation.tools
        ids = self._encode(self._text(messages, tools, prompt=False))
        trained = [False] * len(ids)
        for index, message in enumerate(messages):
            if message.is_trained:
                start, end = self._answer_span(conversation, index, ids)
                trained[start:end] = [True] * (end - start)
        if not any(trained):
            raise TemplateError("there is no answer to train on")
        return Rendered(ids, tuple(trained))

    def _answer_span(
        self, conversation: Conversation, index: int, ids: tuple[int, ...]
    ) -> tuple[int, int]:
        #   ids:  [ prompt … | answer … end-token | "\n" | later turns … ]
        #                    ^ start              ^ end
        messages, tools = conversation.messages, conversation.tools
        if index == 0:
            raise TemplateError("it begins with an answer; put a question before it")
        prompt = self.prompt_ids(messages[:index], tools)
        upto = self._upto_answer(conversation, index, prompt)
        if ids[: len(prompt)] != prompt or ids[: len(upto)] != upto:
            raise TemplateError(_mismatch(index, is_last=index + 1 == len(messages)))
        special = [i for i in range(len(prompt), len(upto)) if ids[i] in self._special_ids]
        return len(prompt), special[-1] + 1 if special else len(upto)

    def _upto_answer(
        self, conversation: Conversation, index: int, prompt: tuple[int, ...]
    ) -> tuple[int, ...]:
        """The ids through the answer, less the conversation's closing.

        Where the closing is all that ends the answer, it belongs to it.
        """
        text = self._text(conversation.messages[: index + 1], conversation.tools, prompt=False)
        ids = self._encode(text)
        bare = ids[: len(ids) - len(self._closing)]
        has_own_end = not self._special_ids.isdisjoint(bare[_num_shared(prompt, bare) :])
        return bare if has_own_end and ids[len(bare) :] == self._closing else ids

    @cached_property
    def _closing(self) -> tuple[int, ...]:
        """Special tokens that the template writes once, after the last turn, as Phi-3's does."""
        try:
            once, twice = (self._encode(self._text(TURN * n, (), prompt=False)) for n in (1, 2))
        except TemplateError:  # it takes one turn alone
            return ()
        closing = once[_num_shared(once, twice) :]
        return closing if self._special_ids.issuperset(closing) else ()

    @cached_property
    def _special_ids(self) -> frozenset[int]:
        added: dict[int, Any] = self._tokenizer.added_tokens_decoder
        marked = {token_id for token_id, token in added.items() if token.special}
        return frozenset(marked | set(self._tokenizer.all_special_ids))

    def _encode(self, text: str) -> tuple[int, ...]:
        return tuple(self._tokenizer.encode(text, add_special_tokens=False))

    def _text(
        self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]], *, prompt: bool
    ) -> str:
        if self._folds_system and [message.role for message in messages[:2]] == ["system", "user"]:
            messages = _fold_system(messages)
        try:
            text = self._apply(messages, tools, prompt=prompt)
            bare = self._apply(messages, (), prompt=prompt) if tools else text
        except REFUSALS as error:
            raise TemplateError(f"the chat template refuses this conversation: {error}") from error
        check_messages(text, messages)
        check_tools(text, bare, tools)
        if any(message.tool_calls for message in messages):
            self._check_calls(text, messages, tools, prompt=prompt)
        return text

    def _check_calls(
        self,
        text: str,
        messages: Sequence[Message],
        tools: Sequence[Mapping[str, Any]],
        *,
        prompt: bool,
    ) -> None:
        without = [replace(message, tool_calls=()) for message in messages]
        try:
            are_lost = text == self._apply(without, tools, prompt=prompt)
        except REFUSALS:  # it looks at them at least
            return
        if are_lost:
            raise TemplateError(
                "the chat template leaves out the tool calls of an answer. Choose a base whose "
                "template writes them, or tell of them in words."
            )

    @cached_property
    def _folds_system(self) -> bool:
        """Whether the template refuses a system message, leaves it out or moves it.

        Mistral's moves it to the last question, so that no prompt begins the whole conversation.
        """
        system = Message("system", SYSTEM_PROBE)
        try:
            prompt = self._apply((system, TURN[0]), (), prompt=True)
            whole = self._apply((system, *TURN, *TURN), (), prompt=False)
        except REFUSALS:
            return True
        before, found, _ = prompt.partition(SYSTEM_PROBE)
        return not found or not whole.startswith(before + found)

    def _apply(
        self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]], *, prompt: bool
    ) -> str:
        return self._tokenizer.apply_chat_template(
            [as_template_sees(message) for message in messages],
            tools=[dict(tool) for tool in tools] or None,
            chat_template=self.template,
            add_generation_prompt=prompt,
            tokenize=False,
        )


def _fold_system(messages: Sequence[Message]) -> list[Message]:
    """Put the system message into the first user turn, for templates that have no such role."""
    system, first, *rest = messages
    return [replace(first, content=f"{system.content}\n\n{first.content}"), *rest]


def _num_shared(first: Sequence[int], second: Sequence[int]) -> int:
    """How many ids both begin with."""
    pairs = enumerate(zip(first, second, strict=False))
    return next((i for i, (one, other) in pairs if one != other), min(len(first), len(second)))


def _mismatch(index: int, *, is_last: bool) -> str:
    advice = (
        "Put another chat_template.jinja into the base model's folder."
        if is_last
        else "Split the conversation so that this answer is the last turn."
    )
    return (
        f"the chat template writes turn {index + 1} otherwise in a prompt than in a whole "
        f"conversation, so training would not match serving. {advice}"
    )
