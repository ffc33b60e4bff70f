"""What is plainly wrong with a written answer: it is empty, goes round, has no end, is foreign."""

import re
import unicodedata
from collections import Counter
from typing import TYPE_CHECKING, Literal

from .answers import Answer

if TYPE_CHECKING:
    from .samples import Samples

Fault = Literal["empty", "broken", "echo", "repeats", "script", "endless", "same"]

# An ideograph or a kana, else a word.
UNIT = re.compile(
    r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]|[^\W\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+"
)
GRAM = 4  # units
REPEATED = 0.4  # of an answer's groups of units; what people write has hardly any
BEYOND = 0.2  # more than the reference itself repeats: lists and forms do
ROOM = 1.2  # times the reference's length; who has not ended there does not know how to
LOST, LOST_SHARE = "\ufffd", 0.02  # what undecodable bytes become, and how much is too much
ECHOED = 0.6  # of the answer is the question
IDEOGRAPH = 4  # letters of an alphabet say about as much


def faults_of(samples: "Samples") -> list[Fault | None]:
    """The fault, if any, of each answer that the adapter wrote."""
    shown = samples.shown
    texts = Counter(sample.adapter.text for sample in shown)
    is_one_for_all = len({sample.reference for sample in shown}) == len(shown)
    has_room = samples.max_tokens >= ROOM * samples.longest_reference
    return [
        fault_of(each.question, each.adapter, each.reference, has_room=has_room)
        or ("same" if is_one_for_all and texts[each.adapter.text] > 1 else None)
        for each in shown
    ]


def fault_of(
    question: str, answer: Answer, reference: str, *, has_room: bool = False
) -> Fault | None:
    """The first of them that holds, as a reader would name it. `has_room`: the limit would have
    let any reference end."""
    if not any(map(str.isalnum, answer.text)):
        return "empty" if any(map(str.isalnum, reference)) else None
    if answer.text.count(LOST) > LOST_SHARE * len(answer.text):
        return "broken"
    if question and answer.text.count(question) * len(question) > ECHOED * len(answer.text):
        return "echo"
    if repetition(answer.text) > max(REPEATED, repetition(reference) + BEYOND):
        return "repeats"
    if len({main_script(answer.text), main_script(reference)} - {None}) == 2:
        return "script"
    if not answer.is_ended and (has_room or len(answer.text) >= ROOM * len(reference)):
        return "endless"
    return None


def repetition(text: str) -> float:
    """The share of groups of four words, or ideographs, that stood in the text before.

    "seq-rep-4" of Welleck et al. 2019 (Neural Text Generation with Unlikelihood Training): 0.005
    in what people write, 0.44 in what a large model wrote that had fallen into a loop.
    """
    units = UNIT.findall(text.lower())
    grams = [tuple(units[at : at + GRAM]) for at in range(len(units) - GRAM + 1)]
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


def main_script(text: str) -> str | None:
    """Most letters' script, as Unicode names it: LATIN, CJK, CYRILLIC …; None without letters."""
    counts: Counter[str] = Counter()
    for letter in filter(str.isalpha, text):
        script = unicodedata.name(letter, "?").split()[0]
        is_east_asian = script in ("CJK", "HIRAGANA", "KATAKANA")
        counts["CJK" if is_east_asian else script] += IDEOGRAPH if is_east_asian else 1
    return counts.most_common(1)[0][0] if counts else None
