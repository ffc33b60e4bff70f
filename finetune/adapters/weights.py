"""An adapter's weights: what they add to its base's, for whoever computes with them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.wording import _
from finetune.errors import AdapterInvalid

from .files import WEIGHTS_FILE
from .header import Shape, read_shapes
from .lora import read_lora
from .tensor_names import USUAL

Tensors = dict[str, Any]  # by name, torch's or numpy's


@dataclass(frozen=True, slots=True)
class LoraPair:
    """What is added to one weight: factor · B · A."""

    a: Any  # [rank, in]
    b: Any  # [out, rank]
    factor: float  # alpha / rank, or what takes its place

    @property
    def rank(self) -> int:
        return len(self.a)


def misfit(name: str, a: Shape | None, b: Shape | None, sizes: tuple[int, int]) -> str | None:
    """What is wrong with A and B for a layer of (out, in) features; None: nothing."""
    out_features, in_features = sizes
    rank = a[0] if a else 0
    if rank > 0 and a == (rank, in_features) and b == (out_features, rank):
        return None
    return _(
        "does not fit the base: at {name} A is {a} and B {b}, where A [rank, {columns}] and B "
        "[{rows}, rank] belong."
    ).format(name=name, a=a, b=b, columns=in_features, rows=out_features)


def load_tensors(path: Path) -> Tensors:
    """Load a file's tensors in torch. Raises SafetensorError."""
    from safetensors.torch import load

    # Not mapped: who reads a mapped file that somebody cuts short is killed by the system.
    return load(path.read_bytes())


def read_tensors(path: Path, load: Callable[[Path], Tensors] = load_tensors) -> Tensors:
    """What `load` makes of a safetensors file. Raises AdapterInvalid."""
    from safetensors import SafetensorError

    try:
        return load(path)
    except SafetensorError as error:
        read_shapes(path)  # says it in more words, where it can
        raise AdapterInvalid.in_file(path, f"cannot be read: {error}") from error


def read_pairs(folder: Path, load: Callable[[Path], Tensors] = load_tensors) -> dict[str, LoraPair]:
    """Read the pairs by the name of the weight that each changes, as the file has them. Raises
    AdapterInvalid."""
    settings, path = read_lora(folder), folder / WEIGHTS_FILE
    sides: dict[str, Tensors] = {}
    for name, tensor in read_tensors(path, load).items():
        match = USUAL.fullmatch(name)
        if match is None:
            raise AdapterInvalid.in_file(path, f"holds {name}, which is no LoRA weight.")
        if tensor.ndim != 2 or 0 in tensor.shape:
            problem = f"does not fit a base: {name} is {tuple(tensor.shape)}."
            raise AdapterInvalid.in_file(path, problem)
        sides.setdefault(match["module"], {})[match["side"]] = tensor
    if halves := [module for module, pair in sides.items() if len(pair) < 2]:
        raise AdapterInvalid.in_file(path, f"holds A or B alone for {halves[0]}.")
    if not sides:
        raise AdapterInvalid.in_file(path, "holds nothing.")
    return {
        f"{module}.weight": LoraPair(pair["A"], pair["B"], settings.scale(module, len(pair["A"])))
        for module, pair in sides.items()
    }
