"""Which form of a base answers fastest here: its products are timed, once on a machine."""

import hashlib
import json
import logging
import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager, nullcontext
from copy import copy
from functools import partial
from math import inf
from operator import mul
from pathlib import Path

from finetune.free_cores import busiest_core, usable_cores
from serving.torch.architecture import GROUPS, Architecture
from serving.torch.linear import Linear, exact_limit
from serving.torch.native.forward import can_run
from serving.torch.native.kept import processor
from serving.torch.native.library import Library
from serving.torch.native.structures import c_linear

from .build import Form, TorchEngineConfig, numbers_for

logger = logging.getLogger(__name__)

MOST_WIDE = 1 << 30  # [bytes] of a base that may be held in fp32 to be faster
ROWS = (1, 8)  # tokens in a step: one stream, and several
TIMED = 1 << 26  # [bytes] of weights that are timed: more than caches keep
BUSY = 0.5  # of a core, by others
HEADS = 16  # parts of the head, none so long that it never runs undisturbed
ROUNDS = 3
Times = tuple[float, ...]  # [seconds] of all products of a step, for each of ROWS


def fits_wide(architecture: Architecture) -> bool:
    return 4 * architecture.num_parameters <= MOST_WIDE


def can_compile(architecture: Architecture, config: TorchEngineConfig) -> bool:
    """Whether int8 or int4 is wanted, and is computed by our code."""
    is_whole = config.device == "cpu" and config.precision in ("auto", "int8", "int4")
    return is_whole and can_run(architecture)


def compiled_form(config: TorchEngineConfig, library: Library | None) -> Form | None:
    if library is None:
        return None
    return Form("int4" if config.precision == "int4" else "int8", library)


def can_wait(architecture: Architecture, config: TorchEngineConfig) -> bool:
    """Whether another form answers well enough until code is compiled."""
    is_right = exact_limit() is not None or config.precision == "auto"
    return is_right and config.precision != "int4" and fits_wide(architecture)


def possible_forms(
    architecture: Architecture, config: TorchEngineConfig, compiled: Form | None
) -> list[Form]:
    """What `--precision` allows, `compiled` among it if there is such code. Where nothing else is
    right, fp32."""
    if config.precision not in ("auto", "int8", "int4"):
        return [Form(config.precision)]
    if config.device == "cuda" and config.precision == "auto":
        return [Form("nf4")]
    if config.precision != "auto":
        return [compiled or Form(config.precision)]
    forms = [compiled] if compiled else [Form("int8")] if exact_limit() is not None else []
    if not forms or fits_wide(architecture):
        forms.append(Form("fp32"))
    return forms


def choose(forms: Sequence[Form], architecture: Architecture, folder: Path | None) -> Form:
    """The fastest; what was measured is kept in the folder, so that a second start is the same.

    Beside busy programs one thread is timed, for threads that wait for one another would tell how
    the cores are shared; and it is not kept.
    """
    if len(forms) == 1:
        return forms[0]
    times = _kept(forms, architecture, folder)
    if times is None:
        if is_busy := busiest_core() > BUSY:
            logger.info("Other programs are busy: one thread is timed, and at the next start again")
        with _threads(1) if is_busy else nullcontext():
            times = time_products(forms, architecture)
        if not is_busy:
            _keep(forms, times, architecture, folder)
    best = [min(own) for own in zip(*times, strict=True)]
    ratios = [sum(t / b for t, b in zip(own, best, strict=True)) for own in times]
    told = "; ".join(
        f"{form}: " + ", ".join(f"{1000 * each:.1f}" for each in own)
        for form, own in zip(forms, times, strict=True)
    )
    logger.info("The fastest is taken (milliseconds for 1 and for 8 tokens at once): %s", told)
    return forms[ratios.index(min(ratios))]


