"""Lines that by their form alone are no sentence of anybody's: times, numbers, fields, events."""

import re

from data.wording import N_

from .headings import is_heading

LONGEST = 80  # [characters]; longer ones are text
CLOCK = (
    r"(?:凌晨|早上|上午|中午|下午|傍晚|晚上|[AaPp]\.?[Mm]\.?)?\s*"
    r"\d{1,2}[:：][0-5]\d(?:[:：][0-5]\d)?(?:[.,]\d{1,3})?(?:\s*[AaPp]\.?[Mm]\.?)?"
)
MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?"
DATE = (
    r"(?:\d{4}\s*[-/.年]\s*\d{1,2}(?:\s*[-/.月]\s*\d{1,2}\s*日?|月)?"
    r"|\d{1,2}\s*[-/.月]\s*\d{1,2}(?:\s*[-/.]\s*\d{2,4}|日)?"
    rf"|\d{{1,2}}\s+{MONTH}(?:,?\s+\d{{4}})?|{MONTH}\s+\d{{1,2}}(?:,?\s+\d{{4}})?)"
)
DAY = (
    r"(?:今天|昨天|前天|(?:星期|周|週)[一二三四五六日天]"
    r"|(?:today|yesterday|(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?),?)"
)
WHEN = rf"(?:(?:{DAY}\s*)?(?:{DATE}[\sT,，]*)?{CLOCK}|(?:{DAY}\s*)?{DATE}(?:\s*{DAY})?)"
TIME = re.compile(
    rf"[\[（(【<\s–—-]*{WHEN}(?:\s*(?:-+>|[-–—~至到])\s*{WHEN})?[\]）)】>\s–—-]*", re.IGNORECASE
)
# A name and a time, or a date and a time and a name: the head of a message.
HEAD = re.compile(
    rf"(?P<name>[^\s:：,，。.!?！？]{{1,20}})\s+[\[（(]?(?:{DATE}\s*)?{CLOCK}[\]）)]?"
    rf"|[\[（(]?{DATE}\s*{CLOCK}[\]）)]?\s+[^\s:：,，。!?！？]{{1,20}}",
    re.IGNORECASE,
)
NUMBER = re.compile(
    r"[\[【(（#＃<\s]*(?:no\.?|第)?\s*\d{1,9}\s*[\]】)）>.．、号题條条篇楼樓#]*", re.IGNORECASE
)
RECORD = re.compile(
    r"[\[【(（#＃\s]*(?:[a-z]{0,10}_?id|no|uuid|guid|key|idx|index|row)\s*[=:：#]\s*\S{1,64}",
    re.IGNORECASE,
)
LINK = re.compile(r"(?:[^\s:：]{1,20}[:：]\s*)?[<(（]?(?:https?://|www\.)\S+", re.IGNORECASE)
ADDRESS = re.compile(r"[\w.+-]{1,64}@[\w.-]{3,}", re.ASCII)
FILE = re.compile(
    r"[^\s/:：]{1,60}\.(?:jpe?g|png|gif|webp|heic|mp[34]|wav|m4a|amr|pdf|docx?|xlsx?|pptx?|zip|txt)",
    re.IGNORECASE,
)
ENDS = "。！？!?；;"
EVENT = re.compile(rf"[\[（(<＜〔][^{ENDS}\[\]【】（）()<>]{{1,40}}[\]）)>＞〕]")
TITLE = re.compile(rf"【[^{ENDS}【】]{{1,40}}】")
DASHED = re.compile(rf"([-–—=~*_·•#])\1+\s*[^{ENDS}\s][^{ENDS}]{{0,40}}?\s*\1{{2,}}")
OWNED = re.compile(
    r"(?:©|\(c\)|copyright\b|版权所有|版權所有|未经许可|转载自|all rights reserved).{0,70}",
    re.IGNORECASE,
)
PRESSED = """
    举报 展开全文 展开 收起 阅读全文 查看全文 查看更多 点赞 赞 踩 收藏 分享 转发 评论 回复 关注
    追问 采纳 广告 置顶 精华 楼主 沙发 复制 删除 编辑 引用 有用 没用 有帮助 上一页 下一页 上一篇
    下一篇 返回 顶部 更多 like likes reply replies share report save follow edit delete copy quote
    upvote downvote helpful more less next previous back top comments views advertisement
    sponsored
"""
BUTTON = rf"(?:{'|'.join(map(re.escape, PRESSED.split()))}|read more|show more|show less|see more)"
BUTTONS = re.compile(
    rf"(?:[▲▼↑↓👍👎❤♥+]?\s*\d*\s*{BUTTON}\s*[(（:：]?\s*\d*\s*[)）]?[\s|·/]*)+(?:\d+\s*)?",
    re.IGNORECASE,
)

FORMS = {
    N_("time"): TIME,
    N_("number"): NUMBER,
    N_("record"): RECORD,
    N_("link"): LINK,
    N_("e-mail address"): ADDRESS,
    N_("file name"): FILE,
    N_("heading"): TITLE,
    N_("event"): EVENT,
    N_("divider"): DASHED,
    N_("button"): BUTTONS,
    N_("copyright"): OWNED,
    N_("message head"): HEAD,
}


DATED = re.compile(DATE, re.IGNORECASE)


def day_in(line: str) -> str | None:
    """The date in a line that tells a time."""
    match = DATED.search(line) if TIME.fullmatch(line.strip()) else None
    return match[0] if match else None


def form_of(line: str) -> str | None:
    """What a line is where it is no text, by a name for it."""
    line = line.strip()
    if len(line) > LONGEST or line.endswith(tuple("。！？；")):
        return None
    if is_heading(line):
        return "heading"
    return next((name for name, form in FORMS.items() if form.fullmatch(line)), None)
