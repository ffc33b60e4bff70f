"""WeChat's messages as rows of a table, in the two shapes that programs write them."""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from data.errors import Fault
from data.wording import N_, _

from .asides import Aside, AsideHabits, left_out
from .export import Export, cut_at_pauses, said_in
from .joining import join
from .messages import Chat, ExportedMessage, find_pauses
from .speakers import Part
from .stamps import HOUR, STAMP, Stamp, stamp_of

Line = tuple[int, Sequence[str]]  # of cells, with its number
Row = Mapping[str, str]

# WeChatMsg's names and PyWxDump's
SENDER = ("IsSender", "is_sender")
TEXT = ("StrContent", "msg", "content")
TYPE = ("Type", "type_name")
TIME = ("CreateTime", "StrTime")
CHAT = ("TalkerId", "room_name")
PERSON = ("Sender", "NickName", "talker")
TEXTS = ("1", "文本", "文字", "text")
NOTES = ("10000", "10002", "系统通知", "系统消息", "system")
MEDIA = {"3": "图片", "34": "语音", "43": "视频", "47": "表情", "49": "分享", "50": "通话"}
PARTS: dict[str, Part] = {"1": "assistant", "0": "user"}  # whose account it is, answers
WHEN = re.compile(STAMP, re.IGNORECASE)
EPOCH = re.compile(r"(\d{10})(?:\d{3})?(?:\.0)?")  # [s] or [ms]


@dataclass(slots=True)
class _Contact:
    """One chat of those in a table."""

    chat: Chat = field(default_factory=Chat)
    others: set[str] = field(default_factory=set[str])


def is_wechat(names: Sequence[str]) -> bool:
    return all(any(name in names for name in column) for column in (SENDER, TEXT, TYPE))


def read_wechat(names: Sequence[str], lines: Iterable[Line | Fault], source: str) -> Export:
    """The chats of one account, below a header for which `is_wechat` is true."""
    contacts: defaultdict[str, _Contact] = defaultdict(_Contact)
    faults: list[Fault] = []
    for each in lines:
        if isinstance(each, Fault):
            faults.append(each)
            continue
        number, cells = each
        row = dict(zip(names, cells, strict=False))  # a row may lack last cells, the header names
        if _value(row, SENDER) in PARTS:
            _take(row, number, contacts[_value(row, CHAT)])
        else:
            expected = _("1 for what the owner of the account wrote, 0 for the other")
            faults.append(Fault(source, number, SENDER[0], repr(_value(row, SENDER)), expected))
    read = _read_contacts([*contacts.values()], source)
    return Export([*faults, *read.faults], read.conversations)


def _take(row: Row, number: int, contact: _Contact) -> None:
    """Whatever is no text shows that somebody was there."""
    sender, kind, text = _value(row, SENDER), _value(row, TYPE), _text(row)
    lines = text.split("\n") if kind in TEXTS else []
    if kind in NOTES:
        contact.chat.leave_out(number, text)
    elif not lines:
        contact.chat.asides.append(Aside("media", number, MEDIA.get(kind, kind)))
    message = ExportedMessage(sender, number, number, lines, _stamp(row))
    contact.chat.messages.append(message)
    if sender == "0" and lines:
        contact.others.add(_value(row, PERSON))


def _read_contacts(contacts: Sequence[_Contact], source: str) -> Export:
    for each in contacts:
        find_pauses(each.chat.messages)
    read = [said_in(each.chat, AsideHabits()) for each in contacts]
    asides = sorted((aside for _said, cut in read for aside in cut), key=lambda aside: aside.line)
    faults = [*left_out(asides, source)]
    counts = Counter(each.name for said, _cut in read for each in said)
    groups = [each for each in contacts if len(each.others) > 1]
    if groups or not counts:
        error = _group(groups, source) if groups else _nothing(source)
        return Export([*faults, error], [])
    joined = [join(said, PARTS) for said, _cut in read]
    faults += [_owner(counts, source), *cut_at_pauses(joined, source)]
    return Export(faults, [one for each in joined for one in each.conversations])


def _owner(counts: Counter[str], source: str) -> Fault:
    seen = _(
        "{column} 1 ({num_assistant} messages) was taken for the assistant, 0 ({num_user}) for the "
        "user"
    ).format(column=SENDER[0], num_assistant=counts["1"], num_user=counts["0"])
    expected = _("the chats of whoever answers, saved by that account")
    return Fault(source, 1, _("speakers"), seen, expected, "warning", N_("speakers"))


def _nothing(source: str) -> Fault:
    return Fault(source, 1, _("rows"), _("no text"), _("what somebody wrote"))


def _group(groups: Sequence[_Contact], source: str) -> Fault:
    line = groups[0].chat.messages[0].line
    sizes = ", ".join(str(len(each.others) + 1) for each in groups[:5])
    seen = _("chats of more than two people: {count} (of {sizes})")
    expected = _("chats of two alone; take those rows out")
    where = source, line, _("speakers")
    return Fault(*where, seen.format(count=len(groups), sizes=sizes), expected)


def _value(row: Row, columns: Sequence[str]) -> str:
    found = (value for name in columns if (value := row.get(name, "").strip()))
    return next(found, "").removesuffix(".0")


def _text(row: Row) -> str:
    """PyWxDump once wrote it as JSON, with the message under a key."""
    text = next((row[name] for name in TEXT if row.get(name)), "")
    if not text.lstrip().startswith('{"'):
        return text
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return str(value["msg"]) if isinstance(value, dict) and "msg" in value else text


def _stamp(row: Row) -> Stamp | None:
    for name in TIME:
        value = row.get(name, "").strip()
        if match := EPOCH.fullmatch(value):
            at = datetime.fromtimestamp(int(match[1]), UTC)
            return Stamp((at.year, at.month, at.day), at.hour * HOUR + at.minute * 60 + at.second)
        if match := WHEN.fullmatch(value):
            return stamp_of(match)
    return None
