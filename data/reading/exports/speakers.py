"""Who speaks in a chat, and who of them asks and who answers: as the user says, or guessed."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from data.errors import Fault
from data.reading.dialogues.role_words import ROLES, Part, Roles, role_of
from data.reading.listing import first_of
from data.wording import N_, _

from .stamps import MARKS, SPACES

NUM_NAMED = 10
EDGES = f"{MARKS}{SPACES}~*'\"‘’“”"
ID = re.compile(r"\s*[(（<](?:\d{5,12}|[a-z]\d{6,9}|[\w.+-]+@[\w.-]+)[)）>]$", re.IGNORECASE)
DETAIL = re.compile(r"\s*[（(][^（）()]{0,40}[）)]$")  # 患者（女，45岁）
DIVIDING = re.compile(rf"[{MARKS},，=\s]+")  # what --roles could not have within a name
PHONE = re.compile(r"(?!\d{4}-\d\d-)\+?\d[\d\s()‑–-]{6,}\d")
AGENT = re.compile(
    r"\b(?:shop|store|support|service|clinic|praxis|team|agent|doctor|dr|help|helpdesk|bot|hotel"
    r"|pharmacy|gmbh|ltd|inc|llc|assistant|advisor|consultant|operator|office|company)\b"
    r"|客服|店|诊所|診所|医|醫|大夫|药房|藥局|公司|官方|助理|助手|顾问|中心|门诊|老师",
    re.IGNORECASE,
)
OFFERS = re.compile(
    r"\bhow (?:can|may) i help|\bcan i help you|\bthank you for contacting|\bwhat brings you"
    r"|为您服务|可以帮您|能帮您|哪里不舒服|哪裡不舒服",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Said:
    name: str
    text: str
    line: int
    begins: bool = False  # another chat
    follows_pause: bool = False
    follows_gap: bool = False


@dataclass(frozen=True, slots=True)
class Speakers:
    roles: Mapping[str, Part]  # by name; empty where they are not known
    faults: Sequence[Fault] = field(default=())


@lru_cache(maxsize=1024)
def clean_name(name: str) -> str:
    """A name without quotes, and without the number of an account."""
    bare = ID.sub("", name.strip(EDGES)).strip(EDGES)
    return DIVIDING.sub(" ", bare).strip() or name.strip()


def hide_phones(text: str) -> str:
    """All but the ends of their numbers."""
    return PHONE.sub(lambda match: f"{match[0][:3]}…{match[0][-4:]}", text)


def find_speakers(said: Sequence[Said], source: str, roles: Roles) -> Speakers:
    """A name may also be given as it is shown, without the middle of a phone number."""
    counts = Counter(each.name for each in said)
    given: Roles = {clean_name(name).lower(): part for name, part in roles.items()}
    parts: dict[str, Part] = {
        name: part for name in counts if (part := _part_of(name, given, counts))
    }
    unknown = [name for name in counts if name not in parts]
    heard = [name for name in counts if parts.get(name) != "skip"]
    if not unknown:
        return Speakers(parts)
    guess = _guess(heard, parts, said) if len(unknown) == 1 or not roles else None
    if not guess:
        return Speakers({}, [_unknown(counts, unknown, said, source)])
    asks, answers = guess
    warning = _guessed(asks, answers, counts, said[0].line, source)
    return Speakers({**parts, asks: "user", answers: "assistant"}, [warning])


def _part_of(name: str, given: Roles, names: Mapping[str, int]) -> Part | None:
    part = given.get(name.lower()) or given.get(hide_phones(name).lower())
    if part:
        return None if part == "text" else part
    if len(name) == 1 and not {"q", "a"} <= {each.lower() for each in names}:
        return None  # speakers A and B
    role = role_of(name, ROLES) or role_of(DETAIL.sub("", name), ROLES)
    return None if role == "system" else role


def _guess(
    heard: Sequence[str], parts: Mapping[str, Part], said: Sequence[Said]
) -> tuple[str, str] | None:
    """Guess, of two, who asks and who answers."""
    if len(heard) != 2:
        return None
    one, other = heard
    known = {parts[name] for name in heard if name in parts}
    if known == {"system"}:
        return None
    if known:
        asks = one if parts.get(one) == "user" or parts.get(other) == "assistant" else other
    else:
        asks = _asks(said, one, other)
    return asks, other if asks == one else one


def _asks(said: Sequence[Said], one: str, other: str) -> str:
    """Not who has a business's name or manner; or else who opens most conversations."""
    named = [name for name in (one, other) if AGENT.search(name)]
    offering = [*{each.name for each in said if OFFERS.search(each.text)} & {one, other}]
    agents = named if len(named) == 1 else offering
    if len(agents) == 1:
        return one if agents[0] == other else other
    return _opens(said, (one, other))


def _opens(said: Sequence[Said], heard: Sequence[str]) -> str:
    firsts: Counter[str] = Counter()
    is_open = False
    for each in said:
        is_open &= not (each.begins or each.follows_pause)
        if not is_open and each.name in heard:
            firsts[each.name] += 1
            is_open = True
    return max(heard, key=lambda name: firsts[name])


def _guessed(asks: str, answers: str, counts: Counter[str], line: int, source: str) -> Fault:
    user, assistant = hide_phones(asks), hide_phones(answers)
    seen = _(
        "{user} ({num_user}) and {assistant} ({num_assistant}): {user} was taken for the user, "
        "{assistant} for the assistant"
    ).format(
        user=user,
        num_user=_messages(counts[asks]),
        assistant=assistant,
        num_assistant=_messages(counts[answers]),
    )
    expected = _("that, or --roles '{assistant}=user,{user}=assistant'")
    told = expected.format(assistant=assistant, user=user)
    return Fault(source, line, _("speakers"), seen, told, "warning", N_("speakers"))


def _unknown(
    counts: Counter[str], unknown: Sequence[str], said: Sequence[Said], source: str
) -> Fault:
    shown = [f"{hide_phones(name)} ({_messages(num)})" for name, num in counts.most_common()]
    one, several = N_("one speaker: {speakers}"), N_("{count} speakers: {speakers}")
    seen = _(one if len(shown) == 1 else several).format(
        count=len(shown), speakers=first_of(shown, len(shown), NUM_NAMED)
    )
    asked = ",".join(f"{hide_phones(name)}=…" for name in unknown[:NUM_NAMED])
    expected = _("user, assistant or skip for each that is none by its name: --roles '{roles}'")
    line = next(each.line for each in said if each.name == unknown[0])
    where = source, line, _("speakers")
    return Fault(*where, seen, expected.format(roles=asked), kind=N_("speakers"))


def _messages(count: int) -> str:
    return _("1 message") if count == 1 else _("{count} messages").format(count=count)
