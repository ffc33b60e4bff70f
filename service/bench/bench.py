"""`lora-chat bench`: the same load on one server, or on two to compare them."""

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import SystemRandom

import httpx
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn
from rich.text import Text

from service.commands.streams import json_text
from service.errors import ServerRefused

from .figures import Sitting, as_json, print_tables
from .load import Load, Target, list_models, measure
from .measurement import Measurement

NO_ADAPTER = "none"
MAX_SEED = 1_000_000


@dataclass(frozen=True, slots=True)
class BenchSide:
    """A server, and what to ask it for; where nothing is said, every model that it lists."""

    url: str
    models: tuple[str, ...] = ()
    loras: tuple[tuple[int, ...], ...] = ()  # llama-server's numbers, one tuple for each target

    async def targets(self, api_key: str | None) -> tuple[Target, ...]:
        """Raises ServerRefused."""
        models = self.models or await list_models(self.url, api_key)
        if self.loras:
            return tuple(Target(models[0], lora_ids) for lora_ids in self.loras)
        return tuple(Target(model) for model in models)


def parse_sides(
    url: str,
    models: str | None = None,
    baseline: str | None = None,
    baseline_models: str | None = None,
    baseline_lora_ids: str | None = None,
) -> list[BenchSide]:
    """Read the options of the same names. Raises typer.BadParameter."""
    sides = [BenchSide(_parse_url("--url", url), _parse_names("--models", models))]
    names = _parse_names("--baseline-models", baseline_models)
    loras = _parse_lora_ids("--baseline-lora-ids", baseline_lora_ids)
    if names and loras:
        raise typer.BadParameter(
            "name its models or number its adapters, not both",
            param_hint="--baseline-models and --baseline-lora-ids",
        )
    if baseline is not None:
        return [*sides, BenchSide(_parse_url("--baseline", baseline), names, loras)]
    if names or loras:
        raise typer.BadParameter("its URL is missing", param_hint="--baseline")
    return sides


def _parse_url(option: str, text: str) -> str:
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL as error:
        raise typer.BadParameter(f"{text!r}: {error}", param_hint=option) from error
    if url.scheme not in ("http", "https") or not url.host:
        raise typer.BadParameter(
            f"a URL such as http://127.0.0.1:8000 is expected, not {text!r}", param_hint=option
        )
    return text


def _parse_names(option: str, text: str | None) -> tuple[str, ...]:
    if text is None:
        return ()
    names = tuple(name.strip() for name in text.split(","))
    if not all(names):
        raise typer.BadParameter(f"a name is empty in {text!r}", param_hint=option)
    return names


def _parse_lora_ids(option: str, text: str | None) -> tuple[tuple[int, ...], ...]:
    words = _parse_names(option, text)
    for word in words:
        if word != NO_ADAPTER and not (word.isascii() and word.isdigit()):
            raise typer.BadParameter(
                f"an adapter's number or {NO_ADAPTER!r} is expected, not {word!r}",
                param_hint=option,
            )
    return tuple(() if word == NO_ADAPTER else (int(word),) for word in words)


def check_pace(concurrency: int | None, rate: float | None) -> None:
    """Raises typer.BadParameter."""
    if rate is None:
        return
    if not 0 < rate < math.inf:
        raise typer.BadParameter(f"a number above 0 is expected, not {rate:g}", param_hint="--rate")
    if concurrency is not None:
        raise typer.BadParameter(
            "a rate sends requests however many are running: leave one of them out",
            param_hint="--rate and --concurrency",
        )


def choose_seed() -> int:
    """A new one, so that no cache of a server holds the prompts of an earlier run."""
    return SystemRandom().randrange(MAX_SEED)


def run(
    sides: Sequence[BenchSide],
    load: Load,
    *,
    wants_json: bool = False,
    out: Console | None = None,
    err: Console | None = None,
) -> None:
    """Put the load on one server after the other; the answer alone goes to `out`.

    Whom `load` asks for what is taken from the sides.

    Raises ServerRefused where a server is not there, or answered no request.
    """
    out = out or Console()
    sittings = asyncio.run(_measure_all(sides, load, err or Console(stderr=True)))
    if wants_json:
        out.out(json_text(as_json(sittings), indent=2), highlight=False)
    else:
        print_tables(sittings, out)
    for sitting in sittings:
        if not sitting.measurement.answers:
            fault = sitting.measurement.faults[0]
            raise ServerRefused(
                f"Every request to {sitting.load.url} failed: {fault.kind}: {fault.example}"
            )


async def _measure_all(sides: Sequence[BenchSide], load: Load, err: Console) -> list[Sitting]:
    # All models first: a baseline that is not there should not cost a measurement.
    targets = [await side.targets(load.api_key) for side in sides]
    loads = [
        replace(load, url=side.url, targets=asked)
        for side, asked in zip(sides, targets, strict=True)
    ]
    return [Sitting(each, await _measure(each, err)) for each in loads]


async def _measure(load: Load, err: Console) -> Measurement:
    err.print(Text(f"Measuring {load.url}: {_describe(load)}"), soft_wrap=True)
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task("", total=load.num_requests)
        return await measure(load, lambda num_ended: bar.update(task, completed=num_ended))


def _describe(load: Load) -> str:
    pace = f"{load.concurrency} at a time" if load.rate is None else f"{load.rate:g} a second"
    return f"{load.num_requests} requests, {pace}, seed {load.seed}"
