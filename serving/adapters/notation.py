"""Which adapters a model's name asks for.

    tcm                                the adapter's promoted version
    tcm@2                              version 2 of it
    tcm:0.7+style@3:0.3                a blend: each scaled, then summed
    <lora:tcm:0.7><lora:style:0.3>     the same, as image tools write it
    ft:smollm2-135m::tcm:Xy12          what a fine-tuning job made, as OpenAI names it
    ft:smollm2-135m::tcm:Xy12:ckpt-step-40    that job's checkpoint

Names never hold ':', '@', '+', '<' or '>', so the notation is never ambiguous. A base may hold any
of them, so a fine-tuned model's name is read from its end, before scales, and alone.
"""

import re
from dataclasses import dataclass

from serving.errors import BlendError

PART = re.compile(r"(?P<name>\w[\w.-]{0,63})(?:@(?P<version>[\w.-]+))?(?::(?P<scale>[^:@+<>]+))?")
TAG = re.compile(r"<lora:([^<>]*)>")
FINE_TUNED = re.compile(  # two of them with a '+' between are a blend, and no base
    r"ft:(?P<base>(?:(?!\+ *ft:).)+)::(?P<name>\w[\w.-]{0,63}):(?P<job>[A-Za-z0-9_-]{1,64})"
    r"(?::ckpt-step-(?P<step>0|[1-9][0-9]{0,8}))?",
    re.DOTALL,
)
NUMBER = re.compile(r"-?[0-9]*\.?[0-9]+(?:e-?[0-9]{1,3})?")
MAX_PARTS = 16
MAX_SCALE = 100.0


@dataclass(frozen=True, slots=True)
class Part:
    name: str
    version: str | None = None  # None: the promoted one
    scale: float = 1.0


@dataclass(frozen=True, slots=True)
class FineTuned:
    """What a fine-tuned model's name says."""

    base: str  # as the job was asked to train on it
    name: str  # the adapter's
    job: str  # its id, without what all ids begin with
    step: int | None = None  # of a checkpoint; None: the result

    @property
    def result(self) -> str:
        """The name of the job's result."""
        return f"ft:{self.base}::{self.name}:{self.job}"

    def __str__(self) -> str:
        return self.result if self.step is None else f"{self.result}:ckpt-step-{self.step}"


def parse_fine_tuned(model: str) -> FineTuned | None:
    """What a name in OpenAI's form means, or None where it has another form."""
    match = FINE_TUNED.fullmatch(model)
    if match is None:
        return None
    step = None if match["step"] is None else int(match["step"])
    return FineTuned(match["base"], match["name"], match["job"], step)


def parse_model(model: str) -> tuple[Part, ...] | None:
    """The parts of a model's name, or None where it is no adapter's notation at all.

    Raises BlendError where it is one and wrong: a scale that is no number, a name given twice.
    """
    texts = _split(model)
    parts = tuple(_part(text) for text in texts)
    if any(part is None for part in parts):
        if any(_names_fine_tuned(text.strip(" ")) for text in texts):
            raise BlendError(
                f"{model!r} cannot be read: the name of a fine-tuned model stands alone, without "
                "scales and blends. For those write the version that it means, like "
                "'tcm@2:0.7+style:0.3'."
            )
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


def _names_fine_tuned(text: str) -> bool:
    """Whether it is a fine-tuned model's name, with a scale or without."""
    name, _, scale = text.rpartition(":")
    whole, scaled = parse_fine_tuned(text), parse_fine_tuned(name)
    return bool(whole or (scaled and NUMBER.fullmatch(scale)))


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
