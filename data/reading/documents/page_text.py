"""The text of a web page, line by line as a reader sees it, with the lines of the file."""

import re
from typing import Any

from data.reading.dialogues.headings import Line

BLOCKS = (
    "address article aside blockquote body br caption dd details div dl dt fieldset figcaption"
    " figure footer form h1 h2 h3 h4 h5 h6 header hr li main nav ol p pre section summary table"
    " tbody td tfoot th thead tr ul"
)
UNSEEN = "head style noscript template svg iframe select option input textarea object video audio"
FURNITURE = "nav footer aside form"  # around the text
DECLARATION = re.compile(r"\s*<\?xml[^>]*\?>")
LINK_MARK = re.compile(r"[^\w\s]|[\ue000-\uf8ff]")  # behind headings, to link to them
KEPT_LINE, KEPT_SPACE = "\ue000", "\ue001"  # of preformatted text, while space is made one


def read_page(text: str) -> Any:
    """Its elements, an lxml tree; None where there are none."""
    from lxml import etree, html  # pyright: ignore[reportAttributeAccessIssue] - it is compiled

    parser = html.HTMLParser(remove_comments=True, remove_pis=True)
    try:
        page = html.document_fromstring(DECLARATION.sub("", text, count=1), parser=parser)
    except (etree.LxmlError, ValueError):
        return None
    for link in [
        each for each in page.iter("a") if LINK_MARK.fullmatch(each.text_content().strip())
    ]:
        link.drop_tree()
    for element in page.iter("pre"):
        for each in element.iter():
            each.text, each.tail = _keep(each.text), _keep(each.tail)
    return page


def parse_fragment(text: str) -> Any:
    from lxml import html

    return html.fragment_fromstring(text, create_parent=True)


def drop(page: Any, tags: str) -> list[Line]:
    """Take such elements out; the lines that they showed."""
    found = [each for each in page.iter(*tags.split()) if each is not page]
    lines = [line for each in found if _is_outermost(each, tags) for line in lines_of(each)]
    for each in found:
        if each.getparent() is not None:
            each.drop_tree()
    return lines


def text_of(element: Any) -> str:
    return "\n".join(text for _, text in lines_of(element))


def lines_of(element: Any) -> list[Line]:
    """What stands in it, without empty lines; each with the line of the file where its element
    begins."""
    from lxml import etree  # pyright: ignore[reportAttributeAccessIssue] - it is compiled

    blocks = {*BLOCKS.split()}
    lines: list[Line] = []
    parts: list[str] = []
    at = element.sourceline or 1

    def end_line(number: int) -> None:
        nonlocal at
        if text := " ".join("".join(parts).split()):
            kept = text.replace(KEPT_SPACE, " ").split(KEPT_LINE)
            lines.extend((at, each.rstrip()) for each in kept if each.strip())
        parts.clear()
        at = number

    for event, node in etree.iterwalk(element, events=("start", "end")):
        if node.tag in blocks:
            end_line(node.sourceline or at)
        if event == "start":
            parts.append("- " if node.tag == "li" else "")
            parts.append(node.text or "")
        elif node is not element:
            parts.append(node.tail or "")
    end_line(at)
    return [(number, text) for number, text in lines if text != "-"]


def _keep(text: str | None) -> str | None:
    return text.replace("\n", KEPT_LINE).replace(" ", KEPT_SPACE) if text else text


def _is_outermost(element: Any, tags: str) -> bool:
    return next(element.iterancestors(*tags.split()), None) is None
