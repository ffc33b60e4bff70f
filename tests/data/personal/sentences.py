"""Sentences with slots for personal data, filled from Faker."""

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import cache
from hashlib import sha256
from pathlib import Path

import yaml
from faker import Faker

FOLDER = Path(__file__).parents[2] / "fixtures" / "personal"
SLOT = re.compile(r"\{\{(\w+)\}\}")
BORN = date(1935, 1, 1), date(2023, 12, 31)
NUM_FILLS = 5  # of each sentence
KIND_OF = {
    **dict.fromkeys(("name", "surname", "first_name"), "name"),
    **dict.fromkeys(("address", "province", "city", "district", "street", "number"), "address"),
    **dict.fromkeys(("birth", "year", "month", "day"), "birth date"),
    **dict.fromkeys(("phone", "landline"), "phone number"),
    "record": "medical record number",
    "bank": "bank card",
    "email": "e-mail",
    "insurance": "insurance number",
    "wechat": "WeChat number",
    "qq": "QQ number",
    "idcard": "identity card",
    "ssn": "social security number",
}
# Slots that are pieces of one thing, as in 朝阳区建国路8号, and what may stand between two of them.
PIECES = {"province", "city", "district", "street", "number", "year", "month", "day"}
BETWEEN = re.compile(r"[^，。、（(\n]{0,8}")


@dataclass(frozen=True, slots=True)
class Datum:
    kind: str
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Sentence:
    """One filling of a template, and where in it the personal data stand."""

    text: str
    data: tuple[Datum, ...]
    is_held_back: bool


def is_held_back(template: str) -> bool:
    """Half of the templates: the patterns were mended without a look at these."""
    return sha256(template.encode()).digest()[0] % 2 == 1


@cache
def clean_texts() -> list[str]:
    return yaml.safe_load((FOLDER / "clean.yaml").read_text(encoding="utf-8"))


@cache
def filled(language: str) -> list[Sentence]:
    rows = yaml.safe_load((FOLDER / f"personal_{language}.yaml").read_text(encoding="utf-8"))
    values = _ChineseValues() if language == "zh" else _Values()
    return [_fill(row["text"], values) for row in rows for _ in range(NUM_FILLS)]


def _fill(template: str, values: "_Values") -> Sentence:
    text = ""
    pieces: list[tuple[str, int, int]] = []
    end = 0
    for slot in SLOT.finditer(template):
        text += template[end : slot.start()]
        begin = len(text)
        text += values.of(slot[1])
        pieces.append((slot[1], begin, len(text)))
        end = slot.end()
    text += template[end:]
    return Sentence(text, tuple(_joined(pieces, text)), is_held_back(template))


def _joined(pieces: list[tuple[str, int, int]], text: str) -> Iterator[Datum]:
    last: Datum | None = None
    for slot, begin, end in pieces:
        kind = KIND_OF[slot]
        if last and (slot not in PIECES or not _belongs(last, kind, text[last.end : begin])):
            yield last
            last = None
        last = Datum(kind, last.begin if last else begin, end)
    if last:
        yield last


def _belongs(last: Datum, kind: str, between: str) -> bool:
    return last.kind == kind and bool(BETWEEN.fullmatch(between))


class _Values:
    """For slots, in English; the same ones at each run."""

    locale = "en_US"
    birth_shapes = ("%B %d, %Y", "%d %B %Y", "%m/%d/%Y", "%Y-%m-%d", "%b %d %Y")

    def __init__(self) -> None:
        self.fake = Faker(self.locale)
        self.fake.seed_instance(20)
        self.random = random.Random(20)

    def of(self, slot: str) -> str:
        return self.makers()[slot]()

    def makers(self) -> dict[str, Callable[[], str]]:
        return {
            "name": self.fake.name,
            "first_name": self.fake.first_name,
            "address": self.fake.address,
            "phone": self.fake.phone_number,
            "email": self.fake.email,
            "ssn": self.fake.ssn,
            "bank": lambda: self.grouped(self.fake.credit_card_number()),
            "birth": self.birth,
            "record": lambda: self.code("########", "######", "ZY%#######", "M##-######"),
        }

    def code(self, *shapes: str) -> str:
        return self.fake.bothify(self.random.choice(shapes)).upper()

    def grouped(self, digits: str) -> str:
        """Three of ten in fours."""
        if self.random.random() < 0.7:
            return digits
        return " ".join(digits[i : i + 4] for i in range(0, len(digits), 4))

    def birth(self) -> str:
        born = self.fake.date_between_dates(*BORN)
        return born.strftime(self.random.choice(self.birth_shapes))


class _ChineseValues(_Values):
    locale = "zh_CN"
    birth_shapes = (
        "%Y年%m月%d日", "%Y年{month}月{day}日", "%Y-%m-%d", "%Y.{month}.{day}", "%Y/%m/%d", "%Y%m%d"
    )  # fmt: skip

    def makers(self) -> dict[str, Callable[[], str]]:
        return {
            **super().makers(),
            "surname": self.fake.last_name,
            "province": lambda: self.fake.province(),
            "city": self.fake.city,
            "district": lambda: self.fake.district(),
            "street": self.fake.street_name,
            "number": lambda: str(self.random.randint(1, 1999)),
            "year": lambda: str(self.random.randint(1935, 2023)),
            "month": lambda: self.padded(12),
            "day": lambda: self.padded(28),
            "idcard": self.fake.ssn,
            "bank": lambda: self.grouped(self.union_pay()),
            "landline": lambda: self.code("010-########", "021-########", "0571-8#######"),
            "insurance": lambda: self.code("%###########", "%########S", "??########", "A%#######"),
            "wechat": self.wechat,
            "qq": lambda: self.code("%####", "%########", "%#########"),
        }

    def padded(self, most: int) -> str:
        number = self.random.randint(1, most)
        return f"{number:02}" if self.random.random() < 0.5 else str(number)

    def birth(self) -> str:
        born = self.fake.date_between_dates(*BORN)
        shape = self.random.choice(self.birth_shapes)
        return born.strftime(shape.format(month=born.month, day=born.day))

    def wechat(self) -> str:
        own = self.code("wxid_##????##????##", "????????", "????_####", "?????####", "?#######")
        return self.random.choice((own.lower(), own.lower(), f"{self.fake.user_name()}_88"))

    def union_pay(self) -> str:
        card = self.code("62%############", "62%###############")
        return next(card + digit for digit in "0123456789" if _is_luhn(card + digit))


def _is_luhn(digits: str) -> bool:
    """Written otherwise than in the program."""
    doubled = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
    backwards = [int(digit) for digit in reversed(digits)]
    return (sum(backwards[::2]) + sum(doubled[digit] for digit in backwards[1::2])) % 10 == 0
