"""In which order turns may stand."""

from collections.abc import Sequence

from data.conversation import Message, Role

from .row import Row

# What may stand before a turn.
PREDECESSORS: dict[Role, tuple[str, ...]] = {
    "system": ("nothing",),
    "user": ("nothing", "system", "assistant"),
    "assistant": ("user", "tool"),
    "tool": ("assistant with tool_calls", "tool"),
}


def check_order(messages: Sequence[Message], row: Row) -> None:
    before = "nothing"
    for number, message in enumerate(messages, start=1):
        accepted = PREDECESSORS[message.role]
        if before not in accepted:
            row.refuse(f"turn {number}", f"{message.role} after {before}", " or ".join(accepted))
        before = f"{message.role} with tool_calls" if message.tool_calls else message.role
    if not before.startswith("assistant"):
        row.refuse("last turn", before, "an assistant turn")
