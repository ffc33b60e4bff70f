"""Names of people in Chinese characters, where a word before or behind them says what they are."""

import re
from itertools import chain

from .kind import HAN, Spans
from .name_characters import (
    COMPOUND_SURNAMES,
    GIVEN,
    NOBODY,
    PLAIN,
    SURNAMES,
    WORD_SURNAMES,
    WORDS,
)
from .signs import Signs

RELATIVE = (
    r"(?:[爷奶爸妈姥婆公][爷奶爸妈姥婆公]|父亲|母亲|我[爸妈家]|老[公婆]|丈夫|爱人|妻子|太太|媳妇|女婿|外[公婆]|岳[父母]|[儿孙侄]子"
    r"|女儿|[孙侄]女|孩子|宝宝|[哥弟姐妹]{2}|[表堂][哥弟姐妹]|[舅姑姨][舅妈姑父]|朋友|闺蜜|室友|邻居|同[事学伴]|老人)"
)
PERSON = (
    rf"(?:{RELATIVE}|本人|患[者儿]|病人|[产孕]妇|家[属长]|客[户服]|顾客|买家|卖家|用户|会员|学[生员]|员工|老板|店长|房东"
    r"|教练|技师|师傅|司机|骑手|快递员|律师|医[生师]|大夫|护士|主任|院长|老师|[队组班]长)"
)
LABEL = (  # of a form's field
    r"(?:姓\s{0,4}名|[曾用真]名|(?:联[系络]|[收寄发取]件|[收发寄]货|代表|经[办手]|[投被]?保险?|受益|就诊|预约|挂号|申请|负责|当事"
    r"|咨询|报名|下单|委托|代办|签收|[付收汇借]款|领取|取药|陪[护同]|购买|持卡|监护|填表|报案|投诉)人|户[主名]|[车車]主|业主|签[名字]"
    r"|署名)"
)
COURTESY = r"(?:女士|先生|小姐(?!姐)|太太|阿姨|叔叔|大[爷妈叔婶])(?!们)"
COLON = r"[】）)\s*”\"]{0,3}[:：=＝|][\s*“\"【]{0,3}"
TITLE = (
    rf"(?:{COURTESY}|(?:同志|同学|老师|医[生师]|大夫|主任|教授|护士|院长|经理|师傅|律师|小朋友"
    r"|[爸妈奶爷][爸妈奶爷]|家[长属]|本人)(?!们))"
)
MOBILE = r"1[3-9]\d[- ]?\d{4}[- ]?\d{4}"
END = rf"(?![{HAN}·])"  # of a run of characters
HAN_CHARACTER = re.compile(f"[{HAN}]")

# Behind a sure word: any two characters up to where the run ends, within a run typical ones.
ANY = rf"(?:(?![的了是在和与男女岁年月日号先医护老电性某您你我他她说想要])[{HAN}])"
SURE = re.compile(
    rf"[叫名字人主](?:(?<=叫)做?|(?<=[名字人主])(?:{COLON}|[是为叫]))[\s:：“\"「]{{0,2}}"
    rf"(?P<it>[{HAN}]{{1,6}}(?:[·•・][{HAN}]{{1,8}}){{1,3}}|[A-Z][a-z]+(?: [A-Z][a-z]+){{0,2}}"
    rf"|(?:{COMPOUND_SURNAMES}|[{SURNAMES}]){ANY}{{1,2}}{END}"
    rf"|(?:{COMPOUND_SURNAMES}|[{SURNAMES}{WORD_SURNAMES}])[{GIVEN}]{{1,2}})"
)
SURE_WORD = re.compile(
    rf"(?:(?:[我他她]|{PERSON})(?:的名字)?[就也是]?叫做?|[我他她子儿]的?名字[是为叫]|{LABEL}(?:{COLON}|[是为叫]))"
    r"[\s:：“\"「]{0,2}\Z"
)
# Behind 姓名 it may be a surname that is not known here.
FIELD = re.compile(
    rf"姓\s{{0,4}}名{COLON}(?P<it>(?!保密|匿名|未知|不详|暂无|没有|必填|选填){ANY}{{2,4}}){END}"
)

# With these end the words that names stand behind: most characters are none of them.
ENDS = (
    "名人户主签字署爷奶爸妈姥婆公亲家夫妻子太妇婿父母孙女侄儿孩宝哥弟姐妹舅姑姨友蜜室邻居事学伴老本患者病产属长客服顾买"
    r"卖用会员生板店东教练技师傅司机骑手快递律医大护士任院队组班叫是我的挂找请帮给替约让\s：:=＝|“\"【*"
)

