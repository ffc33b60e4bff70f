"""Whether an adapter belongs to a base, told from its configuration and its weights' header."""

import re
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

from data.wording import _
from finetune.bases.base import Base
from finetune.bases.base_name import can_be_same
from finetune.bases.gguf_base import GgufBase
from finetune.bases.linear_layers import linear_layers
from finetune.errors import AdapterInvalid, BaseMismatch

from .header import Shape
from .lora import LoraSettings
from .tensor_names import USUAL, tensor_of, usual_names
from .weights import misfit

MAX_SHOWN = 4  # names in a message


class Fit:
    """What adapters are held against: the names of a base, and the sizes of its linear layers."""

    def __init__(self, base: Base | GgufBase, *, accepts_names: bool = False) -> None:
        self._base = base
        self._accepts_names = accepts_names  # of any base

    @cached_property
    def sizes(self) -> Mapping[str, tuple[int, int]]:
        """(out, in) features of each module. Raises BaseUnusable."""
        return linear_layers(self._base)

    def check_name(self, adapter: object, named: str | None) -> None:
        """Raises BaseMismatch where an adapter that has no card names another base."""
        if not self._accepts_names and not can_be_same(named, self._base.names):
            told = _(
                "was trained on {named!r}, as its configuration says, and the base here is "
                "{base!r}. Use it with --base {named}. If both are the same model, `lora-chat "
                "adapters import FOLDER --name NAME --accept-base` takes it (`accept_base` for an "
                "upload; the setting accept_base for all that a server has)."
            )
            raise BaseMismatch(told.format(named=named, base=self._base.id), adapter)

    def check_tensors(
        self, adapter: object, settings: LoraSettings, shapes: Mapping[str, Shape]
    ) -> None:
        """Raises BaseMismatch or AdapterInvalid for what the base has no place for, or for halves
        and ranks that do not go together."""
        foreign = sorted(name for name in shapes if self._module(name) is None)
        if foreign or not shapes:
            raise BaseMismatch(self._told(foreign), adapter)
        for module in dict.fromkeys(str(self._module(name)) for name in shapes):
            self._check_sizes(adapter, module, shapes)
        if wrong := wrong_ranks(settings, shapes):
            raise AdapterInvalid(wrong, adapter)

    def missing(self, settings: LoraSettings, names: Iterable[str]) -> list[str]:
        """The modules that an adapter was to be trained on and has no tensors for."""
        present = {match["module"] for name in names if (match := USUAL.fullmatch(name))}
        return [m for m in self.sizes if m not in present and _is_targeted(m, settings)]

    def _module(self, name: str) -> str | None:
        match = USUAL.fullmatch(name)
        return match["module"] if match and match["module"] in self.sizes else None

    def _told(self, foreign: list[str]) -> str:
        listed = f"{', '.join(foreign[:MAX_SHOWN])}{' …' if len(foreign) > MAX_SHOWN else ''}"
        try:
            named = usual_names(foreign)
        except AdapterInvalid as error:
            return _("does not fit this base: {error}").format(error=error)
        if foreign and all(self._module(usual) for usual in named.values()):
            return _(
                "names its tensors in another way than PEFT does ({names}). `lora-chat adapters "
                "import` gives them their usual names."
            ).format(names=listed)
        return _(
            "does not fit this base: it holds {names}, which the base has no place for."
        ).format(names=listed or _("nothing"))

    def _check_sizes(self, adapter: object, module: str, shapes: Mapping[str, Shape]) -> None:
        a, b = (shapes.get(tensor_of(module, side)) for side in "AB")
        if problem := misfit(module, a, b, self.sizes[module]):
            raise BaseMismatch(problem, adapter)


def wrong_ranks(settings: LoraSettings, shapes: Mapping[str, Shape]) -> str | None:
    """Where tensors have another rank than the configuration says; None: nowhere."""
    wrong = [
        (match["module"], shape[0], own)
        for name, shape in sorted(shapes.items())
        if (match := USUAL.fullmatch(name)) and match["side"] == "A" and shape
        if shape[0] != (own := settings.rank(match["module"]))
    ]
    if not wrong:
        return None
    module, rank, own = wrong[0]
    return _(
        "has rank {rank} at {module} where its configuration says {own}, {count} times: what it is "
        "to be multiplied by cannot be told. Save it again as PEFT does, with rank_pattern."
    ).format(rank=rank, module=module, own=own, count=len(wrong))


def _is_targeted(module: str, settings: LoraSettings) -> bool:
    """Whether a module, one of the linear layers, is targeted, as PEFT decides it."""
    layers = settings.layers_to_transform
    if isinstance(layers, int):
        layers = [layers]
    if isinstance(layers, list) and layers and _layer(module) not in layers:
        return False
    if _matches(module, settings.exclude_modules):
        return False
    return settings.target_modules == "all-linear" or _matches(module, settings.target_modules)


def _layer(module: str) -> int:
    """The first number in a module's name: model.layers.3.mlp.up_proj is of layer 3."""
    return next(int(part) for part in module.split(".") if part.isdecimal())


def _matches(module: str, targets: Any) -> bool:
    if isinstance(targets, str):
        try:
            return re.fullmatch(targets, module) is not None
        except re.error:
            return False
    listed = targets if isinstance(targets, list) else []
    return any(module == name or module.endswith(f".{name}") for name in listed)
