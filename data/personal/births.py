"""Birth dates: a date behind a word for birth, or before one."""

import re

from .kind import Kind, by_patterns

YEAR = r"(?:(?:19|20)\d{2}|(?<!\d)\d{2})"
MONTH = r"(?:1[0-2]|0?[1-9])"
DAY = r"(?:3[01]|[12]\d|0?[1-9])(?!\d)"
SPOKEN = r"[〇零○一二三四五六七八九十正冬腊初廿卅]"
MONTH_AND_DAY = rf"(?:{MONTH}\s?月\s?{DAY}\s?[日号]|{SPOKEN}{{1,2}}月{SPOKEN}{{1,3}}[日号]?)"
DATE = (
    rf"(?:{YEAR}\s?年\s?(?:农历|阴历)?{MONTH}\s?月(?:\s?{DAY}\s?[日号]?|{SPOKEN}{{1,3}}[日号]?)?"
    rf"|{SPOKEN}{{2,4}}年(?:农历|阴历)?(?:{MONTH_AND_DAY}|{SPOKEN}{{1,2}}月)"
    rf"|{YEAR}\s?(?P<sign>[-./／])\s?{MONTH}\s?(?P=sign)\s?{DAY}"
    rf"|{YEAR}[-./]{MONTH}(?![-./\d])"
    r"|(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?!\d))"
)
ENGLISH_MONTH = (
    r"(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?"
    r"|Sept?(?:ember)?|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?)\.?"
)
NTH = r"\d{1,2}(?:st|nd|rd|th)?"
ENGLISH_DATE = (
    rf"(?:{ENGLISH_MONTH} {NTH}(?:,? ?\d{{4}}\b)?|{NTH} (?:of )?{ENGLISH_MONTH}(?:,? \d{{4}}\b)?"
    rf"|{ENGLISH_MONTH},? \d{{4}}\b"
    r"|\d{1,2}[-/.]\d{1,2}[-/.](?:\d{4}|\d{2})(?!\d)|\d{4}[-/.]\d{1,2}[-/.]\d{1,2}(?!\d))"
)

BIRTH_DATE = Kind(
    "birth date",
    "出生日期",
    ("出生|生日|生于|生辰|生人|日生|号生|月生|born|Born|birth|Birth|BIRTH|DOB|D.O.B|dob|d.o.b"),
    (),
    by_patterns(
        re.compile(
            # 医生日常, 先生日前 and 发生于, 产生于 hold these words by chance.
            r"(?:出生(?:日期|年月日?|时间)?于?|(?<![医先学产卫])生日|(?<![发产诞萌滋])生于|生辰)"
            r"[\s:：=＝是为在】|*“\"，,(（]{0,4}(?:[公农阴阳旧][历曆]|身份证上)?[\s:：是]?"
            rf"(?P<it>{DATE}|{MONTH_AND_DAY})"
        ),
        re.compile(
            rf"(?P<it>{DATE}|(?<!年){MONTH_AND_DAY})"
            r"(?:\s?(?:凌晨|早上|上午|中午|下午|晚上)?\d{1,2}[:：点时]\d{0,2}分?)?\s?[(（]?(?:\w{2}[)）])?"
            rf"(?:出生|生人|(?:过的?)?生日|生(?:的|于|人)?(?![\u4e00-\u9fff]))"
        ),
        re.compile(
            r"(?i:\bborn|\bbirth ?da(?:y|te)|\bdate of birth|\bd\.?o\.?b\b\.?)"
            r"(?:[\s:=(-]{1,3}(?:is|was|on|in|the){0,1}){0,3}[\s:=-]{0,2}"
            rf"(?P<it>(?i:{ENGLISH_DATE}))",
            re.ASCII,
        ),
    ),
)