# Elsewhere it must look like a name, and so must what stands around it.
FOLLOWING = (
    rf"(?:{END}|(?=[的是在和与也想现男女患因于曾说问近有就来出住电您你我他她吧好行这那从已到要去被自需反昨突无诉入吗么]"
    r"|今年|最近|手机|身份|性别|年龄|目前|可以|即可))"
)
ALONE = (  # what stands behind a name on its own
    rf"(?=\s?[，,、/|（( ]\s?(?:性别[:：]?\s?)?[男女]性?{END}"
    rf"|[，,]?\s?[您你]好|\s?[（(]?(?:亲?收|亲启)[）)]?{END}"
    r"|的(?:病历|检查|报告|化验|订单|快递|手机|电话|身份证|预约|处方|片子|账号)"
    r"|\s?[，,（(]\s?(?:[今现]年|身份证|(?:19|20)\d\d[年.-]|\d{1,3}岁)"
    rf"|[\s，,、:：（(]{{0,3}}(?:(?:联系)?(?:电话|手机)号?码?[\s:：是]{{0,2}})?{MOBILE})"
)
SINGLE = rf"[{SURNAMES}{WORD_SURNAMES}](?<![谢感致]谢)"
SHOWN = rf"(?P<titled>[{GIVEN}]{{1,2}}(?={TITLE}))|(?P<alone>[{GIVEN}]{{1,2}}{ALONE})"
ENDED = rf"(?P<bounded>[{GIVEN}]{{1,2}}{FOLLOWING})|(?P<two>[{GIVEN}]{{2}})|[{GIVEN}]"
LIKELY = re.compile(rf"{SINGLE}(?:{SHOWN}|(?<=[{ENDS}].)(?:{ENDED}))")
LIKELY_COMPOUND = re.compile(rf"(?:{COMPOUND_SURNAMES})(?:{SHOWN}|{ENDED})")
BARE = re.compile(
    rf"(?:[{PLAIN}][{GIVEN}]"
    rf"|(?:[{SURNAMES}](?<![谢感致]谢)|{COMPOUND_SURNAMES})[{GIVEN}]{{2}}){FOLLOWING}"
)
# Whoever these words name, the name may stand right behind them; behind the others it must be seen
# where it ends.
PERSON_WORD = re.compile(rf"(?:{LABEL}|{PERSON}(?:{COLON}|[是叫名])?)[\s“\"]?\Z")
LOOKED_FOR = "找请帮给替约让挂"  # somebody
OTHER_WORD = re.compile(
    rf"(?:[叫喊]我|称呼我|[我这]是|(?<![{HAN}])叫|[个人是]叫|是(?=.{{2,3}}[吗么])"
    rf"|[尊亲][敬爱]的|名叫|名字[是为叫]?|人{COLON})[\s“\"]?\Z"
)
WIDEST = 20  # [characters] of the words before a name that matter
BEFORE = "是的给找请跟对让为姓好问见帮替由被托叫和"  # characters right before a name
# A surname alone: behind 姓, or before a title where a name may begin.
BEHIND_XING = re.compile(
    rf"姓(?<![百同复]姓)(?P<it>[{SURNAMES}{WORD_SURNAMES}]|{COMPOUND_SURNAMES}){END}"
)
BEFORE_TITLE = re.compile(COURTESY)
ENDING_SURNAME = re.compile(rf"(?:[{SURNAMES}{WORD_SURNAMES}]|{COMPOUND_SURNAMES})\Z")

SIGNS = Signs(
    f"姓|叫|女士|先生|小姐|太太|阿姨|叔叔|大爷|大妈|大叔|大婶|{COMPOUND_SURNAMES}",
    (rf"[名字人主](?:{COLON}|[是为])",),
    (LIKELY,),
)


def find_names(text: str) -> Spans:
    """Names that stand beside a word for persons."""
    yield from _find_by_sure_words(text)
    for match in chain(LIKELY.finditer(text), LIKELY_COMPOUND.finditer(text)):
        if match[0] not in WORDS | NOBODY and _is_told(match):
            yield match.span()


def _find_by_sure_words(text: str) -> Spans:
    for pattern in (FIELD, BEHIND_XING):
        for match in pattern.finditer(text):
            yield match.span("it")
    for title in BEFORE_TITLE.finditer(text):
        match = ENDING_SURNAME.search(text, max(0, title.start() - 2), title.start())
        if match and not _is_in_run(match):
            yield match.span()
    for match in SURE.finditer(text):
        begin = match.start("it")
        before = max(0, begin - WIDEST)
        if match["it"] not in WORDS | NOBODY and SURE_WORD.search(text, before, begin):
            yield match.span("it")


def find_bare_names(text: str) -> Spans:
    """Names at the edges of sentences, for texts that are about one person."""
    for match in BARE.finditer(text):
        is_word = match[0] in WORDS | NOBODY or match[0][:2] in WORDS
        if not is_word and not _is_in_run(match):
            yield match.span()


def _is_told(match: re.Match[str]) -> bool:
    """Whether what stands around it says that it is a name."""
    ends = match["bounded"] or match["alone"] or match["titled"]
    if ends is None and (match[0][:2] in WORDS or match[0][0] in WORD_SURNAMES):
        return False
    if _is_behind_word(match):
        return True
    if match["titled"]:
        return match[0][0] not in WORD_SURNAMES or not _is_in_run(match)
    return match["alone"] is not None and not _is_in_run(match)


def _is_behind_word(match: re.Match[str]) -> bool:
    text, begin = match.string, match.start()
    before = max(0, begin - WIDEST)
    if PERSON_WORD.search(text, before, begin):
        return True
    if match["bounded"] and len(match[0]) > 2 and text[begin - 1] in LOOKED_FOR:
        return match[0][:2] not in WORDS
    ends = match["bounded"] or match["alone"] or match["titled"] or match["two"]
    return ends is not None and bool(OTHER_WORD.search(text, before, begin))


def _is_in_run(match: re.Match[str]) -> bool:
    """Whether characters stand before it that no name begins behind."""
    text, begin = match.string, match.start()
    return (
        begin > 0 and bool(HAN_CHARACTER.match(text, begin - 1)) and text[begin - 1] not in BEFORE
    )
