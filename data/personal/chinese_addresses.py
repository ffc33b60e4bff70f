"""Addresses in Chinese, down to a house or a village: a town or a district alone is nobody's."""

import re
from collections.abc import Iterator

from .kind import HAN, Spans

LONGEST = 40  # [characters] before the street's number
MOST_BEFORE = 4  # [characters] of a district's name, before 市 or 区
MOST_OF_STREET = 6  # [characters] of a street's name

PROVINCE = re.compile(
    "北京|天津|上海|重庆|河北|山西|辽宁|吉林|黑龙江|江苏|浙江|安徽|福建|江西|山东|河南|湖北|湖南|广东|海南|四川|贵州"
    "|云南|陕西|甘肃|青海|台湾|内蒙古|广西|西藏|宁夏|新疆|香港|澳门"
)
DISTRICT = re.compile("[省市州盟区县旗镇乡]|街道")
# Characters of names: not what stands between a sentence's verb and an address.
PLACE = rf"(?:(?![在到住于是的我你他她您从去至离距寄送给址和与及或了有叫])[{HAN}])"
RUN = re.compile(rf"(?:{PLACE}|[0-9A-Za-z·\- ])*\Z")

NUMBER = r"(?:[0-9０-９]{1,5}|[一二三四五六七八九十百零〇]{1,5}|[A-Za-z])"
# 号 of other things: lines, gates, wards, and days.
HOUSE = rf"{NUMBER}(?:\s?[-－—之]\s?\d{{1,4}})?\s?(?:号(?![线门床码令机药])|[弄巷座栋幢])(?:大?院)?"
UNIT = (
    rf"(?:\s?{PLACE}{{0,10}}?(?:[一二三四五东南西北A-Z]\s?[期区])?\s?{NUMBER}\s?(?:号楼|号院|栋|幢|座|单元|楼|层|室|房|户|号)"
    r"|[-－—#]\s?\d{1,4})"
)
BUILDING = rf"{PLACE}{{1,8}}?(?:大厦|小区|花园|公寓|广场|家园|宿舍|家属院|新村|大院)"
STREET = (
    r"(?:(?<![公线电思网铁管半修])路|[街巷]|大道|胡同|街道|[东南西北]里)"
    r"(?:[东南西北中]段|[东南西北])?\s?"
)
ESTATE = r"(?:小区|公寓|新村|雅居|名都|公馆|宿舍|家属院|大院|社区|[苑园城庭府湾里邸墅])"
VILLAGE = r"[村屯庄寨组]"
POSTCODE = r"(?:[\s，,(（]{0,2}(?:邮编|邮政编码)[:：\s]{0,2}\d{6}|\s\d{6})(?!\d)"

TAIL = re.compile(
    rf"(?:{STREET}{HOUSE}(?:{UNIT}|{BUILDING}){{0,5}}"
    rf"|{ESTATE}\s?(?:[一二三四五东南西北A-Z]\s?[期区])?\s?\d{{1,3}}\s?(?:号楼|栋|幢|座|单元|[-－]\d{{1,2}}[-－]\d{{3,4}}|#){UNIT}{{0,4}}"
    rf"|(?:小区|花园|公寓|家园|新村)\s?\d{{1,4}}\s?(?:号|室){UNIT}{{0,3}}"
    rf"|{VILLAGE}\s?{NUMBER}\s?(?:组|队|社|号(?![线门床码令机])){UNIT}{{0,2}}"
    rf"|(?<!\d)\d{{1,3}}\s?[栋幢]\s?(?:\d{{1,2}}\s?单元\s?)?\d{{3,4}}\s?[室号房]?"
    rf"|\d{{1,3}}\s?(?:号楼|[栋幢座])\s?\d{{1,2}}\s?单元\s?(?:\d{{1,2}}\s?[楼层]\s?)?\d{{2,4}}\s?[室号房]?"
    rf"|[县区市旗]{PLACE}{{1,6}}[镇乡]{PLACE}{{1,6}}[村屯庄寨](?:{NUMBER}(?:组|队|社|号))?"
    rf")(?:{POSTCODE})?"
)
# Behind the label a street or an estate will do, without a number.
LABELLED = re.compile(
    r"(?:(?<![箱络站P址载])地址|住址|户籍地?|家住|寄到|寄往|送到)[\s:：=是为】|*“\"]{0,4}"
    r"(?P<it>(?:(?!电话|手机|联系|姓名|收件|收货|邮编|身份|微信|[，,。；;！!？?\s：:]).){2,30}?"
    rf"(?:路|[街巷弄]|大道|胡同|小区|花园|公寓|家园|新村|苑|村|{HOUSE}))(?:{UNIT}|{BUILDING}){{0,5}}"
)


def find_addresses(text: str) -> Spans:
    yield from _by_tail(text)
    for match in LABELLED.finditer(text):
        yield match.start("it"), match.end()


def _by_tail(text: str) -> Iterator[tuple[int, int]]:
    for match in TAIL.finditer(text):
        yield _begin(text, match.start()), match.end()


def _begin(text: str, at: int) -> int:
    """Where the address begins whose street's number, or what stands for it, was found there."""
    run = RUN.search(text, max(0, at - LONGEST), at)
    begin = run.start() if run else at
    if province := PROVINCE.search(text, begin, at):
        return province.start()
    district = DISTRICT.search(text, begin, at)
    begin = max(begin, district.start() - MOST_BEFORE if district else at - MOST_OF_STREET)
    head = text[begin:at]
    return at - len(head.rpartition(" ")[2] if district is None else head.lstrip())
