"""`lora-chat finetune --dry-run`: what a run or a sweep would do, and why."""

from collections.abc import Iterator, Mapping, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from data.wording import N_, _
from finetune.hardware import GIB
from finetune.rehearsal import Rehearsal
from finetune.sweep import show
from finetune.training.config import Origins
from finetune.training.plan import origins_of

HOUR = 3600  # [seconds]
CHOSEN = ("learning_rate", "dropout", "epochs", "batch_size")  # by the plan where nobody says
NOTHING_DONE = N_("Nothing was trained. Leave out --dry-run to train.")


def print_plan(origins: Origins, rehearsal: Rehearsal, console: Console) -> None:
    console.print(_pairs(_work(rehearsal)))
    table = Table(_("option"), _("value"), _("from"), box=None)
    for key, value in _values(rehearsal):
        if value is not None and value != {}:
            table.add_row(key, Text(str(value)), Text(_origin(key, origins, rehearsal)))
    console.print(table)
    console.print(_(NOTHING_DONE))


def print_sweep_plan(
    points: Sequence[Mapping[str, object]], rehearsals: Sequence[Rehearsal], console: Console
) -> None:
    """The time of each run, and of all."""
    table = Table(_("run"), _("values"), _("steps"), _("time"), box=None)
    for number, (values, each) in enumerate(zip(points, rehearsals, strict=True), start=1):
        steps = f"{each.plan.num_steps:,}"
        table.add_row(str(number), Text(show(dict(values))), steps, _time(each.seconds))
    console.print(table)
    total = sum(each.seconds for each in rehearsals)
    report = max(each.report_seconds for each in rehearsals)
    told = _(
        "{count} runs take {time} in all, and the report of the best {report} more. A run whose "
        "held-out loss falls no more ends sooner."
    ).format(count=len(points), time=_time(total), report=_time(report))
    console.print(told, soft_wrap=True)
    console.print(_(NOTHING_DONE))


def _work(rehearsal: Rehearsal) -> Iterator[tuple[str, str]]:
    summary = rehearsal.dataset.summary
    yield (
        _("conversations"),
        _("{trained} to train on, {held_out} held out").format(
            trained=summary.num_trained, held_out=summary.num_held_out
        ),
    )
    if parent := rehearsal.prepared.config.from_adapter:
        yield from _line(parent, rehearsal)
    for name, told, count in (
        (_("older ones"), _("{count}, trained on again"), summary.num_replayed),
        (_("everyday ones"), _("{count}, mixed in"), summary.num_mixed_in),
        (_("too long"), _("{count}, which lose their oldest turns"), summary.num_shortened),
    ):
        if count:
            yield name, told.format(count=count)
    yield from _effort(rehearsal)


def _effort(rehearsal: Rehearsal) -> Iterator[tuple[str, str]]:
    plan = rehearsal.plan
    counted = _("{all:,}, of which {trained:,} are trained")
    yield _("tokens"), counted.format(all=plan.num_tokens, trained=rehearsal.num_trained_tokens)
    steps = _("{steps}, with {evaluations} evaluations")
    yield _("steps"), steps.format(steps=plan.num_steps, evaluations=len(plan.eval_steps))
    if preferences := rehearsal.prepared.preferences:
        yield _("preferences"), preferences.told
    speed = _("{rate:,.0f} tokens a second, measured here and now")
    yield _("speed"), speed.format(rate=rehearsal.tokens_per_second)
    yield _("time"), _time(rehearsal.seconds)
    yield _("report"), _("{time} more (--report)").format(time=_time(rehearsal.report_seconds))
    yield _("memory"), _("about {size:.1f} GiB").format(size=rehearsal.memory_bytes / GIB)


def _line(parent: str, rehearsal: Rehearsal) -> Iterator[tuple[str, str]]:
    """What is taken over from the adapter that the run goes on from."""
    dataset = rehearsal.dataset
    yield _("goes on from"), parent
    measure = _(
        "{count} of those held out are {parent}'s own; {left_out} more are asked now, and left out"
    )
    yield (
        _("measured on"),
        measure.format(
            count=dataset.summary.num_inherited, parent=parent, left_out=dataset.num_left_out
        ),
    )
    if dataset.num_corrections:
        yield _("ends"), _("when every new answer is learned, at the latest after all steps")


def _time(seconds: float) -> str:
    if seconds < 2 * HOUR:
        return _("about {count:,.1f} minutes").format(count=seconds / 60)
    return _("about {count:,.1f} hours").format(count=seconds / HOUR)


def _values(rehearsal: Rehearsal) -> Iterator[tuple[str, object]]:
    config, plan = rehearsal.prepared.config, rehearsal.plan
    hidden = {"sampling", "alpha"}
    if config.learning_rate_multiplier == 1:
        hidden.add("learning_rate_multiplier")
    for key, value in config.model_dump(mode="json", exclude=hidden).items():
        yield key, getattr(plan, key) if key in CHOSEN else value
    sampling = config.sampling.model_dump(exclude_none=True)
    yield "sampling", ", ".join(f"{key} {value}" for key, value in sampling.items()) or None
    yield "alpha", config.effective_alpha
    yield "warmup_steps", plan.warmup_steps


def _origin(key: str, origins: Origins, rehearsal: Rehearsal) -> str:
    config = rehearsal.prepared.config
    if key in origins:
        return _(origins[key])
    if config.from_adapter and key in config.model_fields_set:
        return config.from_adapter  # handed down
    dataset = rehearsal.dataset
    rules = origins_of(config, len(dataset.rows), dataset.num_corrections)
    return rules.get(key, _("default"))


def _pairs(rows: Iterator[tuple[str, str]]) -> Table:
    table = Table("", "", show_header=False, box=None)
    table.columns[0].style = "bold"
    for row in rows:
        table.add_row(*row)
    return table
