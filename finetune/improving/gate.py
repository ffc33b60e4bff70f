"""The gate: a candidate beside the version that is served, and what is decided of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from data.conversation import Conversation
from data.wording import _
from finetune.adapters.card import DataSummary
from finetune.adapters.trained_base import find_trained_base
from finetune.adapters.version import AdapterVersion
from finetune.eval_job import side_of
from finetune.evaluation.effort import OnWork
from finetune.evaluation.report import Report
from finetune.evaluation.sides import Pair
from finetune.export.yardstick import config_of
from finetune.hardware import pick_device
from finetune.training.rows import without_system

from .correction import Correction
from .decision import Decision, decide
from .figures import GateMaterial, measure


@dataclass(frozen=True, slots=True)
class Verdict:
    decision: Decision
    report: Report


def judge_candidate(
    served: AdapterVersion,
    candidate: AdapterVersion,
    corrections: Sequence[Correction],
    held_out: Sequence[Conversation],
    home: Path,
    announce: Callable[[str], None],
    on_work: OnWork = lambda *_: None,
) -> Verdict:
    """Measure both versions on the corrections, whose sides are set, and on what the line held out
    before. Raises DataError or FinetuneError."""
    base = find_trained_base(candidate, None, home)
    before, after = side_of(served, base), side_of(candidate, base)
    config = config_of(candidate.card)
    announce(_("Loading {base}").format(base=base.id))
    pair = Pair(base, before, after, pick_device(), config.micro_batch_tokens)
    asked = without_system([each.right for each in corrections], after.system)
    material = GateMaterial(
        [replace(each, right=right) for each, right in zip(corrections, asked, strict=True)],
        without_system(held_out, after.system),
    )
    figures = measure(pair, material, announce, on_work)
    assert figures.measured is not None
    num_measuring = figures.measured.unseen.num_rows
    card = candidate.card
    report = Report(
        name=str(candidate),
        base_id=base.id,
        baseline=before.name,
        data=card.data
        if card and card.data
        else DataSummary(
            source="",
            sha256="",
            num_conversations=num_measuring,
            num_trained=0,
            num_held_out=num_measuring,
        ),
        measured=figures.measured,
        disclaimer=candidate.disclaimer,
    )
    return Verdict(decide(figures), report)
