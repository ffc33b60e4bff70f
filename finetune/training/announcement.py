"""What a run says of itself before its first step."""

from collections.abc import Iterator

from data.wording import _
from finetune.bases.base import Base

from .dataset import Dataset
from .going_on.lineage import Lineage
from .plan import Plan


def describe_plan(plan: Plan, dataset: Dataset, base: Base) -> str:
    """How much is trained on, and how; corrections may need fewer steps."""
    usual = _(
        "{trained} conversations to train {base} on, {held_out} held out to measure with: {steps} "
        "steps of {batch} conversations, {tokens:,} tokens in all, learning rate {rate:.1e}"
    )
    until_learned = _(
        "{trained} corrections to train {base} on until they are answered word for word: at most "
        "{steps} steps of {batch} conversations, {tokens:,} tokens in all, learning rate {rate:.1e}"
    )
    return (until_learned if plan.num_corrections else usual).format(
        trained=dataset.summary.num_trained,
        base=base.id,
        held_out=dataset.summary.num_held_out,
        steps=plan.num_steps,
        batch=plan.batch_size,
        tokens=plan.num_tokens,
        rate=plan.learning_rate,
    )


def describe_start(plan: Plan, device: str, core: str, done: int = 0) -> str:
    """Where and by what it computes, and how many steps, some of which may be done already."""
    if done:
        told = _("Going on after step {done} of {count}, with {core}")
    elif device == "cpu":
        told = _("Training on the CPU with {core}: {count} steps")
    else:
        told = _("Training on the GPU with {core}: {count} steps")
    return told.format(done=done, count=plan.num_steps, core=core)


def describe_lineage(lineage: Lineage | None, dataset: Dataset) -> Iterator[str]:
    """What becomes of what the adapter before held out and was trained on, a sentence each."""
    if lineage is None:
        return
    summary, parent = dataset.summary, lineage.parent
    yield from lineage.notes
    if (num_found := len(lineage.held_out)) < lineage.num_held_out:
        yield _(
            "Of the {total} conversations that {parent} held out, {found} are found: the others "
            "measure no longer"
        ).format(total=lineage.num_held_out, parent=parent, found=num_found)
    if dataset.num_left_out:
        yield _(
            "{count} conversations that {parent} held out are asked or answered in {source}: they "
            "measure no longer"
        ).format(count=dataset.num_left_out, parent=parent, source=summary.source)
    if dataset.num_corrections:
        yield _(
            "All {count} new conversations are trained on, {old} old ones again; {held_out} that "
            "{parent} held out measure"
        ).format(
            count=dataset.num_corrections,
            old=summary.num_replayed,
            held_out=summary.num_held_out,
            parent=parent,
        )
