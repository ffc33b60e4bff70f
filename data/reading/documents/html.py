"""Web pages of questions and answers: FAQPage data, lists of terms, things to unfold, headings."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from data.conversation import Item
from data.errors import Fault

from ..asking import is_asking
from ..dialogue import find_pairs, read_dialogue
from ..faq import FEWEST, MOST, Pair, conversations, left_out, read_faq, taken
from ..headings import Line
from ..role_words import Roles
from .page_text import FURNITURE, UNSEEN, drop, lines_of, parse_fragment, read_page, text_of

HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")


def read_html(text: str, source: str, roles: Roles) -> Iterator[Item]:
    """The questions that a page marks as such; or else what its text holds, as a `.txt` file's."""
    page = read_page(text)
    if page is None:
        yield Fault(source, 1, "html", "a page without text", "questions and answers")
        return
    if declared := _declared(page):
        yield taken(
            declared, source, "questions in the page's FAQPage data (its text was left out)"
        )
        yield from conversations(declared, source)
        return
    drop(page, f"script {UNSEEN}")
    around = drop(page, FURNITURE)
    pairs, what = _marked(page)
    if pairs:
        yield taken(pairs, source, what)
        yield from left_out(sorted([*around, *lines_of(page)]), source)
        yield from conversations(pairs, source)
        return
    yield from left_out(around, source)
    yield from _read_lines(lines_of(page), source, roles)


def _read_lines(lines: Sequence[Line], source: str, roles: Roles) -> Iterator[Item]:
    """As text, with the lines of the file."""
    texts = [text for _, text in lines]
    places = {at: line for at, (line, _) in enumerate(lines, start=1)}
    spaced = [each for text in texts for each in (text, "")]
    if not roles and not find_pairs("\n".join(texts)) and (found := read_faq(spaced, source)):
        items, places = iter(found), {2 * at - 1: line for at, line in places.items()}
    else:
        items = read_dialogue("\n".join(texts), source, roles)
    for item in items:
        yield replace(item, line=places.get(item.line, 1))


def _declared(page: Any) -> list[Pair]:
    """Questions with their accepted answers, as pages tell them to search engines."""
    pairs: list[Pair] = []
    for script in page.iter("script"):
        if script.get("type", "").strip().lower() == "application/ld+json":
            try:
                declared = json.loads(script.text or "", strict=False)
            except (ValueError, RecursionError):
                continue
            pairs += _questions(declared, script.sourceline or 1)
    return pairs


def _questions(declared: Any, line: int) -> Iterator[Pair]:
    if isinstance(declared, list):
        for each in declared:
            yield from _questions(each, line)
    elif isinstance(declared, dict):
        answers = declared.get("acceptedAnswer")
        answer = answers[0] if isinstance(answers, list) and answers else answers
        if isinstance(answer, dict) and declared.get("name"):
            told = [declared["name"], answer.get("text", "")]
            question, text = (text_of(parse_fragment(str(each))) for each in told)
            yield Pair(line, question, [text])
        else:
            for each in declared.values():
                yield from _questions(each, line)


def _marked(page: Any) -> tuple[list[Pair], str]:
    """By the elements of which the most ask; what they and their answers hold is taken out."""
    forms = {
        "terms that ask": list(page.iter("dt")),
        "lines to unfold that ask": list(page.iter("summary")),
        **{f"headings ({tag}) that ask": list(page.iter(tag)) for tag in HEADINGS},
    }
    asking = {
        what: [each for each in elements if is_asking(text_of(each))]
        for what, elements in forms.items()
    }
    fit = [
        what for what, found in asking.items() if len(found) >= max(FEWEST, MOST * len(forms[what]))
    ]
    what = max(fit, key=lambda each: len(asking[each]), default="")
    return [_take(each) for each in asking.get(what, [])], what


def _take(element: Any) -> Pair:
    """A question and its answer, out of the page."""
    line, question = element.sourceline or 1, " ".join(text_of(element).split())
    if element.tag == "summary":
        details = element.getparent()
        element.drop_tree()
        answer = text_of(details)
        details.drop_tree()
        return Pair(line, question, [answer])
    answer = _below_term(element) if element.tag == "dt" else _below_heading(element)
    element.drop_tree()
    return Pair(line, question, [answer])


def _below_term(term: Any) -> str:
    following: list[Any] = []
    for each in term.itersiblings():
        if each.tag != "dd":
            break
        following.append(each)
    return _cut_out(term, following)


def _below_heading(heading: Any) -> str:
    """What follows it up to the next heading of its rank; where nothing does, what follows the
    element that holds it alone."""
    ranks = HEADINGS[: HEADINGS.index(heading.tag) + 1]
    node = heading
    while node.getparent() is not None and node.tag != "body":
        following: list[Any] = []
        for each in node.itersiblings():
            if each.tag in ranks or next(each.iter(*ranks), None) is not None:
                break
            following.append(each)
        if answer := _cut_out(node, following):
            return answer
        node = node.getparent()
        if sum(1 for _ in node.iter(*ranks)) > 1:
            break
    return ""


def _cut_out(before: Any, elements: Sequence[Any]) -> str:
    """The text behind an element and that of others, which leave the page."""
    holder = parse_fragment("")
    holder.text, before.tail = before.tail, None
    holder.extend(elements)
    return text_of(holder)
