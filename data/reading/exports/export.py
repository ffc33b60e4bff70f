"""A chat export, or subtitles, to conversations: the door of this folder for lines of text."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from textwrap import dedent

from data.errors import Fault
from data.reading.listing import first_of, shown_line
from data.wording import N_, _

from .asides import Aside, AsideHabits, cut_asides, left_out
from .heads import find_form, heads_of, looks_like_head
from .joining import Joined, Turn, join
from .messages import PAUSE, Chat, ExportedMessage, read_messages
from .speakers import Roles, Said, find_speakers, hide_phones
from .stamps import HOUR
from .subtitles import are_subtitles, plain_lines
from .timed_lines import read_label, timed_heads

NUM_NAMED = 5
WHATSAPP = ("dash", "bracket", "colon", "turned", "turned dash")  # forms of its heads
QUOTED = "tabs"  # LINE's, which has messages of several lines in quotes


@dataclass(frozen=True, slots=True)
class Export:
    faults: Sequence[Fault]
    conversations: Sequence[Sequence[Turn]]


def read_export(lines: Sequence[str], source: str, roles: Roles) -> Export | None:
    """None for anything but a chat with a time and a name for each message, of two speakers or
    more. `roles` are by name, in lower case; what is skipped is left out."""
    are_cues = are_subtitles(lines)
    lines = plain_lines(lines) if are_cues else lines
    form = None if are_cues else find_form(lines)
    heads = heads_of(lines, form) if form else timed_heads(lines, roles, are_cues=are_cues)
    if not heads:
        return Export([_nameless(source)], []) if are_cues else None
    name = form.name if form else ""
    habits = AsideHabits(name in WHATSAPP, are_cues, name == QUOTED)
    chat = read_messages(lines, heads, names_alone=form is not None and not form.has_text)
    said, asides = said_in(chat, habits)
    faults = [*left_out(asides, source), *_unread(said, source)]
    if not said:
        fault = Fault(source, 1, _("text"), _("none"), _("what somebody said"))
        return Export([*faults, fault], [])
    speakers = find_speakers(said, source, roles)
    joined = join(said, speakers.roles) if speakers.roles else Joined()
    faults += [*speakers.faults, *cut_at_pauses([joined], source)]
    return Export(faults, joined.conversations)


def said_in(chat: Chat, habits: AsideHabits) -> tuple[list[Said], list[Aside]]:
    """What is left of messages, and what was left out; pauses around the latter are kept."""
    said: list[Said] = []
    asides = [*chat.asides]
    begins = follows_pause = follows_gap = False
    for message in chat.messages:
        text, cut = cut_asides(_text_lines(message, habits), message.first, habits)
        asides += cut
        begins |= message.begins
        follows_pause |= message.follows_pause
        follows_gap |= message.follows_gap
        if text:
            name, line = message.speaker, message.line
            said.append(Said(name, text, line, begins, follows_pause, follows_gap))
            begins = follows_pause = follows_gap = False
    return said, sorted(asides, key=lambda aside: aside.line)


def cut_at_pauses(chats: Sequence[Joined], source: str) -> Iterator[Fault]:
    """One warning for all."""
    lines = [line for each in chats for line in each.pauses]
    if lines:
        num_conversations = sum(len(each.conversations) for each in chats)
        named = first_of(map(str, lines), len(lines), NUM_NAMED)
        seen = _(
            "cut into {count} conversations where nobody wrote for more than {hours} hours: above "
            "line {lines}"
        ).format(count=num_conversations, hours=PAUSE // HOUR, lines=named)
        expected = _("another matter behind each of these pauses")
        yield Fault(source, lines[0], _("pause"), seen, expected, "warning", N_("pause"))


def _text_lines(message: ExportedMessage, habits: AsideHabits) -> list[str]:
    lines = message.lines
    if message.first > message.line:  # Zoom's are indented
        lines = dedent("\n".join(lines)).split("\n")
    text = "\n".join(lines).rstrip()
    if habits.are_quoted and "\n" in text and text[0] == text[-1] == '"':
        lines = text[1:-1].split("\n")
    return lines


def _unread(said: Sequence[Said], source: str) -> Iterator[Fault]:
    names = {each.name.lower() for each in said}
    found = [
        (each.line, line)
        for each in said
        for line in each.text.split("\n")
        if looks_like_head(line) or ((label := read_label(line)) and label[0].lower() in names)
    ]
    if found:
        shown = (shown_line((line, hide_phones(text))) for line, text in found)
        named = first_of(shown, len(found), NUM_NAMED)
        seen = _("read as text though like the head of a message, in that of {lines}")
        expected = _("heads of one form in the whole file")
        where = source, found[0][0], _("head"), seen.format(lines=named)
        yield Fault(*where, expected, "warning", N_("unread head"))


def _nameless(source: str) -> Fault:
    seen = _("subtitles that do not say who speaks")
    expected = _("a name and a colon before what each one says, such as Doctor: Since when?")
    return Fault(source, 1, _("speakers"), seen, expected, kind=N_("speakers"))
