"""Web pages of questions and answers: FAQPage data, lists of terms, things to unfold, headings."""

import json
import re
from collections.abc import Iterator, Sequence
from itertools import takewhile
from operator import itemgetter
from typing import Any

from data.errors import Fault
from data.reading.asking import is_asking
from data.reading.dialogues.dialogue import find_pairs
from data.reading.dialogues.faq import (
    FEWEST,
    MOST,
    FaqPair,
    conversations,
    left_out,
    read_faq,
    taken,
)
from data.reading.dialogues.headings import Line
from data.reading.dialogues.role_words import Roles
from data.reading.faulty import Read
from data.reading.talk import read_talk
from data.wording import _

from .page_text import FURNITURE, UNSEEN, drop, lines_of, parse_fragment, read_page, text_of
from .places import moved

WORD = re.compile(r"\w")
CLASSED = ("div", "button", "a", "span", "p", "li")
HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")


def read_html(text: str, source: str, roles: Roles) -> Iterator[Read]:
    """The questions that a page marks as such; or else what its text holds, as a `.txt` file's."""
    page = read_page(text)
    if page is None:
        yield Fault(source, 1, "html", _("a page without text"), _("questions and answers"))
        return
    if declared := _declared(page):
        what = _("questions in the page's FAQPage data (its text was left out)")
        yield taken(declared, source, what)
        yield from conversations(declared, source)
        return
    drop(page, f"script {UNSEEN}")
    around = drop(page, FURNITURE)
    questions, what = _marked(page)
    if len(questions) > 2 * len(find_pairs(text_of(page))):
        pairs = [*map(_take, questions)]
        yield taken(pairs, source, what)
        yield from left_out(sorted([*lines_of(page), *around], key=itemgetter(0)), source)
        yield from conversations(pairs, source)
        return
    yield from left_out(around, source)
    yield from _read_lines(lines_of(page), source, roles)


def _read_lines(lines: Sequence[Line], source: str, roles: Roles) -> Iterator[Read]:
    """Read a page as text, with the lines of the file."""
    texts = [text for _line, text in lines]
    places = {at: line for at, (line, _text) in enumerate(lines, start=1)}
    spaced = [each for text in texts for each in (text, "")]
    if not roles and not find_pairs("\n".join(texts)) and (found := read_faq(spaced, source)):
        items, places = iter(found), {2 * at - 1: line for at, line in places.items()}
    else:
        items = read_talk("\n".join(texts), source, roles)
    for item in items:
        yield moved(item, lambda line: places.get(line, 1))


def _declared(page: Any) -> list[FaqPair]:
    """Questions with their accepted answers, as pages tell them to search engines."""
    pairs: list[FaqPair] = []
    for script in page.iter("script"):
        if script.get("type", "").strip().lower() == "application/ld+json":
            try:
                declared = json.loads(script.text or "", strict=False)
            except (ValueError, RecursionError):
                continue
            pairs += _questions(declared, script.sourceline or 1)
    return pairs


def _questions(declared: Any, line: int) -> Iterator[FaqPair]:
    if isinstance(declared, list):
        for each in declared:
            yield from _questions(each, line)
    elif isinstance(declared, dict):
        answers = declared.get("acceptedAnswer")
        answer = answers[0] if isinstance(answers, list) and answers else answers
        if isinstance(answer, dict) and declared.get("name"):
            told = [declared["name"], answer.get("text", "")]
            question, text = (text_of(parse_fragment(str(each))) for each in told)
            yield FaqPair(line, question, [text])
        else:
            for each in declared.values():
                yield from _questions(each, line)


def _marked(page: Any) -> tuple[list[Any], str]:
    """The elements of the kind of which the most ask, and what they are."""
    forms = _forms(page)
    asking = {
        what: [each for each in elements if is_asking(text_of(each))]
        for what, elements in forms.items()
    }
    fit = [
        what for what, found in asking.items() if len(found) >= max(FEWEST, MOST * len(forms[what]))
    ]
    what = max(fit, key=lambda each: len(asking[each]), default="")
    return asking.get(what, []), what


def _forms(page: Any) -> dict[str, list[Any]]:
    """What may be the questions: elements made for such, and those of one class that hold a line
    each."""
    headings, elements = _("headings ({tag}) that ask"), _("elements ({tag}, {kind}) that ask")
    forms = {
        _("terms that ask"): list(page.iter("dt")),
        _("lines to unfold that ask"): [
            each for each in page.iter("summary") if _unfolds_alone(each)
        ],
        **{headings.format(tag=tag): list(page.iter(tag)) for tag in HEADINGS},
    }
    for element in page.iter(*CLASSED):
        if (kind := _class_of(element)) and len(lines_of(element)) == 1:
            what = elements.format(tag=element.tag, kind=kind)
            forms.setdefault(what, []).append(element)
    return forms


def _class_of(element: Any) -> str | None:
    """The first of its classes; others tell of its state."""
    return next(iter(element.get("class", "").split()), None)


def _unfolds_alone(summary: Any) -> bool:
    """What is unfolded holds nothing more to unfold."""
    details = summary.getparent()
    return details.tag == "details" and sum(1 for _ in details.iter("summary")) == 1


def _take(element: Any) -> FaqPair:
    """A question and its answer, out of the page."""
    line, question = element.sourceline or 1, " ".join(text_of(element).split())
    if element.tag == "summary":
        details = element.getparent()
        element.drop_tree()
        answer = text_of(details)
        details.drop_tree()
        return FaqPair(line, question, [answer])
    answer = _below_term(element) if element.tag == "dt" else _below_heading(element)
    element.drop_tree()
    return FaqPair(line, question, [answer])


def _below_term(term: Any) -> str:
    following: list[Any] = []
    for each in term.itersiblings():
        if each.tag != "dd":
            break
        following.append(each)
    return _cut_out(term, following)


def _below_heading(heading: Any) -> str:
    """What follows it up to the next of its kind, or to a heading above it; where nothing does,
    what follows the element that holds it alone."""
    rank = HEADINGS.index(heading.tag) + 1 if heading.tag in HEADINGS else 0
    tags, kind = HEADINGS[:rank] or (heading.tag,), None if rank else _class_of(heading)

    def holds_another(element: Any) -> bool:
        found = (each for each in element.iter(*tags) if each is not heading)
        return any(kind is None or _class_of(each) == kind for each in found)

    node = heading
    while node.getparent() is not None and node.tag != "body":
        following = list(takewhile(lambda each: not holds_another(each), node.itersiblings()))
        if WORD.search(answer := _cut_out(node, following)):  # a mark alone unfolds the answer
            return answer
        node = node.getparent()
        if holds_another(node):
            break
    return ""


def _cut_out(before: Any, elements: Sequence[Any]) -> str:
    """The text behind an element and that of others, which leave the page."""
    holder = parse_fragment("")
    holder.text, before.tail = before.tail, None
    holder.extend(elements)
    return text_of(holder)
