"""Names of people in Latin letters, where the words before them say what they are."""

import re

from .first_names import FIRST_NAMES
from .kind import Spans, by_patterns

LETTERS = r"A-Za-zÀ-ÖØ-öø-ÿ"
WORD = rf"(?!XX|I['’])[A-ZÀ-ÖØ-Þ](?=[{LETTERS}'’])[{LETTERS}]*(?:['’-][{LETTERS}]+)*"
TITLE = r"(?:(?:Mr|Mrs|Ms|Miss|Mx|Dr|Prof)\.? )"
SUFFIX = r"(?:(?<= [JS]r)\.|,? (?:Jr|Sr|MD|DDS|DVM|PhD|II|III|IV|V)\b\.?)"
PART = rf" (?:{WORD}|[A-Z]\.)"
NO_PERSON = (  # what is greeted, or follows such a word, with a capital as well
    r"(?!(?:Dr|Doctor|Sir|Madam|Customer|Team|All|Friends?|Parents?|Valued|Support|Colleagues?|Contact"
    r"|Patients?|Students?|Guests?|Members?|Clients?|Users?|Editor|Teacher|Professor|Hiring|Admin|God"
    r"|Lord|Santa|Diary|Mom|Dad|Everyone|The|My|Your|Our|This|That|Service|Services|Care|Center|Number"
    r"|Department|ID|Information|Info|Records?|Name|Portal|Relations|Education|History|Type|New)\b"
    r"|[A-Z]\w+[ -](?:American|British|Canadian|Australian|Indian|Catholic|Muslim)\b)"
)
NAME = rf"(?P<it>(?:{TITLE}|{NO_PERSON}){WORD}(?:{PART}){{0,3}}{SUFFIX}?)"
FULL_NAME = rf"(?P<it>(?:{TITLE}|{NO_PERSON}){WORD}(?:{PART}){{1,3}}{SUFFIX}?)"
ENDS = r"(?=[.,;:!?)/]|\s*(?:\n|\Z)| (?:and|from|again|here|at|with|speaking|calling)\b)"

# Each pattern begins with letters that are looked for fast; what stands before them is seen then.
_find_told = by_patterns(
    re.compile(
        r"[Nn]ame(?:(?:(?<=[Mm]y name)|(?<=[Hh]is name)|(?<=[Hh]er name)|(?<=['’]s name)"
        r"|(?<=[Mm]y (?:full|last|real) name)|(?<=[Mm]y (?:legal|first) name))(?: is|['’]s|:)?:? "
        r"|(?:(?<=^name)|(?<=^Name)|(?<=[\n.;,|] [Nn]ame)|(?<=\n[Nn]ame)|(?<=atient name)"
        r"|(?<=['’]s name)|(?<=[Ff]ull name)|(?<=[Ff]irst name)|(?<=[Ll]ast name)|(?<=omer name)"
        rf"|(?<=tact name))(?:[:=] ?| [-–] )){NAME}",
        re.ASCII,
    ),
    re.compile(
        r"(?:NAME(?:[:=]| [-–])|Patient:|Emergency contact:|Contact person:|Recipient:|Attn:) ?"
        rf"{NAME}"
    ),
    re.compile(rf"Dear {NAME}(?=[,:!\n])"),
    re.compile(
        rf"M(?:rs?|s|iss|x)(?<!\wM.)(?<!\wM..)(?<!\wM...)\.? {WORD}(?:{PART}){{0,2}}", re.ASCII
    ),
    re.compile(rf"I(?: am|['’]m) {FULL_NAME}{ENDS}"),
    re.compile(rf"is (?<=[Tt]his is ){FULL_NAME}{ENDS}"),
)
# A first name alone, where somebody speaks of himself or is spoken to.
FIRST = (
    re.compile(rf"(?:Hi|Hello|Hey|Thanks|Thank you),? (?P<it>[A-Z][a-z]+){ENDS}"),
    re.compile(rf"I(?: am|['’]m) (?P<it>[A-Z][a-z]+){ENDS}"),
    re.compile(rf"is (?<=[Tt]his is )(?P<it>[A-Z][a-z]+){ENDS}"),
)
# A line of its own, below a closing.
LINE = re.compile(rf"\n{NAME}(?=\s*(?:\n|\Z))")
CLOSING = re.compile(r"(?i:regards|sincerely|thanks|thank you|cheers|yours|best),?\s*\Z")
FIRST_AND_LAST = re.compile(
    rf"(?P<first>[A-Z][a-z]+)(?: [A-Z]\.| [A-Z][a-z]+(?= [A-Z][a-z]))? {NO_PERSON}{WORD}{SUFFIX}?"
)
WIDEST = 24  # [characters] of a closing


def find_names(text: str) -> Spans:
    """Names that stand beside a word for persons."""
    yield from _find_told(text)
    for pattern in FIRST:
        for match in pattern.finditer(text):
            if match["it"] in FIRST_NAMES:
                yield match.span("it")
    for match in LINE.finditer(text):
        if CLOSING.search(text, max(0, match.start() - WIDEST), match.start()):
            yield match.span("it")


def find_bare_names(text: str) -> Spans:
    """Usual first names with a surname, for texts that are about one person."""
    for match in FIRST_AND_LAST.finditer(text):
        if match["first"] in FIRST_NAMES:
            yield match.span()
