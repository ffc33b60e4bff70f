"""Numbers that stand for one person: identity cards, phones, bank cards, insurance, records."""

import re

from .kind import Kind, all_of, by_patterns, where
from .signs import DIGITS, Signs

# Of the 18 digits of a Chinese identity card the last is a check digit (GB 11643-1999).
ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
ID_CHECKS = "10X98765432"

LONE = r"(?<![0-9A-Za-z])"  # order numbers hold such runs by chance
END = r"(?![0-9A-Za-z])"
PROVINCES = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"  # on number plates
IS = r"[\s:：=＝#是为】|*“\"]{0,4}(?:[Nn][Oo]\.?\s?)?"  # between a Chinese label and its number
ENGLISH_IS = r"[^\d\n;?!]{0,24}?(?<![0-9A-Za-z])"
CODE = (
    r"(?P<it>(?!(?:19|20)\d\d-\d\d?-\d)(?=[-0-9A-Za-z]{0,24}\d{3})(?=(?:[A-Za-z-]{0,9}\d){4})"
    r"[0-9A-Za-z](?:-?[0-9A-Za-z]){3,23})(?![0-9A-Za-z]|\s?[元块万%年月天])"
)

# What may stand between a word and the number it tells of: 社保卡丢了，号码我记得是 …
NUMBER = (
    r"[^\n\dA-Za-z。！？!?]{0,12}?(?:[号號](?![线線])|[编代条就诊][码碼])"
    r"[^\n\dA-Za-z。！？!?元]{0,8}?(?:[Nn][Oo]\.?\s?)?"
)
TELLING = r"[，,]?[^\n\dA-Za-z。！!，,]{0,8}"  # and before the word


def _is_chinese_id(text: str) -> bool:
    total = sum(int(digit) * weight for digit, weight in zip(text, ID_WEIGHTS, strict=False))
    return ID_CHECKS[total % 11] == text[-1].upper()


def _is_ssn(text: str) -> bool:
    """Whether a text is a Social Security number as the United States give them out: no part is
    zero, the first not 666 nor from 900 on."""
    area, group, serial = text.split("-")
    return area not in ("000", "666") and area < "900" and group != "00" and serial != "0000"


def _is_bank_card(text: str) -> bool:
    """Whether a text is a bank card's number, by the check digit after Luhn (ISO/IEC 7812)."""
    digits = [int(digit) for digit in reversed(text) if digit.isdecimal()]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[1::2]]
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0


