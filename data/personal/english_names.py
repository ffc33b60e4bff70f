"""Names of people in Latin letters, where the words before them say what they are."""

import re

from .kind import by_patterns

LETTERS = r"A-Za-zÀ-ÖØ-öø-ÿ"
WORD = rf"(?!XX)[A-ZÀ-ÖØ-Þ](?=[{LETTERS}'’])[{LETTERS}]*(?:['’-][{LETTERS}]+)*"
TITLE = r"(?:(?:Mr|Mrs|Ms|Miss|Mx|Dr|Prof)\.? )"
SUFFIX = r"(?:,? (?:Jr|Sr|MD|DDS|DVM|PhD|II|III|IV|V)\b\.?)"
PART = rf" (?:{WORD}|[A-Z]\.)"
NAME = rf"(?P<it>{TITLE}?{WORD}(?:{PART}){{0,3}}(?:(?<= [JS]r)\.|{SUFFIX})?)"
FULL_NAME = rf"{TITLE}?{WORD}(?:{PART}){{1,3}}{SUFFIX}?"

# Each begins with letters that are looked for fast; what stands before them is seen afterwards.
find_names = by_patterns(
    re.compile(
        r"(?:[Nn]ame(?:(?<=\b[Mm]y name)|(?<=\b[Hh]is name)|(?<=\b[Hh]er name)|(?<=['’]s name)"
        r"|(?<=\b[Mm]y (?:full|last|real) name)|(?<=\b[Mm]y (?:legal|first) name))"
        r"(?: is|['’]s|:):? "
        r"|[Nn]ame(?:(?<=^name)|(?<=^Name)|(?<=[\n.;,|] [Nn]ame)|(?<=\n[Nn]ame)|(?<=atient name)"
        r"|(?<=['’]s name)|(?<=[Ff]ull name)|(?<=[Ff]irst name)|(?<=[Ll]ast name)"
        r"|(?<=ustomer name)|(?<=ontact name))[:=] ?"
        rf"|(?:Patient|Emergency contact|Contact person|Recipient|Attn): ?){NAME}",
        re.ASCII,
    ),
    re.compile(
        rf"M(?:rs?|s|iss|x)(?<!\wM.)(?<!\wM..)(?<!\wM...)\.? {WORD}(?:{PART}){{1,2}}", re.ASCII
    ),
    re.compile(
        rf"(?:I(?: am|['’]m)|[Tt]his is) (?P<it>{FULL_NAME})"
        r"(?= (?:speaking|calling|here)\b|[.,;!?)]|$| and\b| from\b)"
    ),
)