@contextmanager
def _threads(count: int) -> Generator[None]:
    """Have this thread compute with so many threads in the block."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def time_products(forms: Sequence[Form], architecture: Architecture) -> list[Times]:
    """Time products with weights of the base's shapes: some layers, and some of the head.

    Each product counts with the least that it took, of all rounds and copies: beside busy programs
    a whole step is never undisturbed, and a product between two turns of theirs is.
    """
    import torch

    with torch.inference_mode():
        timed = [Products(form, architecture) for form in forms]
        for _ in range(ROUNDS):
            for own in timed:
                own.run()
    return [own.times() for own in timed]


class Products:
    """Weights like those of a base in one form."""

    def __init__(self, form: Form, architecture: Architecture) -> None:
        import torch

        kind = numbers_for(form.precision, "cpu", form.library).kind
        shapes, hidden = architecture.projections, architecture.hidden_size
        layer = [
            Linear(kind.of(group), [torch.randn(*shapes[name]) for name in names])
            for group, names in enumerate(GROUPS)
        ]
        copies = min(architecture.num_layers, max(1, TIMED // sum(map(_bytes, layer))))
        rows = min(architecture.vocab_size, TIMED // (4 * hidden * HEADS))
        head = Linear(kind.of(None), [torch.randn(rows, hidden)])
        self._library = form.library
        self._linears = [_copy(each) for _ in range(copies) for each in layer]
        self._linears += [_copy(head) for _ in range(HEADS)]
        self._needed = [architecture.num_layers] * len(layer) + [architecture.vocab_size / rows]
        self._places = [*range(len(layer))] * copies + [len(layer)] * HEADS
        self._least = {count: [inf] * len(self._needed) for count in ROWS}

    def run(self) -> None:
        for count, least in self._least.items():
            for place, linear in zip(self._places, self._linears, strict=True):
                least[place] = min(least[place], self._seconds(linear, count))

    def times(self) -> Times:
        """What all of the base's take."""
        return tuple(sum(map(mul, self._needed, least)) for least in self._least.values())

    def _seconds(self, linear: Linear, count: int) -> float:
        import torch

        inputs = torch.randn(count, linear.tensors[0].shape[1])
        compute = partial(linear.split, inputs, 0)
        if self._library is not None:
            output = torch.empty(count, linear.num_rows)
            structure, threads = c_linear(linear, None, []), torch.get_num_threads()
            compute = partial(self._library.product, structure, inputs, output, threads)
        start = time.perf_counter()
        compute()
        return time.perf_counter() - start


def _bytes(linear: Linear) -> int:
    return sum(tensor.nbytes for tensor in linear.tensors)


def _copy(linear: Linear) -> Linear:
    copied = copy(linear)
    copied.tensors = tuple(tensor.clone() for tensor in linear.tensors)
    return copied


def _keep(
    forms: Sequence[Form], times: Sequence[Times], architecture: Architecture, folder: Path | None
) -> None:
    """Whole or not at all; without it, the next start measures again."""
    if folder is None:
        return
    kept = {str(form): own for form, own in zip(forms, times, strict=True)}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as place:
            (whole := Path(place) / "times.json").write_text(json.dumps(kept), encoding="utf-8")
            whole.replace(_path(folder, forms, architecture))
    except OSError as error:
        logger.warning("What was measured is not kept (%s)", error)


def _kept(
    forms: Sequence[Form], architecture: Architecture, folder: Path | None
) -> list[Times] | None:
    if folder is None:
        return None
    try:
        kept = json.loads(_path(folder, forms, architecture).read_text(encoding="utf-8"))
        times = [tuple(map(float, kept[str(form)])) for form in forms]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    are_right = all(len(own) == len(ROWS) and all(0 < t < inf for t in own) for own in times)
    return times if are_right else None


def _path(folder: Path, forms: Sequence[Form], architecture: Architecture) -> Path:
    """The file of times, named by what they depend on."""
    import torch

    codes = [form.library.path.name if form.library else str(form) for form in forms]
    shapes = (architecture.projections, architecture.num_layers, architecture.vocab_size)
    allowed = (torch.backends.cpu.get_cpu_capability(), exact_limit(), usable_cores())
    made_of = (codes, shapes, processor(), torch.__version__, allowed, ROWS, TIMED, HEADS)
    return folder / f"times-{hashlib.sha256(repr(made_of).encode()).hexdigest()[:16]}.json"
