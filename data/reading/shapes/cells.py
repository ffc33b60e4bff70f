r"""A question's and an answer's cell: the turns that it holds, and the role word at its head.

"病人：头晕\n医生：多久了？\n病人：三天\n医生："   Line ends may be written out, as here or as <br>:
                                                they are read where a role word stands behind.
"答：先量血压。"                                A role word that says what its field says, cut off.
"病人：谢谢"                                    What is not understood stays, and is remarked.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from data.conversation import Message, Role
from data.reading.dialogues.dialogue import COLONS, split_cell
from data.reading.dialogues.role_words import LABELLED, NARROW, ROLES, find_role, label_of

from .row import Remark

WRITTEN_OUT = re.compile(r"((?:\\r)?\\n|\\r|\\t|<br\s*/?>)", re.IGNORECASE)
OPTION = re.compile(r"^\s*B\s*[:：.．、]", re.MULTILINE)  # below one that is called A
WITHIN = 60  # [characters] of a line, in which a role word and its colon stand

IN_QUESTION, IN_ANSWER = "role words within questions", "role words within answers"
BEFORE_QUESTION, BEFORE_ANSWER = "role words before questions", "role words before answers"
CUT = "role words cut off answers"


@dataclass(frozen=True, slots=True)
class Head:
    """A role word and a colon at the head of a text, and what stands behind them."""

    role: Role
    label: str
    text: str

    @property
    def is_letter(self) -> bool:
        """As options of a question have, too."""
        return self.label.translate(NARROW).upper() in ("A", "Q")


@dataclass(frozen=True, slots=True)
class Cell:
    messages: list[Message]
    is_labelled: bool = False  # with role words, which were read
    has_options: bool = False
    remark: Remark | None = None


def read_head(text: str) -> Head | None:
    if not _has_colon(text[:WITHIN]):
        return None
    match = LABELLED.fullmatch(text)
    role = find_role(label_of(match), ROLES) if match else None
    return Head(role, label_of(match), match["text"].strip()) if match and role else None


def read_question(text: str) -> Cell:
    """Turns of which the last one asks, or one question."""
    if not _has_colon(text):
        return Cell([Message("user", text)])
    spread = _spread(text)
    messages = split_cell(spread)
    if messages != [Message("user", spread)]:
        return Cell(messages, is_labelled=True)
    head, has_options = read_head(text), OPTION.search(text) is not None
    if head and head.role == "user" and has_options:
        return Cell([Message("user", head.text)], is_labelled=True, has_options=True)
    within = None if has_options else _find_within(spread)
    return Cell([Message("user", text)], False, has_options, _remark_question(head, within))


def read_answer(text: str, question: Cell) -> Cell:
    """An answer, or several with the questions between them."""
    if not _has_colon(text):
        return Cell([Message("assistant", text)])
    spread = _spread(text)
    head, within = read_head(text), _find_within(spread)
    if head is None:
        is_answer = question.is_labelled
    else:
        is_letter = head.is_letter and (question.has_options or not question.is_labelled)
        is_answer = head.role == "assistant" and not is_letter
    if within and is_answer and (turns := _split_answer(spread)):
        return Cell(turns, is_labelled=True)
    remark = _remark_answer(within, text)
    if head and is_answer:
        cut = None if question.is_labelled else Remark(CUT, head.label)
        return Cell([Message("assistant", head.text)], is_labelled=True, remark=remark or cut)
    before = Remark(BEFORE_ANSWER, head.label) if head else None
    return Cell([Message("assistant", text)], remark=before or remark)


def _remark_question(head: Head | None, within: Head | None) -> Remark | None:
    if head and (head.role != "user" or not within):
        return Remark(BEFORE_QUESTION, head.label)
    return Remark(IN_QUESTION, within.label) if within else None


def _remark_answer(within: Head | None, text: str) -> Remark | None:
    is_option = within is not None and within.is_letter and OPTION.search(text)
    return Remark(IN_ANSWER, within.label) if within and not is_option else None


def read_labelled(text: str) -> list[Message]:
    """The turns of a text in which a role word stands before each; nothing where it is no such."""
    spread = _spread(text.strip())
    return _split(spread, "user") if read_head(spread) and _find_within(spread) else []


def _split_answer(text: str) -> list[Message]:
    """Nothing where the turns do not alternate, or one of them is empty."""
    turns = _split(text, "assistant")
    return turns if _alternate(turns) and all(turn.content for turn in turns) else []


def _split(text: str, first: Role) -> list[Message]:
    """At each role word; `first` speaks where none stands at the head."""
    turns: list[tuple[Role, list[str]]] = []
    for line in text.split("\n"):
        head = read_head(line)
        if head or not turns:
            turns.append((head.role, [head.text]) if head else (first, [line]))
        else:
            turns[-1][1].append(line)
    return [Message(role, "\n".join(lines).strip()) for role, lines in turns]


def _alternate(messages: Sequence[Message]) -> bool:
    roles = [message.role for message in messages]
    return all(role == ("assistant", "user")[n % 2] for n, role in enumerate(roles)) and (
        roles[-1] == "assistant"
    )


def _find_within(text: str) -> Head | None:
    """The first role word that begins a line below the first."""
    return next((head for line in text.split("\n")[1:] if (head := read_head(line))), None)


def _spread(text: str) -> str:
    """Over lines, where line ends are written out before role words."""
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


def _has_colon(text: str) -> bool:
    return COLONS[0] in text or COLONS[1] in text or COLONS[2] in text
