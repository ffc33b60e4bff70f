"""Contents that come as a list of parts, of which only text can be trained on."""

import reprlib
from typing import Any

from data.reading.shapes.row import Row
from data.wording import _

TEXTS = ("text", "input_text", "output_text")
TEXT_KEYS = ("text", "value")


def join_parts(parts: list[Any], at: str, row: Row) -> str:
    """Join parts as the server joins them. Refuses images, thoughts and the like by name."""
    texts: list[str] = []
    for index, part in enumerate(parts):
        kind = part.get("type", "text") if isinstance(part, dict) else None
        if kind not in TEXTS:
            typed = _("a part of type {kind!r}").format(kind=kind)
            seen = typed if kind else reprlib.repr(part)
            row.refuse(f"{at}[{index}]", seen, _("text parts alone"))
            return ""
        texts.append(next((row.take_text(part, key, at) for key in TEXT_KEYS if key in part), ""))
    return "\n".join(texts)
