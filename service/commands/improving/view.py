"""What a round of improvement has come to, and the ledger, for a person or a program."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from data.local_time import local_time
from data.retelling import retell
from data.wording import N_, _
from finetune.improving.correction import ENOUGH
from finetune.improving.decision import abstain_for_few
from service.commands.streams import json_text
from service.improving.improvement import Outcome
from service.improving.ledger import What, Written
from service.improving.plan import Plan
from service.telemetry.logs import printable

TITLES: Mapping[str, tuple[str, str]] = {
    "promote": (N_("Promoted."), "bold green"),
    "refuse": (N_("Refused."), "bold red"),
    "abstain": (N_("Too early to tell."), "bold yellow"),
}
SHARED = N_("Better."), "bold green"
WHAT: Mapping[What, str] = {
    "promote": N_("promoted"),
    "refuse": N_("refused"),
    "abstain": N_("too early to tell"),
    "override": N_("promoted by a person"),
    "share": N_("given a share"),
    "moved": N_("chosen by a person"),
    "rollback": N_("rolled back"),
    "forget": N_("data removed"),
}
NOTHING = N_("Nothing was decided yet. `lora-chat improve ADAPTER` begins.")


def print_plan(plan: Plan, console: Console) -> None:
    for line in _planned(plan):
        console.print(Text(line), soft_wrap=True)


def _planned(plan: Plan) -> Iterator[str]:
    if (count := len(plan.made.measuring)) < ENOUGH:
        yield from map(retell, abstain_for_few(count).reasons)
    yield _("{served} goes on with {count} accepted items, {new} of them new.").format(
        served=plan.served, count=len(plan.corrections), new=plan.num_new
    )
    yield _(
        "Trained: {rows} conversations, {count} accepted items among them; measured with: {out}."
    ).format(rows=len(plan.made.trained), count=plan.count("trained"), out=len(plan.made.measuring))
    if plan.num_unusable:
        yield _("Left out: {count} (too long, or in an order that cannot be trained).").format(
            count=plan.num_unusable
        )
    for why, count in plan.made.left_out.items():
        yield _("Left out: {count} ({why}).").format(count=count, why=_(why))


def print_outcome(outcome: Outcome, console: Console) -> None:
    decision = outcome.decision
    title, style = SHARED if outcome.is_shared else TITLES[decision.outcome]
    first, *others = map(retell, decision.reasons)
    console.print(Text.assemble((_(title), style), f" {first}"), soft_wrap=True)
    for reason in others:
        console.print(Text(f"  {reason}"), soft_wrap=True)
    for line in _situation(outcome):
        console.print(Text(line), soft_wrap=True)


def _situation(outcome: Outcome) -> Iterator[str]:
    name = outcome.served.name
    if outcome.is_shared:
        yield _(
            "{candidate} answers a share of the requests, {served} the others; ten ratings of each "
            "decide. To decide now: lora-chat adapters promote {candidate}, or lora-chat adapters "
            "share {name} 0%"
        ).format(candidate=outcome.candidate, served=outcome.served, name=name)
    elif outcome.decision.outcome == "promote":
        yield _(
            "{name} means {candidate} now. Back with: lora-chat adapters promote {served}"
        ).format(name=name, candidate=outcome.candidate, served=outcome.served)
    else:
        yield _("{name} still means {served}.").format(name=name, served=outcome.served)
    if outcome.round is not None:
        if outcome.decision.outcome != "promote":
            yield _(
                "The candidate is {candidate}; to promote it all the same: lora-chat improve "
                "{name} --override REASON"
            ).format(candidate=outcome.candidate, name=name)
        yield _("Both versions side by side: {path}").format(
            path=outcome.round.report / "report.html"
        )


def print_entries(entries: Sequence[Written], console: Console, *, wants_json: bool) -> None:
    if wants_json:
        console.out(json_text({"ledger": [*map(asdict, entries)]}, indent=2), highlight=False)
        return
    if not entries:
        console.print(_(NOTHING), soft_wrap=True)
        return
    table = Table(
        Column(_("when"), no_wrap=True),
        Column(_("decided"), overflow="fold"),
        Column(_("of"), overflow="fold"),
        Column(_("why"), overflow="fold", ratio=1),
        box=None,
        pad_edge=False,
        collapse_padding=True,
    )
    for entry in entries:
        reasons = entry.told.get("reasons", ())
        why = "\n".join(reasons if entry.what == "override" else map(retell, reasons))
        of = entry.after or entry.before or entry.adapter
        shown = map(printable, (_(WHAT[entry.what]), of))
        table.add_row(
            local_time(entry.created), *shown, Text("\n".join(map(printable, why.splitlines())))
        )
    console.print(table)