IDENTITY_CARD = Kind(
    "identity card",
    "身份证号",
    DIGITS,
    all_of(
        by_patterns(
            re.compile(
                rf"{LONE}[1-9]\d{{5}}(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{{3}}"
                rf"[\dXx]{END}"
            ),
            is_valid=_is_chinese_id,
        ),
        # Behind its label a number is what the label says, though a digit may be mistyped.
        by_patterns(
            re.compile(rf"身份[证證]件?(?:[号號][码碼]?)?{IS}(?P<it>\d{{17}}[\dXx]|\d{{15}}){END}")
        ),
    ),
)
SOCIAL_SECURITY = Kind(
    "social security number",
    "社会安全号",
    DIGITS,
    by_patterns(re.compile(r"(?<![\w-])\d{3}-\d{2}-\d{4}(?![\w-])", re.ASCII), is_valid=_is_ssn),
)
PHONE = Kind(
    "phone number",
    "电话",
    DIGITS,
    by_patterns(
        re.compile(
            rf"{LONE}(?:(?:\+?86[- ]?)?1[3-9]\d[- ]?\d{{4}}[- ]?\d{{4}}"  # Chinese mobile
            r"|0\d{2,3}[- ]\d{7,8}|[(（]0\d{2,3}[)）][- ]?\d{7,8}"  # Chinese landline
            r"|(?:(?:\+?1|001)[-. ]?)?(?:\(\d{3}\) ?|\d{3}[-. ])\d{3}[-. ]\d{4}"  # American
            rf"(?: ?(?:x|ext\.? ?)\d{{1,6}})?){END}"
        ),
        re.compile(
            r"(?i:\b(?:phone|cell|mobile|tel|call|text|reach)\b)[^\d\n]{0,20}"
            rf"(?P<it>[2-9]\d{{9}}){END}",
            re.ASCII,
        ),
    ),
)
INSURED = r"(?:医保|醫保|社保|农保|医疗保险|社会保障|社会保险|参保|农合|合作医疗|保险?单|保险)"
INSURANCE = Kind(
    "insurance number",
    "医保号",
    DIGITS,
    all_of(
        where(
            INSURED,
            by_patterns(
                re.compile(rf"{INSURED}(?:{NUMBER}|[卡证]{IS}|(?:编[号號]|ID){IS}|[:：]\s?){CODE}"),
                re.compile(rf"{LONE}{CODE}{TELLING}{INSURED}[卡证]?[号號]"),
            ),
        ),
        where(
            "nsurance|ember|olicy|edica",
            by_patterns(
                re.compile(
                    r"(?i:\b(?:(?:health |medical )?insurance (?:card |policy |member )?"
                    r"(?:number|no\b|id|#)|member (?:id|number)|policy (?:number|no\b|#)"
                    rf"|medicare (?:number|id)|medicaid (?:number|id)){ENGLISH_IS}){CODE}",
                    re.ASCII,
                ),
            ),
        ),
    ),
)
RECORDED = (
    r"(?:病[历歷案理人]|患者|住院|门诊|門診|急[诊診]|就[诊診医醫]|诊疗|診療|处方|健康|体检|挂号|登记|检查"
    r"|检验|化验|采样|标本|影像|超声|B超|CT|MRI?|DR|档案|接种)"
)
OWN_RECORD = (
    r" (?:as|is|was) (?:the |my |your |his |her )?(?:MRN|(?:medical |hospital |patient |chart )?"
    r"(?:record |file )?(?:number|id|ID))"
)
MEDICAL_RECORD = Kind(
    "medical record number",
    "病历号",
    DIGITS,
    all_of(
        where(
            RECORDED,
            by_patterns(
                re.compile(
                    rf"{RECORDED}(?:{NUMBER}|[卡单]?(?:编[号號]|ID|序号){IS}|[卡本]?[:：#]\s?){CODE}"
                ),
                re.compile(rf"(?:就诊|诊疗|就医)卡{IS}{CODE}"),
                re.compile(rf"{LONE}{CODE}{TELLING}{RECORDED}[卡单]?[号號]"),
            ),
        ),
        by_patterns(re.compile(rf"ID(?<![A-Za-z]ID)[号號]?[:：]\s?{CODE}")),
        where(
            "MRN|MR#|cord|CORD|ospital|dmission|atient|ncounter|isit|linic|hart|File|file|[mM]ed ",
            by_patterns(
                re.compile(
                    r"(?i:\b(?:MRN?\b|(?:med(?:ical)? rec(?:ord)?s?|hospital|admission|outpatient"
                    r"|inpatient|encounter|visit|clinic|chart|patient|record|file)\.? ?"
                    rf"(?:number\b|no\b|id\b|#|:)){ENGLISH_IS}){CODE}",
                    re.ASCII,
                ),
                re.compile(rf"(?i:\brecord )(?=[A-Z]*\d){CODE}", re.ASCII),
            ),
        ),
        where(
            OWN_RECORD,
            by_patterns(re.compile(rf"{LONE}{CODE}{OWN_RECORD}", re.ASCII)),
        ),
    ),
)
BANK_CARD = Kind(
    "bank card",
    "银行卡号",
    DIGITS,
    all_of(
        by_patterns(
            re.compile(
                r"(?<![0-9A-Za-z.-])"
                r"(?:62\d\d|4\d{3}|5[0-8]\d\d|2[2-7]\d\d|3[04-9]\d\d|6[0-79]\d\d|1800|2131)"
                rf"(?:[- ]?\d){{9,15}}{END}"
            ),
            is_valid=_is_bank_card,
        ),
        where(
            "卡|账号|账户|帐号|帐户|card|Card|CARD|account|Account",
            by_patterns(
                re.compile(
                    r"(?:(?:银行|储蓄|信用|借记|工资)卡|卡号(?<!医保卡号)(?<!社保卡号)(?<!就诊卡号)"
                    r"(?<!诊疗卡号)|[账帐][号户])[^\d\n。；]{0,14}"
                    rf"(?P<it>\d(?:[- ]?\d){{11,18}}){END}"
                ),
                re.compile(
                    r"(?i:\b(?:card|account) (?:number|no\b|#)|\b(?:card|account)[,:(]? )"
                    rf"[^\d\n;]{{0,14}}(?P<it>\d(?:[- ]?\d){{10,18}}){END}",
                    re.ASCII,
                ),
            ),
        ),
    ),
)
PASSPORT = Kind(
    "passport",
    "护照号",
    DIGITS,
    by_patterns(
        re.compile(
            r"(?:护照|通行证|台胞证|回乡证)(?:号码?|编号)?"
            rf"{IS}(?P<it>[A-Za-z]{{0,2}}\d{{6,10}}){END}"
        ),
        re.compile(
            r"(?i:\bpassport(?: (?:number|no\b|id))?"
            rf"{ENGLISH_IS})(?P<it>[A-Za-z]{{0,2}}\d{{6,9}}){END}",
            re.ASCII,
        ),
    ),
)
PLATE = Kind(
    "number plate",
    "车牌号",
    Signs(shapes=(f"[{PROVINCES}][A-Z]",)),
    by_patterns(
        re.compile(
            rf"[{PROVINCES}][A-Z][-·•・ ]?"
            r"(?=(?:[A-Z]{0,2}\d){3})[0-9A-HJ-NP-Z]{4,5}[0-9A-HJ-NP-Z挂学警港澳]"
            rf"{END}"
        ),
    ),
)
