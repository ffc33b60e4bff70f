"""What begins a turn: a role word and a colon, in all the forms that people write them in."""

import re
from collections.abc import Mapping
from typing import Literal

from data.conversation import Role

from .labels import FIELDS
from .numbered import NUMBER

ROLE_WORDS: dict[Role, str] = {
    "user": "患者 病人 问 問 问题 問題 用户 用戶 提问 提問 客户 客戶 顾客 顧客"
    " Q Question User Human Patient Customer Client",
    "assistant": "医生 醫生 大夫 医师 醫師 答 答案 回答 解答 助手 客服"
    " A Answer Assistant Bot Doctor Agent Mechanic Advisor Expert",
    "system": "系统 系統 System",
}
ROLES: dict[str, Role] = {
    word.lower(): role for role, words in ROLE_WORDS.items() for word in words.split()
}
# What begins with a label may also be left out, or be more of the turn above.
Part = Role | Literal["skip", "text"]
PARTS: tuple[Part, ...] = (*ROLE_WORDS, "skip", "text")
Roles = Mapping[str, Part]  # by label, in lower case

# A word, a number of the turn, and what is said of the speaker: 患者（女，45岁）
WORD = r"\w{1,20}?(?:\s*\d{1,6})?"
DETAIL = r"(?:\s*[（(][^（）()\n]{0,40}[）)])?"
COLON = r"\s*[:：∶](?!(?<=\d.)[0-5]\d(?!\d))"  # not that of a clock
LABELS = (
    rf"(?P<plain>{WORD}){DETAIL}{COLON}",
    rf"<\s*(?P<angle>{WORD})\s*>{COLON}",
    rf"[【\[]\s*(?P<square>{WORD})\s*[】\]]{COLON}",
    rf"\*\*\s*(?P<bold>{WORD}){DETAIL}\s*(?:\*\*\s*[:：]|[:：]\s*\*\*)",
)
# Before it: a list's mark, a quote's, a heading's, or a time in brackets.
INVISIBLE = r"\u200b-\u200f\u2060\ufeff"
TIME = r"[\[（(【][\d年月日:：/. -]{4,20}[\])）】]\s*"
LEAD = rf"[\s{INVISIBLE}]*(?:(?:[->#•·]|\*(?!\*))+\s*)?(?:{TIME})?"
LABELLED = re.compile(
    rf"{LEAD}(?P<number>{NUMBER}\s*)?(?:{'|'.join(LABELS)})(?P<text>.*)", re.DOTALL
)
# A second turn on a line begins behind space or the end of a sentence; a letter, behind the latter.
INNER = re.compile(rf"(?<=[\s。！？!?.；;|,，])<?(?P<word>{WORD})>?{COLON}")
TITLES = ("医生", "醫生", "大夫", "医师", "醫師", "患者", "病人", "客服", "助手")  # behind a name
UNREAD = re.compile(rf"[^:：∶;；\n]{{0,12}}(?:{'|'.join(TITLES)})[^:：∶;；。，\n]{{0,12}}[:：∶;；]")
NARROW = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}  # full-width forms


def label_of(match: re.Match[str]) -> str:
    return match["plain"] or match["angle"] or match["square"] or match["bold"]


def label_in(line: str) -> str | None:
    """What a line begins with, if a colon stands behind it; in lower case and half width."""
    match = LABELLED.fullmatch(line)
    return label_of(match).translate(NARROW).lower() if match else None


def begins_turn(line: str) -> bool:
    """Whether a line begins with one of our words for a role, whatever else it is."""
    label = label_in(line)
    return label is not None and find_role(label, ROLES) is not None


def find_role(label: str, roles: Roles) -> Part | None:
    """The role of a name as it is, without its number, or by the title behind it: 李医生."""
    name = label.translate(NARROW).lower()
    bare = name.rstrip("0123456789 ")
    is_name = len(bare) < 7 and bare not in FIELDS
    title = next((title for title in TITLES if is_name and bare.endswith(title)), None)
    return roles.get(name) or roles.get(bare) or (roles.get(title) if title else None)


def role_of(label: str, roles: Roles) -> Role | None:
    """The role of a name whose lines are turns."""
    part = find_role(label, roles)
    return None if part in ("skip", "text") else part
