"""What a run is made of, decided before its first step."""

import importlib.metadata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from data.chat import ChatRenderer

from .adapters.card import AdapterCard, BaseIdentity
from .bases.base import Base
from .preference.plan import Preferences
from .training.config import TrainConfig
from .training.dataset import Dataset
from .training.going_on.lineage import Lineage
from .training.observer import Observer
from .training.plan import Plan

RECORDED_PACKAGES = ("lora-chat", "torch", "transformers", "peft", "bitsandbytes")


@dataclass(frozen=True, slots=True)
class Prepared:
    """Everything that follows from the options and the data."""

    name: str  # the adapter's
    config: TrainConfig
    device: str
    observer: Observer
    base: Base
    lineage: Lineage | None  # of the adapter to go on from
    renderer: ChatRenderer
    dataset: Dataset
    plan: Plan
    preferences: Preferences | None  # to learn from afterwards

    @property
    def num_later_steps(self) -> int:
        return self.preferences.plan.num_steps if self.preferences else 0

    @property
    def num_later_tokens(self) -> int:
        return self.preferences.plan.num_tokens if self.preferences else 0

    @property
    def num_steps(self) -> int:
        """The steps of both stages."""
        return self.plan.num_steps + self.num_later_steps

    def card(self, metrics: Mapping[str, float], run_id: str = "") -> AdapterCard:
        """The card of what is made of it; the files that the card vouches for are not there yet."""
        config = self.config
        return AdapterCard(
            name=self.name,
            base=BaseIdentity(id=self.base.id, fingerprint=self.base.fingerprint),
            chat_template_sha256=self.renderer.sha256,
            preamble=self.renderer.preamble,
            system=config.system,
            sampling=config.sampling,
            disclaimer=config.disclaimer,
            data=self.dataset.summary,
            config=config.model_dump(mode="json", exclude={"data", "validation", "output_dir"}),
            metrics=dict(metrics),
            versions={name: importlib.metadata.version(name) for name in RECORDED_PACKAGES},
            run=run_id,
            held_out=self.dataset.identities,
            created=datetime.now(UTC),
        )
