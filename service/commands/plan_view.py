"""`lora-chat finetune --dry-run`: what a run would do, and where each value comes from."""

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table
from rich.text import Text

from finetune.rehearsal import Rehearsal
from finetune.training.config import Origins, TrainConfig
from finetune.training.plan import Plan, origins_of

GIB = 1 << 30
CHOSEN = ("learning_rate", "dropout", "epochs", "batch_size")  # by the plan where nobody says


def print_plan(
    config: TrainConfig, origins: Origins, rehearsal: Rehearsal, console: Console
) -> None:
    console.print(_pairs(_work(rehearsal)))
    table = Table("option", "value", "from", box=None)
    for key, value in _values(config, rehearsal.plan):
        if value is not None and value != {}:
            table.add_row(key, Text(str(value)), Text(_origin(key, config, origins, rehearsal)))
    console.print(table)
    console.print("Nothing was trained. Leave out --dry-run to train.")


def _work(rehearsal: Rehearsal) -> Iterator[tuple[str, str]]:
    plan, summary = rehearsal.plan, rehearsal.dataset.summary
    yield "conversations", f"{summary.num_trained} to train on, {summary.num_held_out} held out"
    if summary.num_replayed:
        yield "older ones", f"{summary.num_replayed}, trained on again"
    if summary.num_mixed_in:
        yield "everyday ones", f"{summary.num_mixed_in}, mixed in"
    if summary.num_shortened:
        yield "too long", f"{summary.num_shortened}, which lose their oldest turns"
    yield "tokens", f"{plan.num_tokens:,}, of which {rehearsal.num_trained_tokens:,} are trained"
    yield "steps", f"{plan.num_steps}, with {len(plan.eval_steps)} evaluations"
    yield "speed", f"{rehearsal.tokens_per_second:,.0f} tokens a second, measured here and now"
    minutes = (rehearsal.training_seconds + rehearsal.evaluation_seconds) / 60
    yield "time", f"about {minutes:,.1f} minutes"
    yield "report", f"about {rehearsal.report_seconds / 60:,.1f} minutes more (--report)"
    yield "memory", f"about {rehearsal.memory_bytes / GIB:.1f} GiB"


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
    return origins_of(config, len(rehearsal.dataset.rows)).get(key, "default")


def _pairs(rows: Iterator[tuple[str, str]]) -> Table:
    table = Table("", "", show_header=False, box=None)
    table.columns[0].style = "bold"
    for row in rows:
        table.add_row(*row)
    return table
