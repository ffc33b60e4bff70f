"""Which adapters a model's name asks for.

    tcm                                the adapter's promoted version
    tcm@2                              version 2 of it
    tcm:0.7+style@3:0.3                a blend: each scaled, then summed
    <lora:tcm:0.7><lora:style:0.3>     the same, as image tools write it

Names never hold ':', '@', '+', '<' or '>', so the notation is never ambiguous.
"""

import re
from dataclasses import dataclass

from serving.errors import BlendError

PART = re.compile(r"(?P<name>\w[\w.-]{0,63})(?:@(?P<version>[\w.-]+))?(?::(?P<scale>[^:@+<>]+))?")
TAG = re.compile(r"<lora:([^<>]*)>")
NUMBER = re.compile(r"-?[0-9]*\.?[0-9]+(?:e-?[0-9]{1,3})?")
MAX_PARTS = 16
MAX_SCALE = 100.0


@dataclass(frozen=True, slots=True)
class Part:
    name: str
    version: str | None = None  # None: the promoted one
    scale: float = 1.0


def parse_model(model: str) -> tuple[Part, ...] | None:
    """The parts of a model's name, or None where it is no adapter's notation at all.

    Raises BlendError where it is one and wrong: a scale that is no number, a name given twice.
    """
    parts = tuple(_part(text) for text in _split(model))
    if any(part is None for part in parts):
        if len(parts) > 1 or model.startswith("<lora:"):
            raise BlendError(
                f"The blend {model!r} cannot be read. Write it like 'tcm:0.7+style:0.3'."
            )
        return None
    known = [part for part in parts if part is not None]
    if len(known) > MAX_PARTS:
        raise BlendError(f"A blend takes at most {MAX_PARTS} adapters; {model!r} has {len(known)}.")
    names = [(part.name, part.version) for part in known]
    if len(set(names)) < len(names):
        raise BlendError(f"The blend {model!r} names an adapter twice. Add up its scales instead.")
    return tuple(known)


def _split(model: str) -> list[str]:
    if model.startswith("<lora:"):
        tags = TAG.findall(model)
        whole = "".join(f"<lora:{tag}>" for tag in tags)
        return tags if whole == model.replace(" ", "") else [""]
    return model.split("+")


def _part(text: str) -> Part | None:
    match = PART.fullmatch(text.strip(" "))
    if match is None:
        return None
    return Part(match["name"], match["version"], _scale(match["name"], match["scale"]))


def _scale(name: str, text: str | None) -> float:
    if text is None:
        return 1.0
    if not NUMBER.fullmatch(text):
        raise BlendError(
            f"The scale {text!r} of {name!r} is not a number such as 0.7. (After a name, ':' is "
            "followed by a scale here, and '@' by a version.)"
        )
    scale = float(text)
    if abs(scale) > MAX_SCALE:
        raise BlendError(f"The scale {text!r} is not between -{MAX_SCALE:g} and {MAX_SCALE:g}.")
    return scale
