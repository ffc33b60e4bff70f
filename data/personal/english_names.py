"""Names of people in Latin letters, where the words before them say what they are."""

import re

from .first_names import FIRST_NAMES
from .kind import Spans, by_patterns

LETTERS = r"A-Za-zÀ-ÖØ-öø-ÿ"
WORD = rf"(?!XX)[A-ZÀ-ÖØ-Þ](?=[{LETTERS}'’])[{LETTERS}]*(?:['’-][{LETTERS}]+)*"
TITLE = r"(?:(?:Mr|Mrs|Ms|Miss|Mx|Dr|Prof)\.? )"
SUFFIX = r"(?:,? (?:Jr|Sr|MD|DDS|DVM|PhD|II|III|IV|V)\b\.?)"
PART = rf" (?:{WORD}|[A-Z]\.)"
NAME = rf"(?P<it>{TITLE}?{WORD}(?:{PART}){{0,3}}(?:(?<= [JS]r)\.|{SUFFIX})?)"
FULL_NAME = rf"{TITLE}?{WORD}(?:{PART}){{1,3}}{SUFFIX}?"

NO_PERSON = (  # what is called or greeted with a capital as well
    r"(?!(?:Contact|Dr|Doctor|Sir|Madam|Customer|Team|All|Friends?|Parents?|Valued|Support|Colleagues?|Patients?"
    r"|Students?|Guests?|Members?|Clients?|Users?|Editor|Teacher|Professor|Hiring|Admin|Santa|God|Lord"
    r"|Diary|Mom|Dad|Everyone|The|My|Your|Our|This|That|Back|Crazy|Old|Maybe|ASAP|When|If|At|On|I"
    r"|(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day|Service|Services|Care|Center|Department|Number|ID"
    r"|Information|Info|Records?|Name|Portal|Relations|Education|History|Type|New)\b)"
)
PERSON = (
    r"(?:[Pp]atient|[Cc]lient|[Cc]ustomer|[Ss]tudent|[Aa]pplicant|[Tt]enant|[Mm]ember|[Pp]arty|[Cc]ontact"
    r"|[Ss]igned|[Hh]usband|[Ww]ife|[Mm]other|[Ff]ather|[Mm]om|[Dd]ad|[Ss]on|[Dd]aughter|[Bb]rother"
    r"|[Ss]ister|[Pp]arent|[Gg]uardian|[Nn]urse|[Ee]mployee|[Rr]ecipient|[Ii]nsured|[Pp]artner|[Ff]riend)"
)

# Each begins with letters that are looked for fast; what stands before them is seen afterwards.
_find_told = by_patterns(
    re.compile(
        r"(?:[Nn]ame(?:(?<=\b[Mm]y name)|(?<=\b[Hh]is name)|(?<=\b[Hh]er name)|(?<=['’]s name)"
        r"|(?<=\b[Mm]y (?:full|last|real) name)|(?<=\b[Mm]y (?:legal|first) name))"
        r"(?: is|['’]s|:)?:? "
        r"|[Nn]ame(?:(?<=^name)|(?<=^Name)|(?<=[\n.;,|] [Nn]ame)|(?<=\n[Nn]ame)|(?<=atient name)"
        r"|(?<=['’]s name)|(?<=[Ff]ull name)|(?<=[Ff]irst name)|(?<=[Ll]ast name)"
        r"|(?<=ustomer name)|(?<=ontact name))(?:[:=] ?| [-–] )"
        r"|(?:FULL )?NAME(?:[:=] ?| [-–] )"
        rf"|(?:Patient|Emergency contact|Contact person|Recipient|Attn): ?){NAME}",
        re.ASCII,
    ),
    re.compile(rf"(?<![A-Za-z]){PERSON}(?:[:,] | is | )(?P<it>{NO_PERSON}{FULL_NAME})(?!{PART})"),
    re.compile(
        rf"(?:under the name(?: of)?|(?:appointment|referral) for) (?P<it>{NO_PERSON}{FULL_NAME})"
    ),
    re.compile(rf"Dear {NO_PERSON}{NAME}(?=[,:!\n])"),
    re.compile(
        rf"(?:[Rr]egards|[Ss]incerely|[Tt]hanks|[Tt]hank you|[Cc]heers|Yours|Best),?\n+{NO_PERSON}{NAME}(?=\s*(?:\n|\Z))"
    ),
    re.compile(rf"call(?:s|ed)? me {NO_PERSON}{NAME}(?=[,.;!]|\Z)"),
    re.compile(rf"[Ii]t['’]?s {NAME}(?= (?:again|here|speaking|calling|from)\b)"),
    re.compile(rf"\bI, (?P<it>{FULL_NAME}),"),
    re.compile(rf"(?:to|by|for) (?P<it>{FULL_NAME})(?=\.? ?\((?:DOB|SSN|ID|MRN|patient|born))"),
    re.compile(
        rf"M(?:rs?|s|iss|x)(?<!\wM.)(?<!\wM..)(?<!\wM...)\.? {WORD}(?:{PART}){{0,2}}", re.ASCII
    ),
    re.compile(
        rf"(?:I(?: am|['’]m)|[Tt]his is) (?P<it>{FULL_NAME})"
        r"(?= (?:speaking|calling|here)\b|[.,;!?)]|$| and\b| from\b)"
    ),
)
# A first name alone, where somebody speaks of himself or is spoken to.
FIRST = re.compile(
    r"(?:\bI(?: am|['’]m)|[Tt]his is|\b[Ii]t['’]?s|\b(?:Hi|Hello|Hey|Thanks|Thank you),?) "
    r"(?P<it>[A-Z][a-z]+)(?=[,.!;:)]|\Z|\n| (?:and|from|again|here|at|with|speaking|calling)\b)"
)
# A first name and what may be a surname, wherever they stand.
FIRST_AND_LAST = re.compile(
    rf"(?P<first>[A-Z][a-z]+)(?: [A-Z]\.| [A-Z][a-z]+(?= [A-Z][a-z]))? {NO_PERSON}{WORD}{SUFFIX}?"
)


def find_names(text: str) -> Spans:
    yield from _find_told(text)
    for match in FIRST.finditer(text):
        if match["it"] in FIRST_NAMES:
            yield match.span("it")


def find_bare_names(text: str) -> Spans:
    """For texts that are about one person."""
    for match in FIRST_AND_LAST.finditer(text):
        if match["first"] in FIRST_NAMES:
            yield match.span()
