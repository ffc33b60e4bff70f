"""`lora-chat finetune --dry-run`: what a run or a sweep would do, and why."""

from collections.abc import Iterator, Mapping, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from finetune.hardware import GIB
from finetune.rehearsal import Rehearsal
from finetune.sweep import show
from finetune.training.config import Origins, TrainConfig
from finetune.training.plan import Plan, origins_of

HOUR = 3600  # [seconds]
CHOSEN = ("learning_rate", "dropout", "epochs", "batch_size")  # by the plan where nobody says
NOTHING_DONE = "Nothing was trained. Leave out --dry-run to train."


def print_plan(
    config: TrainConfig, origins: Origins, rehearsal: Rehearsal, console: Console
) -> None:
    console.print(_pairs(_work(config, rehearsal)))
    table = Table("option", "value", "from", box=None)
    for key, value in _values(config, rehearsal.plan):
        if value is not None and value != {}:
            table.add_row(key, Text(str(value)), Text(_origin(key, config, origins, rehearsal)))
    console.print(table)
    console.print(NOTHING_DONE)


def print_sweep_plan(
    points: Sequence[Mapping[str, object]], rehearsals: Sequence[Rehearsal], console: Console
) -> None:
    """The time of each run, and of all."""
    table = Table("run", "values", "steps", "time", box=None)
    for number, (values, each) in enumerate(zip(points, rehearsals, strict=True), start=1):
        steps = f"{each.plan.num_steps:,}"
        table.add_row(str(number), Text(show(dict(values))), steps, _time(each.seconds))
    console.print(table)
    total = sum(each.seconds for each in rehearsals)
    report = max(each.report_seconds for each in rehearsals)
    console.print(
        f"{len(points)} runs take {_time(total)} in all, and the report of the best "
        f"{_time(report)} more. A run whose held-out loss falls no more ends sooner.",
        soft_wrap=True,
    )
    console.print(NOTHING_DONE)


def _work(config: TrainConfig, rehearsal: Rehearsal) -> Iterator[tuple[str, str]]:
    plan, summary = rehearsal.plan, rehearsal.dataset.summary
    yield "conversations", f"{summary.num_trained} to train on, {summary.num_held_out} held out"
    if config.from_adapter:
        yield from _line(config.from_adapter, rehearsal)
    if summary.num_replayed:
        yield "older ones", f"{summary.num_replayed}, trained on again"
    if summary.num_mixed_in:
        yield "everyday ones", f"{summary.num_mixed_in}, mixed in"
    if summary.num_shortened:
        yield "too long", f"{summary.num_shortened}, which lose their oldest turns"
    yield "tokens", f"{plan.num_tokens:,}, of which {rehearsal.num_trained_tokens:,} are trained"
    yield "steps", f"{plan.num_steps}, with {len(plan.eval_steps)} evaluations"
    yield "speed", f"{rehearsal.tokens_per_second:,.0f} tokens a second, measured here and now"
    yield "time", _time(rehearsal.seconds)
    yield "report", f"{_time(rehearsal.report_seconds)} more (--report)"
    yield "memory", f"about {rehearsal.memory_bytes / GIB:.1f} GiB"


def _line(parent: str, rehearsal: Rehearsal) -> Iterator[tuple[str, str]]:
    """What is taken over from the adapter that the run goes on from."""
    dataset = rehearsal.dataset
    yield "goes on from", parent
    measure = f"{dataset.summary.num_inherited} of those held out are {parent}'s own"
    yield "measured on", f"{measure}; {dataset.num_left_out} more are asked now, and left out"
    if dataset.num_corrections:
        yield "ends", "when every new answer is learned, at the latest after all steps"


def _time(seconds: float) -> str:
    if seconds < 2 * HOUR:
        return f"about {seconds / 60:,.1f} minutes"
    return f"about {seconds / HOUR:,.1f} hours"


def _values(config: TrainConfig, plan: Plan) -> Iterator[tuple[str, object]]:
    for key, value in config.model_dump(mode="json", exclude={"sampling", "alpha"}).items():
        yield key, getattr(plan, key) if key in CHOSEN else value
    sampling = config.sampling.model_dump(exclude_none=True)
    yield "sampling", ", ".join(f"{key} {value}" for key, value in sampling.items()) or None
    yield "alpha", config.effective_alpha
    yield "warmup_steps", plan.warmup_steps


def _origin(key: str, config: TrainConfig, origins: Origins, rehearsal: Rehearsal) -> str:
    if key in origins:
        return origins[key]
    if config.from_adapter and key in config.model_fields_set:
        return config.from_adapter  # handed down
    dataset = rehearsal.dataset
    rules = origins_of(config, len(dataset.rows), dataset.num_corrections)
    return rules.get(key, "default")


def _pairs(rows: Iterator[tuple[str, str]]) -> Table:
    table = Table("", "", show_header=False, box=None)
    table.columns[0].style = "bold"
    for row in rows:
        table.add_row(*row)
    return table
