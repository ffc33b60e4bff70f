"""What a new round of an adapter's improvement would train and measure with."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from data.chat import ChatRenderer
from data.conversation import Conversation
from data.errors import DataError
from data.wording import _
from finetune.adapters.trained_base import find_trained_base
from finetune.adapters.version import AdapterVersion
from finetune.errors import ConfigError
from finetune.export.yardstick import config_of
from finetune.improving.correction import Correction, Side, assign
from finetune.improving.training_set import TrainingSet, as_read, make_set
from finetune.training.config import TrainConfig
from finetune.training.going_on.lineage import Lineage, find_lineage
from finetune.training.rows import build_rows, with_system
from service.feedback.item import FeedbackItem
from service.feedback.using import correction_of


@dataclass(frozen=True, slots=True)
class Plan:
    served: AdapterVersion
    corrections: Sequence[Correction]
    sides: Mapping[str, Side]
    num_new: int  # corrections that no version was trained on or measured with
    num_unusable: int  # that the template refuses, or that are too long
    lineage: Lineage
    made: TrainingSet

    def count(self, side: Side) -> int:
        return [*self.sides.values()].count(side)


def plan_round(home: Path, served: AdapterVersion, items: Sequence[FeedbackItem]) -> Plan:
    """Divide what was accepted, in its order, and join it to what the served version was trained
    on. Raises ConfigError where that is not known or not found, and BaseMismatch."""
    if served.card is None:
        told = _("{adapter} was not trained here: what it was trained on is not known")
        raise ConfigError(told.format(adapter=served), [_("train it with finetune first")])
    base = find_trained_base(served, None, home)
    config = config_of(served.card)
    renderer = ChatRenderer(base.tokenizer, plain_marks=config.plain_marks)
    lineage = find_lineage(served, home / "runs", renderer)
    corrections = [*_usable(map(correction_of, items), renderer, config)]
    sides = assign(corrections, lineage.held_out)
    num_new = sum(each.side is None for each in corrections)
    num_unusable = len(items) - len(corrections)
    made = make_set(lineage, corrections, sides)
    return Plan(served, corrections, sides, num_new, num_unusable, lineage, made)


def _usable(
    corrections: Iterator[Correction], renderer: ChatRenderer, config: TrainConfig
) -> Iterator[Correction]:
    """Those that are read, rendered and short enough, as training will read them; without a wrong
    answer that is not."""

    def is_rendered(conversation: Conversation) -> bool:
        try:
            build_rows(with_system([conversation], config.system), renderer, config.max_tokens)
        except DataError:
            return False
        return True

    for each in corrections:
        right = as_read(each.right)
        if right is None or not is_rendered(right):
            continue
        if right.rejected and not is_rendered(right.with_rejected):
            right = replace(right, rejected=())
        yield replace(each, right=right)
