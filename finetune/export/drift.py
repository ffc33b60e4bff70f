"""What merging does to an adapter: its answer loss before and after, on the same rows.

An adapter trained on 4-bit weights has learnt to make up for their rounding. Merged into 16 bits
it meets other weights, and is itself rounded to them.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.wording import _
from finetune.bases.base import Base, load_model
from finetune.hardware import free_memory, pick_device, wide_precision
from finetune.training.loss import answer_loss
from finetune.training.peft_model import load_adapter

from .yardstick import Yardstick

logger = logging.getLogger(__name__)

MAX_TOKENS = 1024  # packed into one forward pass
LITTLE, MUCH = 0.01, 0.05  # of the loss


@dataclass(frozen=True, slots=True)
class Drift:
    """Losses in nats per answer token; each model was loaded from disk."""

    base: float  # in 16 bits, without the adapter
    trained: float | None  # on the 4-bit base; None where it was not trained on one
    unmerged: float  # on the 16-bit base
    merged: float
    precision: str  # that the 16-bit ones were computed in
    measured_on: str

    @property
    def before(self) -> float:
        return self.unmerged if self.trained is None else self.trained

    @property
    def change(self) -> float:
        """The share of itself by which the loss has grown."""
        return self.merged / self.before - 1

    @property
    def losses(self) -> dict[str, float]:
        """The losses in the order of the way from base to merged model."""
        rows = {"16-bit base alone": self.base}
        if self.trained is not None:
            rows["4-bit base with the adapter, as it was trained"] = self.trained
        return rows | {"16-bit base with the adapter": self.unmerged, "merged": self.merged}

    @property
    def words(self) -> str:
        """The drift in words, for a person who has never heard of it."""
        higher = _(
            "Merging changed the answer loss from {before:.3f} to {after:.3f} ({change:.1%} "
            "higher; lower is better)."
        )
        lower = _(
            "Merging changed the answer loss from {before:.3f} to {after:.3f} ({change:.1%} lower; "
            "lower is better)."
        )
        said = (higher if self.change > 0 else lower).format(
            before=self.before, after=self.merged, change=abs(self.change)
        )
        return " ".join((said, *self._shares, self._verdict))

    @property
    def _shares(self) -> Iterator[str]:
        if self.trained is not None:
            yield _(
                "Of that, {leaving:+.1%} comes from leaving the 4-bit weights that it was trained "
                "on, {rounding:+.1%} from rounding the sum to 16 bits."
            ).format(
                leaving=self.unmerged / self.trained - 1, rounding=self.merged / self.unmerged - 1
            )

    @property
    def _verdict(self) -> str:
        if self.change <= LITTLE:
            return _("The merged model answers at least as well as the adapter did, or nearly so.")
        if self.change <= MUCH:
            return _("The merged model is a little worse than the adapter on its own base.")
        return _(
            "That is much. Serve the adapter beside its 4-bit base instead, or train it again with "
            "--set quantize=none before merging."
        )


def measure_drift(
    base: Base, adapter: Path, merged: Path, yardstick: Yardstick, *, was_trained_in_4_bits: bool
) -> Drift:
    """Load one model after the other, so that never two are in memory."""
    device = pick_device()
    wide = wide_precision(device)
    trained = None
    if was_trained_in_4_bits:
        logger.info(_("Measuring the adapter on the 4-bit base …"))
        model = load_adapter(load_model(base, "nf4", device), adapter)
        model.train()  # or bitsandbytes repacks the weights and computes otherwise than in training
        trained = _loss(model, yardstick, device)
        del model
        free_memory(device)
    told = _("Measuring it on the 16-bit base, computed in {precision} …")
    logger.info("%s", told.format(precision=wide))
    model = load_adapter(load_model(base, wide, device), adapter)
    unmerged = _loss(model, yardstick, device)
    with model.disable_adapter():
        alone = _loss(model, yardstick, device)
    del model
    free_memory(device)
    logger.info(_("Measuring the merged model …"))
    after = _loss(load_model(Base("merged", merged), wide, device), yardstick, device)
    return Drift(alone, trained, unmerged, after, wide, yardstick.words)


def _loss(model: Any, yardstick: Yardstick, device: str) -> float:
    return answer_loss(model, yardstick.rows, MAX_TOKENS, device).per_token
