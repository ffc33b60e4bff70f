"""Names of people, Chinese and English."""

import re

from . import chinese_names, english_names
from .kind import HAN, Kind

CHINESE_NAME = Kind("name", "姓名", "", (re.compile(f"[{HAN}]"),), chinese_names.find_names)
ENGLISH_NAME = Kind(
    "name",
    "姓名",
    (
        "me is|me's|me’s|me:|me=|Patient:|Attn:|Recipient:|Contact person:|Emergency contact:"
        "|I am |I'm |I’m |Mr|Ms|Miss|Mx|This is |this is "
    ),
    (),
    english_names.find_names,
)
