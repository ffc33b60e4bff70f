"""Role words in a text: at its head, at the heads of its lines, and behind its sentences."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from data.conversation import Message, Role
from data.reading.dialogues.dialogue import COLONS
from data.reading.dialogues.labels import PARTS
from data.reading.dialogues.role_words import LABELLED, NARROW, ROLES, label_in, label_of, role_of

from .row import Remark, Row

STRANGE_IN_QUESTION, STRANGE_IN_ANSWER = "others within questions", "others within answers"
WITHIN = 60  # [characters] of a line, in which a role word and its colon stand
LONGEST = 24  # [characters] from the end of a sentence to a colon behind it
WRITTEN_OUT = re.compile(r"((?:\\r)?\\n|\\r|\\t|<br\s*/?>)", re.IGNORECASE)
OPTION = re.compile(r"^\s*B\s*[:：.．、]", re.MULTILINE)  # below one that is called A
COLON = re.compile(f"[{COLONS}]")
BEHIND_A_SENTENCE = re.compile(
    r"(?:[。！？；|\t]\s*|[!?.;]\s+|(?<=[\u4e00-\u9fff])\s+)(\w{2,12})\s*\Z"
)


@dataclass(frozen=True, slots=True)
class LabelHead:
    """A role word and a colon at the head of a text, and what stands behind them."""

    role: Role
    label: str
    text: str

    @property
    def is_letter(self) -> bool:
        """Whether the label is a letter, as options of a question have, too."""
        return self._bare in ("a", "q")

    @property
    def is_word(self) -> bool:
        """And no name with a title, which may be a phrase of the text: 先问医生：…"""
        return self._bare in ROLES

    @property
    def _bare(self) -> str:
        return self.label.translate(NARROW).lower().rstrip("0123456789 ")


def read_head(text: str) -> LabelHead | None:
    if not has_colon(text[:WITHIN]):
        return None
    match = LABELLED.fullmatch(text)
    role = role_of(label_of(match), ROLES) if match else None
    return LabelHead(role, label_of(match), match["text"].strip()) if match and role else None


def find_within(text: str) -> LabelHead | None:
    """The first role word that begins a line below the first; a letter does not among options."""
    heads = (read_head(line) for line in text.split("\n")[1:])
    found = next((head for head in heads if head), None)
    return None if found and found.is_letter and has_options(text) else found


def find_behind(text: str) -> str | None:
    """The first role word that stands behind a sentence, on its line."""
    for colon in COLON.finditer(text):
        begin = max(0, colon.start() - LONGEST)
        match = BEHIND_A_SENTENCE.search(text, begin, colon.start())
        if match and role_of(match[1], ROLES):
            return match[1]
    return None


def read_labelled(text: str) -> list[Message]:
    """The turns of a text in which a role word stands before each; nothing where it is no such."""
    spread = spread_out(text.strip())
    return split(spread, "user") if read_head(spread) and find_within(spread) else []


def note_strangers(messages: Sequence[Message], row: Row) -> None:
    """Remarks on words before colons, within turns that role words divide, that are no role and no
    part of an answer: somebody else may speak there."""
    for message in messages:
        kind = STRANGE_IN_ANSWER if message.role == "assistant" else STRANGE_IN_QUESTION
        labels = map(label_in, message.content.split("\n")[1:])
        strange = next((each for each in labels if each and each not in PARTS), None)
        row.remarks += [Remark(kind, strange)] if strange else []


def split(text: str, first: Role) -> list[Message]:
    """Split a text at the role words before lines; `first` speaks where none stands at the head."""
    turns: list[tuple[Role, list[str]]] = []
    for line in text.split("\n"):
        head = read_head(line)
        if head or not turns:
            turns.append((head.role, [head.text]) if head else (first, [line]))
        else:
            turns[-1][1].append(line)
    return [Message(role, "\n".join(lines).strip()) for role, lines in turns]


def spread_out(text: str) -> str:
    r"""Spread text over lines where their ends are written out, as \n or <br>, before role
    words."""
    if "\\" not in text and "<" not in text:
        return text
    first, *rest = WRITTEN_OUT.split(text)
    pieces = [*zip(rest[::2], rest[1::2], strict=True)]
    if not any(read_head(piece.split("\n")[0]) for _, piece in pieces):
        return text
    spread = [first]
    for separator, piece in pieces:
        is_tab = separator == "\\t" and not read_head(piece)
        spread += ["\t" if is_tab else "\n", piece]
    return "".join(spread)


def has_colon(text: str) -> bool:
    return COLONS[0] in text or COLONS[1] in text or COLONS[2] in text


def has_options(text: str) -> bool:
    return OPTION.search(text) is not None
