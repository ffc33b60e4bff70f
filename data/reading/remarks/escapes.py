r"""Line ends that texts have written out, as the two characters \n, and what they mean in a file.

Databases and scripts write them so in every row, and no others. In single rows they are code, such
as print("a\n"), and stay.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any

from data.conversation import Conversation, Message
from data.errors import Fault
from data.wording import N_, _

from .tally import RemarkTally, Totals

FEWEST = 3  # rows that show it
MOST_REAL = 0.1  # of the rows may have line ends as such
NUM_SHOWN = 40  # [characters] around the first one
# Not \neq, \rho and the like, which formulas have.
LINE_END = re.compile(
    r"\\r\\n"
    r"|\\n(?!(?:eq?|eg|abla|ot|otin|u|i|ewline|mid|leq|geq|sim|parallel)(?![a-z]))"
    r"|\\r(?!(?:ho|ight\w*|angle|ceil|floor|brace|m)(?![a-z]))"
)
# In order: a path stays, a backslash that is written twice is one, a line end is one.
WRITTEN = re.compile(r"(\b[C-Hc-h]:\\(?=\w)(?:\\(?=\w)|[\w-]|\.(?=\w))+)|\\(\\|r\\n|[nrt])")
MEANINGS = {"\\": "\\", "r\\n": "\n", "n": "\n", "r": "\n", "t": "\t"}
# Formulas are full of backslashes; strings of programs have line ends written out.
FORMULA = re.compile(r"\\(?![nrtu])[A-Za-z]{2,}|\\(?:times|theta|text\w*|tau|to)(?![a-z])|\\[(\[{]")
PROGRAM = re.compile(
    r"```|(?<!\w)[bfru]?([\"'])(?:(?!\1)[^\n]){0,200}\\[nrt](?:(?!\1)[^\n]){0,200}\1"
)
MOST_STRINGS = 1000  # of a row: aliases of YAML can make millions
KIND = N_("line ends")


class Escapes:
    """Reads a file's texts as its first rows show that they are meant, and counts."""

    def __init__(self, rows: Iterable[Any]) -> None:
        """`rows` are the first ones, as they stand in the file."""
        self._are_line_ends = _are_line_ends([*rows])
        self._read, self._kept = RemarkTally(), RemarkTally()

    def apply(self, conversation: Conversation) -> Conversation:
        said = (conversation.messages, conversation.rejected)
        if not any("\\" in message.content for turns in said for message in turns):
            return conversation
        messages, rejected = (
            tuple(self._apply(each, conversation.line) for each in turns) for turns in said
        )
        return replace(conversation, messages=messages, rejected=rejected)

    def _apply(self, message: Message, line: int) -> Message:
        found = LINE_END.search(message.content)
        if not found:
            return message
        if self._are_line_ends and _is_written_out(message.content):
            self._read.note(message.role, line, "")
            return replace(message, content=_read(message.content))
        begin = max(0, found.start() - NUM_SHOWN // 2)
        self._kept.note(message.role, line, message.content[begin : begin + NUM_SHOWN])
        return message

    def faults(self, source: str, totals: Totals) -> Iterator[Fault]:
        if self._read.counts:
            seen = _("{written}, written out in {share}, was read as the end of a line").format(
                written=r"\n", share=self._read.share(totals)
            )
            yield self._read.warn(source, KIND, seen, _("ends of lines as such"))
        if self._kept.counts:
            seen = _("{written}, written out in {share}, was kept as it is: {shown!r}").format(
                written=r"\n", share=self._kept.share(totals), shown=self._kept.shown
            )
            expected = _("ends of lines as such, if they are meant")
            yield self._kept.warn(source, KIND, seen, expected)


def _are_line_ends(rows: list[Any]) -> bool:
    texts = [[*islice(_strings(row), MOST_STRINGS)] for row in rows]
    num_written = sum(any(map(_is_written_out, each)) for each in texts)
    num_real = sum(any("\n" in text.strip() for text in each) for each in texts)
    is_usual = num_written >= FEWEST and 2 * num_written > len(rows)
    return is_usual and num_real <= MOST_REAL * len(rows)


def _is_written_out(text: str) -> bool:
    """Whether a line end is, outside of paths, formulas and programs."""
    if not LINE_END.search(text) or FORMULA.search(text) or PROGRAM.search(text):
        return False
    return _read(text) != text


def _read(text: str) -> str:
    return WRITTEN.sub(lambda match: match[1] or MEANINGS[match[2]], text).strip()


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list):
        for each in value.values() if isinstance(value, Mapping) else value:
            yield from _strings(each)
