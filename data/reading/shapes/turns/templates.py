"""Conversations of which a chat template has made one text, read back by the template's marks."""

import re
import reprlib
from collections.abc import Sequence

from data.conversation import Message, Role
from data.reading.shapes.labels import note_strangers, read_labelled
from data.reading.shapes.row import Row
from data.wording import N_, _

# What begins a turn, by template: only one of them counts in a text.
MARKS = tuple(
    map(
        re.compile,
        (
            r"<\|im_start\|>(\w+)\n?",
            r"<\|start_header_id\|>(\w+)<\|end_header_id\|>",
            r"<start_of_turn>(\w+)\n?",
            r"<\|(system|user|assistant)\|>\n?",
            r"(\[INST\]|\[/INST\]|<<SYS>>|<</SYS>>)",
            r"###\s*(Instruction|Input|Response|System)\s*:",
            r"###\s*(Human|User|Assistant|System)\s*:",
            r"###\s*(Question|Answer)\s*:",
            r"\b(USER|ASSISTANT|SYSTEM):\s",
        ),
    )
)
INPUT = "input"  # Alpaca's: what the instruction above it is about
ROLES: dict[str, Role] = {
    **dict.fromkeys(
        ("human", "user", "instruction", INPUT, "question", "[inst]", "<</sys>>"), "user"
    ),
    **dict.fromkeys(("assistant", "model", "response", "answer", "[/inst]"), "assistant"),
    **dict.fromkeys(("system", "<<sys>>"), "system"),
}
# What frames a text or ends a turn, and belongs to none.
FRAME = (
    r"(?:\s|<s>|</s>|<bos>|<eos>|<end_of_turn>"
    r"|<\|(?:begin_of_text|end_of_text|endoftext|im_end|eot_id|end)\|>)+"
)
FRAMED = re.compile(rf"\A{FRAME}|{FRAME}\Z")
ALPACA = re.compile(r"Below is an instruction that describes a task\b[^#]*")
EXPECTED = N_(
    "turns, with a role word before each (User: …) or the marks of a known template "
    "(### Human:, ### Instruction:, [INST], <|im_start|>); other text cannot be trained on"
)


def read_text(text: str, at: str, row: Row) -> list[Message]:
    """Read a text by the template whose marks come first."""
    found = [
        (marks[0].start(), _turns(text, marks)) for mark in MARKS if (marks := _marks(text, mark))
    ]
    turns = min(found, key=lambda each: each[0])[1] if found else read_labelled(text)
    if not turns:
        row.refuse(at, reprlib.repr(text), _(EXPECTED))
    if not found:
        note_strangers(turns, row)
    for number, turn in enumerate(turns, start=1):
        if not turn.content:
            seen = _("an empty turn, number {number}").format(number=number)
            row.refuse(at, seen, _("text in each"))
    return turns


def _marks(text: str, mark: re.Pattern[str]) -> list[re.Match[str]]:
    """Nothing where they do not show both who asks and who answers, or somebody unknown speaks."""
    marks = [*mark.finditer(text)]
    speakers = {ROLES.get(match[1].lower(), "tool") for match in marks}
    return marks if {"user", "assistant"} <= speakers and "tool" not in speakers else []


def _turns(text: str, marks: Sequence[re.Match[str]]) -> list[Message]:
    names = [match[1].lower() for match in marks]
    ends = [match.start() for match in marks[1:]] + [len(text)]
    texts = [FRAMED.sub("", text[m.end() : end]) for m, end in zip(marks, ends, strict=True)]
    turns = _preamble(FRAMED.sub("", text[: marks[0].start()]))
    for number, (name, content) in enumerate(zip(names, texts, strict=True)):
        opens_system = name == "[inst]" and names[number + 1 : number + 2] == ["<<sys>>"]
        if opens_system or (name == INPUT and not content):
            continue
        if name == INPUT and turns and turns[-1].role == "user":
            turns[-1] = Message("user", f"{turns[-1].content}\n{content}")
        else:
            turns.append(Message(ROLES[name], content))
    return turns


def _preamble(text: str) -> list[Message]:
    """A system prompt, unless it is what Alpaca's template itself says."""
    return [Message("system", text)] if text and not ALPACA.fullmatch(text) else []
