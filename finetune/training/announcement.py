"""What a run says of itself before its first step."""

from collections.abc import Iterator

from finetune.bases.base import Base

from .dataset import Dataset
from .lineage import Lineage
from .plan import Plan


def describe_plan(plan: Plan, dataset: Dataset, base: Base) -> str:
    return (
        f"{dataset.summary.num_trained} conversations to train on, {dataset.summary.num_held_out} "
        f"held out; {plan.num_steps} steps of {plan.batch_size} on {base.id}, "
        f"{plan.num_tokens:,} tokens, learning rate {plan.learning_rate:.1e}"
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
