"""What a run says of itself before its first step."""

from collections.abc import Iterator

from finetune.bases.base import Base

from .dataset import Dataset
from .going_on.lineage import Lineage
from .plan import Plan


def describe_plan(plan: Plan, dataset: Dataset, base: Base) -> str:
    return (
        f"{dataset.summary.num_trained} conversations to train {base.id} on, "
        f"{dataset.summary.num_held_out} held out to measure with: {plan.num_steps} steps of "
        f"{plan.batch_size} conversations, {plan.num_tokens:,} tokens in all, learning rate "
        f"{plan.learning_rate:.1e}"
    )


def describe_lineage(lineage: Lineage | None, dataset: Dataset) -> Iterator[str]:
    """What becomes of what the adapter before held out and was trained on, a sentence each."""
    if lineage is None:
        return
    summary, parent = dataset.summary, lineage.parent
    yield from lineage.notes
    if (num_found := len(lineage.held_out)) < lineage.num_held_out:
        yield (
            f"Of the {lineage.num_held_out} conversations that {parent} held out, {num_found} are "
            "found: the others measure no longer"
        )
    if dataset.num_left_out:
        yield (
            f"{dataset.num_left_out} conversations that {parent} held out are asked or answered in "
            f"{summary.source}: they measure no longer"
        )
    if dataset.num_corrections:
        yield (
            f"All {dataset.num_corrections} new conversations are trained on, "
            f"{summary.num_replayed} old ones again; {summary.num_held_out} that {parent} held out "
            "measure"
        )
