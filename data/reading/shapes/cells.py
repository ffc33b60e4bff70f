r"""A question's and an answer's cell: the turns that it holds, and the role word at its head.

"病人：头晕\n医生：多久了？\n病人：三天\n医生："   Line ends may be written out, as here or as <br>:
                                                they are read where a role word stands behind.
"答：先量血压。"                                A role word that says what its field says, cut off.
"病人：谢谢"                                    What is not understood stays, and is remarked.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from data.conversation import Message
from data.reading.dialogues.dialogue import split_cell
from data.wording import _

from .labels import (
    LabelHead,
    find_behind,
    find_within,
    has_colon,
    has_options,
    note_strangers,
    read_head,
    split,
    spread_out,
)
from .row import EMPTY, Remark, Row

IN_QUESTION, IN_ANSWER = "role words within questions", "role words within answers"
BEFORE_QUESTION, BEFORE_ANSWER = "role words before questions", "role words before answers"
CUT = "role words cut off answers"


@dataclass(frozen=True, slots=True)
class Cell:
    messages: list[Message]
    is_labelled: bool = False  # with role words, which were read
    has_options: bool = False
    remark: Remark | None = None


def read_exchange(asked: str, given: str, names: tuple[str, str], row: Row) -> list[Message]:
    """The turns of both cells; `names` are those of their fields."""
    question = take_question(asked, names[0], row)
    return question.messages + take_answer(given, question, names[1], row).messages


def take_question(text: str, name: str, row: Row) -> Cell:
    return _noted(read_question(text), name, row)


def take_answer(text: str, question: Cell, name: str, row: Row) -> Cell:
    return _noted(read_answer(text, question), name, row)


def _noted(cell: Cell, name: str, row: Row) -> Cell:
    if cell.remark:
        row.remarks.append(cell.remark)
    if cell.is_labelled and not all(message.content for message in cell.messages):
        row.refuse(name, _(EMPTY), _("text behind each role word"))
    if len(cell.messages) > 1:
        note_strangers(cell.messages, row)
    return cell


def read_question(text: str) -> Cell:
    """Turns of which the last one asks, or one question."""
    if not has_colon(text):
        return Cell([Message("user", text)])
    spread = spread_out(text)
    messages = split_cell(spread)
    if messages != [Message("user", spread)]:
        return Cell(messages, is_labelled=True)
    head, are_options = read_head(text), has_options(text)
    if head and head.role == "user" and are_options:
        return Cell([Message("user", head.text)], is_labelled=True, has_options=True)
    return Cell([Message("user", text)], False, are_options, _remark_question(head, spread))


def read_answer(text: str, question: Cell) -> Cell:
    """An answer, or several with the questions between them."""
    if not has_colon(text):
        return Cell([Message("assistant", text)])
    spread = spread_out(text)
    head, within = read_head(text), find_within(spread)
    is_answer = _begins_answer(head, question)
    if within and is_answer and (turns := _split_answer(spread)):
        return Cell(turns, is_labelled=True)
    label = within.label if within else find_behind(text)
    remark = Remark(IN_ANSWER, label) if label else None
    if head and is_answer:
        cut = None if question.is_labelled else Remark(CUT, head.label)
        return Cell([Message("assistant", head.text)], is_labelled=True, remark=remark or cut)
    before = Remark(BEFORE_ANSWER, head.label) if head else None
    return Cell([Message("assistant", text)], remark=before or remark)


def _begins_answer(head: LabelHead | None, question: Cell) -> bool:
    """Whether the role word, or that of the question, shows that turns have such words."""
    if head is None:
        return question.is_labelled
    is_sure = question.is_labelled or (head.is_word and not head.is_letter)
    is_option = head.is_letter and question.has_options
    return head.role == "assistant" and is_sure and not is_option


def _split_answer(text: str) -> list[Message]:
    """Nothing where the turns do not alternate, or one of them is empty."""
    turns = split(text, "assistant")
    return turns if _alternate(turns) and all(turn.content for turn in turns) else []


def _alternate(turns: Sequence[Message]) -> bool:
    roles = [turn.role for turn in turns]
    return (
        roles == [("assistant", "user")[n % 2] for n in range(len(roles))] and len(roles) % 2 == 1
    )


def _remark_question(head: LabelHead | None, text: str) -> Remark | None:
    within = find_within(text)
    if head and (head.role != "user" or not within):
        return Remark(BEFORE_QUESTION, head.label)
    label = within.label if within else find_behind(text)
    return Remark(IN_QUESTION, label) if label else None
