"""What is suspicious in one conversation, whatever the others are."""

import re
from collections.abc import Iterator

from data.conversation import Conversation, Message
from data.errors import Fault
from data.personal import find_personal
from data.personal.kind import Kind
from data.wording import N_, _, language

LONGEST = 20_000  # [characters] of a turn
NUM_SHOWN = 60  # [characters] around what was seen

HTML = re.compile(
    r"</?(?:a|b|br|div|em|font|h[1-6]|i|img|li|ol|p|span|strong|table|td|th|tr|ul)(?:\s[^<>]*)?/?>"
    r"|&(?:nbsp|lt|gt|amp|quot|apos|ldquo|rdquo|hellip|mdash|#\d{2,6}|#x[0-9a-fA-F]{2,5});",
    re.IGNORECASE,
)
MOJIBAKE = re.compile(
    "\ufffd"  # what a program writes for bytes that it cannot read
    "|锟斤拷|烫烫烫|屯屯屯"
    "|[ÃÂ][\u0080-\u00bf]"  # UTF-8 read as Latin-1 or Windows-1252: é as Ã©
    "|â€[\u0080-\u00bf\u2018-\u203a\u20ac\u2122]"
    "|(?:[äåæçèé][\u0080-\u00bf\u0152-\u0192\u2013-\u203a\u20ac]{1,2}){2}"
)
MARK = re.compile("[\ufffd锟烫屯ÃÂâäåæçèé]")  # one of them is in every mojibake, and found fast


def check_conversation(conversation: Conversation) -> Iterator[Fault]:
    """Each with the turn it is about."""
    if not any(message.is_trained for message in conversation.messages):
        seen, expected = _("no answer that is trained"), _("one to train on: a weight of 1")
        where = conversation.source, conversation.line, _("conversation")
        yield Fault(*where, seen, expected, kind=N_("nothing trained"))
    for number, message in enumerate(conversation.messages, start=1):
        for kind, seen, expected in _check_message(message):
            at = _("turn {number}").format(number=number)
            yield Fault(conversation.source, conversation.line, at, seen, expected, "warning", kind)


def _check_message(message: Message) -> Iterator[tuple[str, str, str]]:
    text = message.content
    if ("<" in text or "&" in text) and (match := HTML.search(text)):
        yield N_("html"), _show(text, match.start()), _("text without HTML")
    if not text.isascii() and MARK.search(text) and (match := MOJIBAKE.search(text)):
        expected = _("characters that were decoded right")
        yield N_("mojibake"), _show(text, match.start()), expected
    if len(text) > LONGEST:
        seen = _("{count:,} characters").format(count=len(text))
        yield N_("length"), seen, _("at most {count:,} in a turn").format(count=LONGEST)
    names = sorted({_name(found.kind) for found in find_personal(text)})
    if names:  # not shown: a report must not spread it
        seen = _("what looks like {kinds}").format(kinds=_(" and ").join(names))
        yield N_("personal data"), seen, _("none (--redact replaces it)")


def _name(kind: Kind) -> str:
    if language() == "zh":
        return kind.chinese_name
    return f"an {kind.name}" if kind.name[0] in "aei" else f"a {kind.name}"


def _show(text: str, at: int) -> str:
    begin = max(0, at - NUM_SHOWN // 2)
    return repr(text[begin : begin + NUM_SHOWN])
