"""Birth dates: a date behind a word for birth, or before one."""

import re

from .kind import HAN, Kind, by_patterns, where
from .signs import Signs

YEAR = r"(?:(?:19|20)\d{2}|(?<!\d)\d{2})"
MONTH = r"(?:1[0-2]|0?[1-9])"
DAY = r"(?:3[01]|[12]\d|0?[1-9])(?!\d)"
SPOKEN = r"[〇零○一二三四五六七八九十正冬腊初廿卅]"
MONTH_AND_DAY = rf"(?:{MONTH}\s?月\s?{DAY}\s?[日号]?|{SPOKEN}{{1,2}}月{SPOKEN}{{1,3}}[日号]?)"
DAY_FIRST = r"\d{1,2}[-./]\d{1,2}[-./](?:19|20)\d\d(?!\d)"
DATE = (
    rf"(?:{YEAR}\s?年\s?(?:农历|阴历)?{MONTH}\s?月(?:\s?{DAY}\s?[日号]?|{SPOKEN}{{1,3}}[日号]?)?"
    rf"|{SPOKEN}{{2,4}}年(?:农历|阴历)?(?:{MONTH_AND_DAY}|{SPOKEN}{{1,2}}月)"
    rf"|{YEAR}\s?(?P<sign>[-./／])\s?{MONTH}\s?(?P=sign)\s?{DAY}"
    r"|(?:19|20)\d\d[-./](?:1[0-2]|0?[1-9])(?![-./\d])"
    rf"|{DAY_FIRST}"
    r"|(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?!\d))"
)
ENGLISH_MONTH = (
    r"(?:January|February|March|April|May|June|July|August|September|October|November|December"
    r"|(?:Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)\b\.?)"
)
NTH = r"\d{1,2}(?:st|nd|rd|th)?"
ENGLISH_DATE = (
    rf"(?i:{ENGLISH_MONTH} {NTH}(?:,? ?\d{{4}}\b)?|{NTH} (?:of )?{ENGLISH_MONTH}(?:,? \d{{4}}\b)?"
    rf"|{ENGLISH_MONTH},? \d{{4}}\b"
    r"|\d{1,2}[-/.]\d{1,2}[-/.](?:\d{4}|\d{2})(?!\d)|\d{4}[-/.]\d{1,2}[-/.]\d{1,2}(?!\d))"
)

# 医生日常, 先生日前 and 发生于, 产生于 hold such words by chance, and a party's date is no birth's.
BIRTHDAY = r"(?<![医先学产卫])生日(?!.{0,3}(?:蛋糕|礼物|派对|聚会|优惠|折扣|贺卡))"
BORN_ON = r"(?:出[生世](?:日期|年月日?|时间)?[于於]?|(?<![发产诞萌滋])生于|生辰)"
BORN = rf"(?:出[生世]|(?<![医先学产卫])生(?:于|人)?(?![{HAN}])|(?<![医先学产卫发新])生的)"
DELIVERED = r"(?<=[日号\d\s])(?:[顺剖]腹?产|剖的|[产生]下|生了)"
WHEN = r"(?:\s?(?:凌晨|早上|上午|中午|下午|晚上)?\d{1,2}[:：点时]\d{0,2}分?)?"
CHILD = r"(?:孩子|宝宝|娃|[我他她爸妈]|[儿女]儿|老人|本人|属[鼠牛虎兔龙蛇马羊猴鸡狗猪])"
ENGLISH_BIRTH = (
    r"(?:(?i:\bborn\b|\bbirth certificate\b|\bbirth[ _-]?da(?:y|te)\b|\bb-?day\b|\bdate of birth\b"
    r"|\bd\.?o\.?b\b\.?)(?![^\d\n]{0,8}(?:party|gift|present|cake|sale|discount|offer)))"
)

DATE_SIGN = (  # digits or numerals with what makes a date of them
    r"[0-9〇零一二三四五六七八九十](?:\s?[年月]|[-./]\d|\d{7})|月[初一二三四五六七八九十廿]"
    r"|(?i:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?,? \d"
    r"|\d(?:st|nd|rd|th)? (?:of )?(?i:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)"
)

BIRTH_DATE = Kind(
    "birth date",
    "出生日期",
    Signs(
        "出生|出世|生日|生于|生辰|born|Born|birth|Birth|BIRTH|DOB|DoB|Dob|D.O.B|dob|bday|b-day|d.o.b",
        (
            r"[0-9日号月]\s?[顺剖产生出]",
            "[0-9日号月].{1,10}[生剖]的",
            "[男女][性，,/、 ]{1,3}(?:汉.{1,3})?[0-9]",
            "[0-9日号][，,/、 ]{1,2}[男女]",
            "[月日号0-9]的",
            "[岁大二三][是:：（(]?[0-9]",
        ),
    ),
    where(
        DATE_SIGN,
        by_patterns(
            re.compile(
                rf"(?:{BORN_ON}|{BIRTHDAY})[^\d〇一二三四五六七八九十\n。；;]{{0,14}}"
                rf"(?:[公农阴阳旧][历曆]|身份证上)?[\s:：是]?"
                rf"(?P<it>{DATE}|{MONTH_AND_DAY}|\d{{1,2}}[-./]\d{{1,2}}(?![-./\d]))"
            ),
            re.compile(
                rf"(?P<it>{DATE}|(?<!年){MONTH_AND_DAY}){WHEN}[^\d\n。，,；;A-Za-z]{{0,8}}?"
                rf"(?:{BORN}|{BIRTHDAY}|{DELIVERED})"
            ),
            re.compile(rf"{CHILD}[，,是:：]?(?P<it>{DATE})的(?![{HAN}])"),
            re.compile(rf"(?:老[大二三][是:：]?|岁[（(])(?P<it>{DATE})"),
            re.compile(rf"[男女][性，,/、 ]{{1,3}}(?:汉族?[，,/、 ]{{1,2}})?(?P<it>{DATE})"),
            re.compile(rf"(?P<it>{DATE})[，,/、 ]{{1,2}}[男女](?![{HAN}])"),
            re.compile(
                rf"{ENGLISH_BIRTH}[^\d\n.;?!]{{0,40}}?(?P<it>{ENGLISH_DATE}|{DATE})", re.ASCII
            ),
            re.compile(
                rf"(?P<it>{ENGLISH_DATE})(?: is| was| as|,| \()? ?(?:[a-z]+(?:['’]s)? )?"
                rf"{ENGLISH_BIRTH}"
            ),
            # put right: 出生日期写成了…，应该是…
            re.compile(
                rf"(?:出生|生日|{ENGLISH_BIRTH})[^\d\n]{{0,20}}(?:{DATE}|{ENGLISH_DATE})[^\d\n]{{0,12}}"
                r"(?:[应该是不改更正确错]{2}|should|not|instead|actually|correct)[^\d\n]{0,12}?"
                rf"(?P<it>{DATE.replace('sign', 'second_sign')}|{ENGLISH_DATE})"
            ),
        ),
    ),
)
