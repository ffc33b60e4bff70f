"""Conversations to token ids, for training and for serving alike, by the chat template alone.

The ids are always those of the template's own rendering, tokenized with nothing added; in what
people wrote, the names of control tokens are text. What is trained follows from rendering too: an
answer begins where the rendered prompt ends, which is what makes the prompt at training and the
prompt at serving the same ids.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from .conversation import Conversation, Message
from .errors import MarkInText, TemplateError
from .wording import _
from .writing.chat_template import PROBE, TURN, ChatTemplate, Tokenizer, Tools, Written
from .writing.keeping_encoder import KeepingEncoder
from .writing.plain_marks import OnMarks


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

    def __init__(
        self, tokenizer: Tokenizer, template: str | None = None, plain_marks: OnMarks = "refuse"
    ) -> None:
        """Take `template`, or the tokenizer's own. Raises TemplateError where there is none."""
        chosen = template or tokenizer.chat_template
        if not isinstance(chosen, str):
            raise TemplateError(
                _(
                    "The base model has no chat template. Choose its chat (or instruct) variant, "
                    "or put a chat_template.jinja into its folder."
                )
            )
        self.template = chosen
        self._tokenizer = tokenizer
        self._template = ChatTemplate(tokenizer, chosen, plain_marks)

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.template.encode()).hexdigest()

    @property
    def preamble(self) -> str:
        """What the template writes before the first user turn when no system message is given.

        Some templates bring a persona of their own here.
        """
        return self._template.preamble

    @cached_property
    def end_ids(self) -> tuple[int, ...]:
        """The tokens that end an answer: the template's own and the tokenizer's end of text."""
        prompt = self.prompt_ids(TURN[:1])
        upto = self._upto_answer(Conversation(TURN), 1, prompt)
        special = [i for i in upto[_num_shared(prompt, upto) :] if i in self._special_ids]
        ends = {self._tokenizer.eos_token_id, *special[-1:]} & self._special_ids
        return tuple(sorted(ends))

    def prompt_ids(self, messages: Sequence[Message], tools: Tools = ()) -> tuple[int, ...]:
        """The ids of everything up to where the answer begins."""
        return self._encode(self._template.write(messages, tools, prompt=True))

    def continued_ids(self, messages: Sequence[Message], tools: Tools = ()) -> tuple[int, ...]:
        """The ids of everything up to where the last message stops, an answer that is to go on.

        Raises TemplateError where no longer answer would begin with them.
        """
        *before, begun = messages
        if not before or begun.tool_calls or begun.tool_call_id is not None:
            raise TemplateError(
                "an answer can be continued that follows a question and calls no tool"
            )
        prompt = self._template.write(before, tools, prompt=True)
        if not begun.content.strip():
            return self._encode(prompt)
        longer = replace(begun, content=begun.content + PROBE)
        written = self._template.write([*before, longer], tools, prompt=False)
        text = written.text.rpartition(PROBE)[0]
        if not (text.startswith(prompt.text) and text.endswith(begun.content.lstrip())):
            raise TemplateError(
                "this answer cannot be continued: the chat template writes it otherwise than after "
                "its prompt. End with a question, for a new answer."
            )
        own = written.own
        return self._encode(
            Written(text, own and tuple(span for span in own if span[1] <= len(text)))
        )

    def whole_ids(self, messages: Sequence[Message], tools: Tools = ()) -> tuple[int, ...]:
        """The ids of the messages alone, with nothing for an answer to follow."""
        return self._encode(self._template.write(messages, tools, prompt=False))

    def control_tokens_in(self, value: Any) -> list[str]:
        """The control tokens whose names stand in JSON for the template: they stay text."""
        return self._template.control.find_in(value)

    def plain_marks_in(self, value: Any) -> list[str]:
        """What reads there like the template's marks that are no tokens."""
        return self._template.marks.find_in(value)

    def render(self, conversation: Conversation) -> Rendered:
        """The whole conversation's ids, with each trained answer and its end token marked.

        Raises TemplateError where the template refuses the conversation, or where it writes an
        earlier turn otherwise once later ones follow, so that no prefix of it is a prompt;
        MarkInText where a text holds one of its marks that are no tokens.
        """
        try:
            return self._render(conversation)
        except MarkInText as error:
            raise MarkInText(error.place, error.mark, conversation.where) from error
        except TemplateError as error:
            raise TemplateError(error.problem, conversation.where) from error

    def _render(self, conversation: Conversation) -> Rendered:
        messages, tools = conversation.messages, conversation.tools
        ids = self.whole_ids(messages, tools)
        trained = [False] * len(ids)
        for index, message in enumerate(messages):
            if message.is_trained:
                start, end = self._answer_span(conversation, index, ids)
                trained[start:end] = [True] * (end - start)
        if not any(trained):
            raise TemplateError(_("there is no answer to train on"))
        return Rendered(ids, tuple(trained))

    def _answer_span(
        self, conversation: Conversation, index: int, ids: tuple[int, ...]
    ) -> tuple[int, int]:
        #   ids:  [ prompt … | answer … end-token | "\n" | later turns … ]
        #                    ^ start              ^ end
        messages, tools = conversation.messages, conversation.tools
        if index == 0:
            raise TemplateError(_("it begins with an answer; put a question before it"))
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
        ids = self.whole_ids(conversation.messages[: index + 1], conversation.tools)
        bare = ids[: len(ids) - len(self._closing)]
        has_own_end = not self._special_ids.isdisjoint(bare[_num_shared(prompt, bare) :])
        return bare if has_own_end and ids[len(bare) :] == self._closing else ids

    @cached_property
    def _closing(self) -> tuple[int, ...]:
        """Special tokens that the template writes once, after the last turn, as Phi-3's does."""
        try:
            once, twice = (self.whole_ids(TURN * n) for n in (1, 2))
        except TemplateError:  # it takes one turn alone
            return ()
        closing = once[_num_shared(once, twice) :]
        return closing if self._special_ids.issuperset(closing) else ()

    @cached_property
    def _special_ids(self) -> frozenset[int]:
        added: dict[int, Any] = self._tokenizer.added_tokens_decoder
        marked = {token_id for token_id, token in added.items() if token.special}
        return frozenset(marked | set(self._tokenizer.all_special_ids))

    def _encode(self, written: Written) -> tuple[int, ...]:
        """Raises TemplateError where a text would not stay text."""
        control = self._template.control
        if written.own is not None:
            ids = self._keeping_encoder and self._keeping_encoder.encode(written.text, written.own)
        else:
            ids = tuple(self._tokenizer.encode(written.text, add_special_tokens=False))
            # A tokenizer may find tokens where they are not written so: it may lower letters.
            ids = ids if control.count(ids) <= len(control.spans(written.text)) else None
        if ids is None:
            raise TemplateError(
                _(
                    "a text reads like a special token, and this base's tokenizer cannot keep it "
                    "from becoming one. Take it out."
                )
            )
        return ids

    @cached_property
    def _keeping_encoder(self) -> KeepingEncoder | None:
        """None where it would not give the tokenizer's own ids."""
        encoder, written = (
            self._template.control.encoder,
            self._template.write(TURN, (), prompt=False),
        )
        own = self._template.control.spans(written.text)
        is_faithful = encoder and encoder.encode(written.text, own) == self._encode(written)
        return encoder if is_faithful else None


def _num_shared(first: Sequence[int], second: Sequence[int]) -> int:
    """How many ids both begin with."""
    pairs = enumerate(zip(first, second, strict=False))
    return next((i for i, (one, other) in pairs if one != other), min(len(first), len(second)))


def _mismatch(index: int, *, is_last: bool) -> str:
    advice = (
        _("Put another chat_template.jinja into the base model's folder.")
        if is_last
        else _("Split the conversation so that this answer is the last turn.")
    )
    return _(
        "the chat template writes turn {number} otherwise in a prompt than in a whole "
        "conversation, so training would not match serving. {advice}"
    ).format(number=index + 1, advice=advice)
