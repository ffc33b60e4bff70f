"""Which form of a base answers fastest here: its products are timed, once on a machine."""

import hashlib
import json
import logging
import tempfile
import time
from collections.abc import Sequence
from copy import copy
from pathlib import Path

from serving.torch.architecture import GROUPS, Architecture
from serving.torch.linear import Linear, exact_limit
from serving.torch.native.compiler import processor
from serving.torch.native.structures import c_linear

from .build import Form, TorchEngineConfig, numbers_for

logger = logging.getLogger(__name__)

MOST_WIDE = 1 << 30  # [bytes] of a base that may be held in fp32 to be faster
ROWS = (1, 8)  # tokens in a step: one stream, and several
TIMED = 1 << 26  # [bytes] of weights that are timed: more than caches keep
ROUNDS = 3
Times = tuple[float, ...]  # [seconds] of all products of a step, for each of ROWS


def fits_wide(architecture: Architecture) -> bool:
    return 4 * architecture.num_parameters <= MOST_WIDE


def possible_forms(
    architecture: Architecture, config: TorchEngineConfig, compiled: Form | None
) -> list[Form]:
    """What `--precision` allows, `compiled` among it if there is such code. Where nothing else is
    right, fp32."""
    if config.precision not in ("auto", "int8"):
        return [Form(config.precision)]
    if config.device == "cuda" and config.precision == "auto":
        return [Form("nf4")]
    if config.precision == "int8":
        return [compiled or Form("int8")]
    forms = [compiled] if compiled else [Form("int8")] if exact_limit() is not None else []
    if not forms or fits_wide(architecture):
        forms.append(Form("fp32"))
    return forms


def choose(forms: Sequence[Form], architecture: Architecture, folder: Path | None) -> Form:
    """The fastest; what was measured is kept in the folder, so that a second start is the same."""
    if len(forms) == 1:
        return forms[0]
    times = _kept(forms, architecture, folder) or _measure(forms, architecture, folder)
    best = [min(own) for own in zip(*times, strict=True)]
    ratios = [sum(t / b for t, b in zip(own, best, strict=True)) for own in times]
    chosen = forms[ratios.index(min(ratios))]
    told = "; ".join(
        f"{form}: " + ", ".join(f"{1000 * each:.1f}" for each in own)
        for form, own in zip(forms, times, strict=True)
    )
    logger.info("Milliseconds of products for 1 and 8 tokens: %s. Serving in %s", told, chosen)
    return chosen


def time_products(form: Form, architecture: Architecture) -> Times:
    """Of weights of the base's shapes: some layers, and some of the head."""
    import torch

    kind = numbers_for(form.precision, "cpu", form.library is not None).kind
    shapes = architecture.projections
    with torch.inference_mode():
        layer = [
            Linear(
                kind.of(group), torch.randn(sum(shapes[n][0] for n in names), shapes[names[0]][1])
            )
            for group, names in enumerate(GROUPS)
        ]
        copies = min(architecture.num_layers, max(1, TIMED // sum(map(_bytes, layer))))
        layers = [*layer, *(_copy(linear) for _ in range(copies - 1) for linear in layer)]
        rows = min(architecture.vocab_size, TIMED // (4 * architecture.hidden_size))
        head = [Linear(kind.of(None), torch.randn(rows, architecture.hidden_size))]
        return tuple(
            _seconds(layers, form, count) * architecture.num_layers / copies
            + _seconds(head, form, count) * architecture.vocab_size / rows
            for count in ROWS
        )


def _seconds(linears: Sequence[Linear], form: Form, count: int) -> float:
    """The least that all their products have taken."""
    import torch

    inputs = [torch.randn(count, linear.tensors[0].shape[1]) for linear in linears]
    outputs = [torch.empty(count, linear.num_rows) for linear in linears]
    rounds: list[float] = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for linear, own, output in zip(linears, inputs, outputs, strict=True):
            if form.library is None:
                linear.split(own, 0)
            else:
                structure = c_linear(linear, None, [])
                form.library.product(structure, own, output, torch.get_num_threads())
        rounds.append(time.perf_counter() - start)
    return min(rounds)


def _bytes(linear: Linear) -> int:
    return sum(tensor.nbytes for tensor in linear.tensors)


def _copy(linear: Linear) -> Linear:
    copied = copy(linear)
    copied.tensors = tuple(tensor.clone() for tensor in linear.tensors)
    return copied


def _measure(forms: Sequence[Form], architecture: Architecture, folder: Path | None) -> list[Times]:
    times = [time_products(form, architecture) for form in forms]
    if folder is not None:
        kept = {str(form): own for form, own in zip(forms, times, strict=True)}
        _write(_path(folder, forms, architecture), json.dumps(kept))
    return times


def _write(path: Path, content: str) -> None:
    """Whole or not at all; without it, the next start measures again."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            (whole := Path(folder) / path.name).write_text(content, encoding="utf-8")
            whole.replace(path)
    except OSError as error:
        logger.warning("What was measured is not kept (%s)", error)


def _kept(
    forms: Sequence[Form], architecture: Architecture, folder: Path | None
) -> list[Times] | None:
    if folder is None:
        return None
    try:
        kept = json.loads(_path(folder, forms, architecture).read_text(encoding="utf-8"))
        return [tuple(map(float, kept[str(form)])) for form in forms]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _path(folder: Path, forms: Sequence[Form], architecture: Architecture) -> Path:
    """By all that the times depend on."""
    import torch

    codes = [form.library.path.name if form.library else str(form) for form in forms]
    shapes = (architecture.projections, architecture.num_layers, architecture.vocab_size)
    made_of = (codes, shapes, processor(), torch.__version__, torch.get_num_threads())
    return folder / f"times-{hashlib.sha256(repr(made_of).encode()).hexdigest()[:16]}.json"
