"""Addresses in Chinese, down to a house or a village: a town or a district alone is nobody's."""

import re
from itertools import chain

from .kind import HAN, Spans

LONGEST = 40  # [characters] before what shows an address
MOST_BEFORE = 4  # [characters] of a district's name, before 市 or 区
MOST_OF_STREET = 6  # [characters] of a street's name

PROVINCE = re.compile(
    "北京|天津|上海|重庆|河北|山西|辽宁|吉林|黑龙江|江苏|浙江|安徽|福建|江西|山东|河南|湖北|湖南"
    "|广东|海南|四川|贵州|云南|陕西|甘肃|青海|台湾|内蒙古|广西|西藏|宁夏|新疆|香港|澳门"
)
DISTRICT = re.compile("[省市州盟区區县縣旗镇鎮乡鄉]|街道")
# Characters of names: not what stands between a sentence's verb and an address.
PLACE = rf"(?:(?![在到住于是的我你他她您从去至离距寄送给址或了有叫])[{HAN}])"
RUN = re.compile(rf"(?:{PLACE}|[0-9A-Za-z·\- ])*\Z")

NUMBER = r"(?:[0-9０-９]{1,5}|[一二三四五六七八九十百零〇]{1,5}|[A-Za-z])"
FLAT = rf"{NUMBER}\s?(?:[号號][楼院]|[栋幢座楼层室房户号號]|单元)"
PHASE = r"(?:[一二三四五东南西北A-Z]\s?[期区])?"
UNIT = rf"(?:\s?{PLACE}{{0,10}}?{PHASE}\s?{FLAT}|[-－—#]\s?\d{{1,4}})"
BUILDING = rf"{PLACE}{{1,8}}?(?:大厦|小区|花园|公寓|广场|家园|宿舍|家属院|新村|大院)"
INSIDE = rf"(?:{UNIT}|{BUILDING}){{0,5}}"
ROAD = r"(?:路(?<![公线电思网铁管半修]路)|街(?![道镇])|巷|大道|胡同|东里|南里|西里|北里)"
STREET = rf"(?:{ROAD}|街道)(?:[东南西北中]段|[东南西北])?\s?[甲乙丙丁]?"
# 号 of other things: lines, codes, and the like; elsewhere also gates and beds.
HOUSE = (
    rf"{NUMBER}(?:\s?[-－—之]\s?\d{{1,4}})?\s?(?:[号號](?![线線码碼令机药])|[弄巷座栋幢])(?:大?院)?"
)
NO_GATE = r"[号號](?![线線码碼令机药门床])"
ESTATE = (
    r"(?:小区|公寓|新村|雅居|名都|公馆|宿舍楼?|家属院|大院|社区|苑|园|城|庭|府|湾|里|邸|墅"
    r"|大厦(?<!门诊大厦)(?<!住院大厦)(?<!医技大厦))"
)
POSTCODE = r"(?:[\s，,(（]{0,2}(?:邮编|邮政编码)[:：\s]{0,2}\d{6}|\s\d{6})(?!\d)"

# Each begins with letters that are looked for fast.
TAILS = [
    re.compile(rf"{tail}(?:{POSTCODE})?")
    for tail in (
        rf"{STREET}{HOUSE}{INSIDE}",
        rf"{ESTATE}\s?{PHASE}\s?[0-9A-Z]{{1,4}}\s?"
        rf"(?:[号號]楼|[栋幢座]|单元|[-－]\d{{1,4}}[-－]\d{{1,4}}|#){INSIDE}",
        rf"(?:小区|花园|公寓|家园|新村)\s?\d{{1,4}}\s?[号號室]{INSIDE}",
        rf"[苑里坊府庭]\s?\d{{1,4}}\s?{NO_GATE}{INSIDE}",
        rf"[村屯庄寨组]\s?{NUMBER}\s?(?:[组队社]|{NO_GATE}){INSIDE}",
        r"[0-9](?<!\d\d)\d{0,3}\s?[栋幢]\s?(?:\d{1,2}\s?单元\s?)?\d{3,4}\s?[室号房]?",
        r"[0-9](?<!\d\d)\d{0,3}\s?(?:[号號]楼|[栋幢座])\s?\d{1,2}\s?单元\s?(?:\d{1,2}\s?[楼层]\s?)?"
        r"\d{2,4}\s?[室号房]?",
    )
]
# Without a number of a house only a village, or a street with two of its districts.
COARSE = re.compile(
    rf"[区區县縣市旗]{PLACE}{{1,8}}?(?:{ROAD}(?:\d{{1,4}}(?![\d年月日米公元块路.]))?"
    rf"|(?<=[镇乡]){PLACE}{{1,6}}[村屯庄寨])(?!附近|地铁|公交|[口边上的和与到有哪沿交])"
)
# Behind such a word a street or an estate will do.
LABELLED = re.compile(
    r"(?:地址(?<![箱络站P址载]地址)|住址|户籍地?|家住|住在|家在|搬到|寄到|寄往|寄至|发到|发往|送到|送至)"
    r"[\s:：=是为】|*“\"]{0,4}(?P<it>(?:(?!电话|手机|联系|姓名|收件|收货|邮编|身份|微信|附近)"
    rf"[^，,。；;！!？?\s：:个同这那哪某们的]){{2,30}}?(?:{ROAD}|[小社]区|花园|公寓|家园|新村|苑|村|{HOUSE})"
    rf"{INSIDE})"
)


def find_addresses(text: str) -> Spans:
    for match in chain.from_iterable(tail.finditer(text) for tail in TAILS):
        yield _begin(text, match.start()), match.end()
    for match in COARSE.finditer(text):
        begin = _begin(text, match.start())
        if match[0][-1] in "村屯庄寨" or DISTRICT.search(text, begin, match.start()):
            yield begin, match.end()
    for match in LABELLED.finditer(text):
        yield match.span("it")


def _begin(text: str, at: int) -> int:
    """Where the address begins of which a later part was found there."""
    run = RUN.search(text, max(0, at - LONGEST), at)
    begin = run.start() if run else at
    district = DISTRICT.search(text, begin, at)
    province = PROVINCE.search(text, begin, at)
    if province and (district is None or province.start() < district.start()):
        return province.start()
    begin = max(begin, district.start() - MOST_BEFORE if district else at - MOST_OF_STREET)
    head = text[begin:at]
    return at - len(head.rpartition(" ")[2] if district is None else head.lstrip())
