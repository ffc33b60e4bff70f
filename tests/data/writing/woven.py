"""Conversations woven from the names of special tokens, parts of them, and ordinary text."""

from typing import Any

from hypothesis import strategies as st

from data.conversation import Message
from tests.data.families import KINDS

ORDINARY = (
    *(
        "我失眠多梦。",
        "宜养心",
        "Right then. ",
        " a",
        "a",
        "\n",
        "\n\n",
        " ",
        "🚲",
        "é",
        "user",
        "end",
    ),
    *("<", ">", "|", "[", "]", "/", "<b>", "im_end", "assistant\n", "1 < 2", "{{ x }}", "\u200b"),
)


def parts_of(names: tuple[str, ...]) -> list[str]:
    """All that comes of cutting the names in two, and in other letters."""
    halves = [half for name in names for i in range(1, len(name)) for half in (name[:i], name[i:])]
    return [*dict.fromkeys(halves), *(name.upper() for name in names)]


def texts(name: str) -> st.SearchStrategy[str]:
    """Each begins and ends with something to be seen, so that templates strip nothing."""
    names = KINDS[name].names
    pieces = st.sampled_from(names) | st.sampled_from(parts_of(names)) | st.sampled_from(ORDINARY)
    return st.lists(pieces, min_size=1, max_size=6).map("".join).map(str.strip).filter(bool)


@st.composite
def dialogues(draw: Any, name: str) -> tuple[Message, ...]:
    text = texts(name)
    system = [Message("system", draw(text))] if draw(st.booleans()) else []
    turns = draw(st.lists(st.tuples(text, text), min_size=1, max_size=2))
    pairs = [(Message("user", asked), Message("assistant", said)) for asked, said in turns]
    return (*system, *(message for pair in pairs for message in pair))
