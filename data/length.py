"""How long a conversation is in tokens, and what is left of one that is too long."""

import re
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import replace

from .chat import ChatRenderer
from .conversation import Conversation
from .errors import Fault, TemplateError
from .reading.faulty import Faulty, FaultyTally
from .wording import N_, _

AROUND = 64  # [tokens] that a template writes around a turn, at most
KIND = N_("too long")
CUT = N_("an answer that was too long, cut behind a sentence")
SENTENCE = re.compile(r".*?(?:[。！？!?…]+[”\"』」）)]*|\.(?=\s)|\n|$)", re.DOTALL)


def may_exceed(conversation: Conversation, max_tokens: int) -> bool:
    """Whether a conversation may be too long, without counting: no token is of less than a byte."""
    num_bytes = sum(len(message.content.encode()) + AROUND for message in conversation.messages)
    has_tools = conversation.tools or any(each.tool_calls for each in conversation.messages)
    return bool(has_tools) or num_bytes > max_tokens


def last_exchange(conversation: Conversation) -> Conversation:
    """The last question and what answers it, with the system message: older turns may be cut."""
    messages = conversation.messages
    begin = max((i for i, each in enumerate(messages) if each.role == "user"), default=0)
    system = [message for message in messages[:1] if message.role == "system"] if begin else []
    return replace(conversation, messages=(*system, *messages[begin:]))


def check_length(
    conversation: Conversation, renderer: ChatRenderer, max_tokens: int
) -> Fault | None:
    """What training refuses: a last question and answer that alone are too long."""
    try:
        num_tokens = len(renderer.render(last_exchange(conversation)).token_ids)
    except TemplateError:
        return None
    return too_long(conversation, num_tokens, max_tokens) if num_tokens > max_tokens else None


def too_long(conversation: Conversation, num_tokens: int, max_tokens: int) -> Fault:
    seen = _("{count:,} tokens in the last question and answer").format(count=num_tokens)
    where = conversation.source, conversation.line, _("length")
    expected = _("at most {count:,} (max_tokens)").format(count=max_tokens)
    return Fault(*where, seen, expected, kind=KIND, is_of_one=True)


def fit(
    conversations: Iterable[Conversation], renderer: ChatRenderer, max_tokens: int, how: Faulty
) -> tuple[list[Conversation], list[Fault]]:
    """Stop: all of them, with an error for each that is too long. Otherwise those that are not,
    with warnings that count what was cut or left out."""
    kept: list[Conversation] = []
    faults: list[Fault] = []
    tally = FaultyTally()
    for each in conversations:
        fault = check_length(each, renderer, max_tokens) if may_exceed(each, max_tokens) else None
        cut = cut_answer(each, renderer, max_tokens) if fault and how == "mend" else None
        if fault is None or how == "stop":
            kept.append(each)
            faults += [fault] if fault else []
        elif cut:
            kept.append(cut)
            tally.note(each, [(CUT, each.messages[-1].content)])
        else:
            tally.leave_out(KIND, each.source, each.line, fault.seen)
    return kept, [*faults, *tally.faults()]


def cut_answer(
    conversation: Conversation, renderer: ChatRenderer, max_tokens: int
) -> Conversation | None:
    """The last question with the sentences of its answer that fit; None where not one does, or what
    ends the conversation is no plain answer."""
    last = last_exchange(conversation)
    *before, answer = last.messages
    if answer.role != "assistant" or answer.tool_calls:
        return None
    ends = [match.end() for match in SENTENCE.finditer(answer.content) if match[0].strip()]

    def shortened(end: int) -> Conversation:
        content = answer.content[:end].rstrip()
        return replace(last, messages=(*before, replace(answer, content=content)))

    def is_too_long(end: int) -> bool:
        return len(renderer.render(shortened(end)).token_ids) > max_tokens

    num_fitting = bisect_right(ends, False, key=is_too_long)
    return shortened(ends[num_fitting - 1]) if num_fitting else None
