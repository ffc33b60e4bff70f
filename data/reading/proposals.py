"""Which fields hold the questions and the answers: a proposal for `--map`, or none at all.

A field is chosen by its name, or else by what stands in it: questions and sentences that differ
from row to row. Numbers, dates, addresses, codes and labels are never proposed, whatever their
field is called; nor is anything where two fields would do.
"""

import difflib
import re
import shlex
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from data.wording import N_, _

from .asking import is_asking

SAMPLE = 200  # rows that are looked at
FEWEST = 3  # values that show what a field holds, where its name does not
MOST = 0.6  # of the values

# The plainest names first: a later line counts where no field has a name of an earlier one.
QUESTIONS = (
    "question questions frage fragen pregunta pergunta domanda вопрос"
    " 问题 問題 提问 提問 質問 질문",
    "instruction instruct prompt query ask anfrage consulta demande enquiry inquiry requete"
    " 咨询 諮詢 询问 詢問 疑问 疑問 指令 问句 問句",
    "description descripcion beschreibung problem issue complaint symptom symptoms"
    " 病情 症状 症狀 描述 主诉 主訴",
)
ANSWERS = (
    "answer answers antwort antworten respuesta resposta risposta reponse ответ"
    " 答案 回答 答复 答覆 回复 回覆 解答 답변",
    "output completion response reply replies target resolution solution loesung losung"
    " 建议 建議 意见 意見 输出 輸出 解决方案 解決方案 话术 話術",
)
# Only as the whole of a name: within others they mean much else.
QUESTION_NAMES = "q input user human 问 問"
ANSWER_NAMES = "a assistant gpt bot chosen summary 答"
# What such a name speaks of when it is not the text itself: question_id, 回答时间, 提问者.
ASIDES = (
    "id ids uuid no nr num number nummer count len length date datum time zeit timestamp at by type"
    " typ kind category kategorie label class lang language url link source author user name email"
    " phone status state score rating votes tag tags index key file image audio priority channel"
    " rank hash format"
)
CHINESE_ASIDES = re.compile(
    "编号|編號|序号|序號|时间|時間|日期|类型|類型|分类|分類|类别|類別|标签|標籤|状态|狀態|来源|來源|链接|鏈接"
    "|网址|網址|数量|數量|次数|次數|姓名|电话|電話|邮箱|地址|评分|評分|科室|id|[者人]$"
)

ACCEPTED = N_(
    "the keys messages; or conversations; or a question and an answer (question/answer, "
    "instruction/output, prompt/completion, 问题/回答 …); or say which is which: --map {proposal}"
)

LETTER = re.compile(r"[^\W\d_]")
NUMBER = re.compile(r"[-+±$€£¥]?\s*\d[\d.,:\s]*\s*(?:%|[a-zA-Z]{1,3}|[年月日天岁元次个时分秒])?")
DATE_WORDS = re.compile(
    r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|mon|tue|wed|thu|fri|sat|sun)[a-z]{0,6}"
    r"|am|pm|utc|gmt|[tz年月日时時分秒点點上下午]",
    re.IGNORECASE,
)
# A link, an e-mail address, a name in a chat; or markup.
ADDRESS = re.compile(
    r"<[a-z_/][^<>]*>.*|(?:[a-z][a-z0-9+.-]*://|www\.)\S+|\S+@\S+\.\w+|@\w+",
    re.IGNORECASE | re.DOTALL,
)
CODE = re.compile(r"(?=\S*[\d_])[!-~]+|[!-~]*[/\\][!-~]*")  # without a space, with a digit
SENTENCE = re.compile(r"[。．.!！?？؟…;；:：][\"'”’」』)）\]】]*$")
IDEOGRAPH = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
LONGEST = 400  # [characters] of a question
LONG = 25  # wide is what is no label
OPTION = 4  # wide is no letter of an option, and no 是 or 否
SPECIAL = re.compile(r"[\s'\"$&|;<>()*?!`\\#~]")  # to a shell
FLAGS = ({"0", "1"}, {"0.0", "1.0"}, {"false", "true"})

Rows = Sequence[Mapping[str, Any]]


def accepted(rows: Rows) -> str:
    """What rows may hold, and how to say which fields of these are which."""
    proposal = propose(rows) or _("question=NAME,answer=NAME")
    return _(ACCEPTED).format(proposal=proposal)


def propose(rows: Rows) -> str | None:
    """What to give to `--map` for such rows, as a shell takes it; None where that is in doubt."""
    fields = _fields(rows[:SAMPLE])
    question = _by_name(fields, QUESTIONS, QUESTION_NAMES)
    answer = _by_name(fields, ANSWERS, ANSWER_NAMES)
    if len(question) > 1 or len(answer) > 1:
        return None
    question = question or [each for each in _shown(fields, answer) if each.asks]
    answer = answer or [each for each in _shown(fields, question) if each.tells]
    if len(question) != 1 or len(answer) != 1 or question == answer:
        return None
    return _written(question[0], answer[0], _flag(fields, question[0]))


