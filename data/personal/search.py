"""Every place in a text that looks like personal data."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from .accounts import E_MAIL, QQ, WECHAT
from .addresses import ADDRESS
from .births import BIRTH_DATE
from .kind import Kind
from .names import NAME
from .numbers import (
    BANK_CARD,
    IDENTITY_CARD,
    INSURANCE,
    LABELLED_BANK_CARD,
    LABELLED_IDENTITY_CARD,
    MEDICAL_RECORD,
    PASSPORT,
    PHONE,
    PLATE,
    SOCIAL_SECURITY,
)

# Of two that begin at the same place and are of the same length the first is meant.
KINDS = (
    E_MAIL,
    IDENTITY_CARD,
    LABELLED_IDENTITY_CARD,
    SOCIAL_SECURITY,
    INSURANCE,
    MEDICAL_RECORD,
    PASSPORT,
    WECHAT,
    QQ,
    PHONE,
    BANK_CARD,
    LABELLED_BANK_CARD,
    PLATE,
    BIRTH_DATE,
    ADDRESS,
    NAME,
)
# Without one of these nothing of it is there but names: most texts cost one look.
LIKELY = re.compile(
    r"@|\d(?:\d{3}|[A-Z]? (?:[A-Z]|\d+[snrt])|#)|[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼][A-Z]"
    r"|[微威薇]信|[vVwW][xX信]|[加➕+]\s?我?[vV薇]|[wW]e[cCiI][hHxX]"
    r"|出生|生[日于辰人]|[日号月]\s?生|[bB](?:orn|irth)|[dD]\.?[oO]\.?[bB]\b"
    r"|[号弄巷座栋幢室组队社](?<=[0-9０-９一二三四五六七八九十A-Za-z\s].)|单元|地址|住址|户籍|家住|寄[到往]|送到"
    r"|[镇乡].{1,6}[村屯庄寨]|Box "
)


@dataclass(frozen=True, slots=True)
class Found:
    kind: Kind
    begin: int
    end: int


def find_personal(text: str) -> Iterator[Found]:
    """Every place once, from the first on."""
    kinds = KINDS if LIKELY.search(text) else (NAME,)
    found = [Found(kind, *span) for kind in kinds for span in kind.find(text)]
    end = 0
    for each in sorted(found, key=lambda each: (each.begin, -each.end, KINDS.index(each.kind))):
        if each.end > end:  # of two that overlap the second is what the first has left of it
            yield Found(each.kind, max(each.begin, end), each.end)
            end = each.end