@dataclass(eq=False)
class _Field:
    """A field with what stands in it in the sampled rows."""

    name: str
    values: list[Any]  # those that are not empty

    @cached_property
    def texts(self) -> list[str]:
        return [each for each in self.values if isinstance(each, str) and _is_text(each)]

    @property
    def is_text(self) -> bool:
        """Or shows nothing to the contrary: a header may stand alone."""
        return len(self.texts) >= MOST * len(self.values)

    @property
    def is_label(self) -> bool:
        """The same few short values again and again, or letters of options."""
        distinct = len({*map(str, self.values)})
        is_again = len(self.values) > FEWEST and distinct < 0.3 * len(self.values)
        is_option = len(self.values) >= FEWEST and max(map(_width, self.texts), default=0) < OPTION
        return is_option or (is_again and self.share(_is_long) < 0.5)

    @property
    def asks(self) -> bool:
        return self.share(_is_question) >= MOST

    @property
    def tells(self) -> bool:
        """Sentences, different ones, and no questions."""
        is_distinct = len({*self.texts}) >= MOST * len(self.texts)
        return is_distinct and self.share(_is_sentence) >= MOST and self.share(is_asking) < 1 - MOST

    @property
    def is_chinese(self) -> bool:
        return self.share(lambda text: IDEOGRAPH.search(text) is not None) > 0.5

    def share(self, has: Callable[[str], bool]) -> float:
        return sum(map(has, self.texts)) / max(1, len(self.texts))


def _fields(rows: Rows) -> list[_Field]:
    """The fields whose names `--map` can be told."""
    names = dict.fromkeys(name for row in rows for name in row if name.strip())
    return [
        _Field(name, [each for row in rows if not _is_empty(each := row.get(name))])
        for name in names
        if not {*name} & {",", "，", "="}
    ]


def _is_empty(value: Any) -> bool:
    return value is None or not str(value).strip()


def _by_name(fields: list[_Field], ranked: Sequence[str], whole: str) -> list[_Field]:
    """Those with the plainest name, whose values are no numbers, codes or labels."""
    is_filled = any(each.values for each in fields)
    fit = [each for each in fields if each.is_text and not each.is_label]
    fit = [each for each in fit if each.values or not is_filled]
    for words in map(str.split, ranked):
        found = [each for each in fit if _plain(each.name) in words]
        if found := found or [each for each in fit if _speaks_of(each.name, words)]:
            return found
    if found := [each for each in fit if _plain(each.name) in whole.split()]:
        return found
    known = [word for words in ranked for word in words.split() if len(word) > 4]
    return [each for each in fit if not _is_aside(each.name) and _is_misspelt(each.name, known)]


def _shown(fields: list[_Field], other: list[_Field]) -> list[_Field]:
    """Fields of enough text to be judged by it, in the language of the other one."""
    enough = [each for each in fields if len(each.texts) >= FEWEST and each.is_text]
    return [
        each
        for each in enough
        if each not in other
        and not each.is_label
        and all(each.is_chinese == one.is_chinese for one in other)
    ]


def _flag(fields: list[_Field], question: _Field) -> _Field | None:
    """The one field of zeros and ones, where questions come again with other answers: such sets
    hold wrong answers on purpose."""
    is_repeated = len({*question.texts}) < len(question.texts)
    flags = [each for each in fields if {str(one).lower() for one in each.values} in FLAGS]
    return flags[0] if is_repeated and len(flags) == 1 else None


def _written(question: _Field, answer: _Field, keep: _Field | None) -> str:
    proposal = f"question={question.name},answer={answer.name}"
    proposal += f",keep={keep.name}" if keep else ""
    return shlex.quote(proposal) if SPECIAL.search(proposal) else proposal


def _plain(name: str) -> str:
    """A name without case, accents, spaces and underscores."""
    decomposed = unicodedata.normalize("NFKD", name).lower()
    return "".join(each for each in decomposed if each.isalnum())


def _words(name: str) -> list[str]:
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return [_plain(each) for each in re.split(r"[\W_]+", apart) if each]


def _is_aside(name: str) -> bool:
    words = _words(name)
    chinese = [each for each in words if not each.isascii()]
    is_said = not {*ASIDES.split()}.isdisjoint(words)
    return is_said or any(map(CHINESE_ASIDES.search, chinese))


def _speaks_of(name: str, known: list[str]) -> bool:
    words = _words(name)
    chinese = [each for each in known if IDEOGRAPH.search(each)]
    is_said = any(word in known or any(each in word for each in chinese) for word in words)
    return is_said and not _is_aside(name)


def _is_misspelt(name: str, known: list[str]) -> bool:
    return bool(difflib.get_close_matches(_plain(name), known, 1, 0.8))


def _is_text(value: str) -> bool:
    """No number, date, address or code."""
    value = value.strip()
    if NUMBER.fullmatch(value) or ADDRESS.fullmatch(value):
        return False
    if CODE.fullmatch(value) and not SENTENCE.search(value):
        return False
    is_dated = re.search(r"\d", value) is not None
    return LETTER.search(DATE_WORDS.sub("", value) if is_dated else value) is not None


def _is_question(text: str) -> bool:
    """No dialogue in which somebody asks."""
    return is_asking(text) and "\n" not in text.strip() and len(text) <= LONGEST


def _is_sentence(text: str) -> bool:
    return SENTENCE.search(text.strip()) is not None or _is_long(text)


def _is_long(text: str) -> bool:
    return _width(text) >= LONG


def _width(text: str) -> int:
    """The width of a text in characters, of which an ideograph counts two."""
    return len(text) + len(IDEOGRAPH.findall(text))
