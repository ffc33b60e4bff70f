"""What /v1/models tells of the base and of each adapter."""

import time
from collections.abc import Sequence

from finetune.adapters.card import AdapterCard
from finetune.adapters.version import AdapterVersion
from service.accounts.caller import current_caller
from service.adapters.adapters import file_name
from service.models import FineTunedModel, Models, join_disclaimers

from .protocol import ModelCard, TrainedOn


class ModelCards:
    def __init__(self, models: Models) -> None:
        self._models = models
        self._created = int(time.time())  # the base's: since when it is served

    def list(self, context_length: int) -> list[ModelCard]:
        """The base, every adapter's promoted version, and the checkpoints of jobs that go on, of
        those that the caller may use. Reads files."""
        base = self._models.base_id
        bases = [self._of_base(context_length)] if current_caller.get().may_use(base) else []
        entries = self._models.list_entries()
        adapters = [self._of(entry.name, [entry], context_length) for entry in entries]
        checkpoints = self._models.list_checkpoints()
        return [*bases, *adapters, *(self._of_job(each, context_length) for each in checkpoints)]

    def find(self, model: str, context_length: int) -> ModelCard:
        """One model, blends and versions too. Reads files. Raises as `Models.resolve` does."""
        if (found := self._models.find_fine_tuned(model)) is not None:
            return self._of_job(found, context_length)
        entries = self._models.find_entries(model)
        if not entries:
            return self._of_base(context_length)
        return self._of(self._models.plain_name(model), entries, context_length)

    def _of_base(self, context_length: int) -> ModelCard:
        base = self._models.base_id
        return ModelCard(id=base, created=self._created, max_model_len=context_length)

    def _of_job(self, found: FineTunedModel, context_length: int) -> ModelCard:
        return self._of(found.id, [found.entry], context_length, found.checkpoint_of)

    def _of(
        self,
        model: str,
        entries: Sequence[AdapterVersion],
        context_length: int,
        checkpoint_of: str | None = None,
    ) -> ModelCard:
        only = entries[0] if len(entries) == 1 else None
        return ModelCard(
            id=model,
            created=max(entry.created for entry in entries),
            parent=self._models.base_id,
            version=only and only.number,
            max_model_len=context_length,
            trained_on=_trained_on(only.card) if only and only.card else None,
            disclaimer=join_disclaimers(entries),
            checkpoint_of=checkpoint_of,
        )


def _trained_on(card: AdapterCard) -> TrainedOn | None:
    return card.data and TrainedOn(
        base=card.base.id,
        data=file_name(card.data.source),
        num_conversations=card.data.num_conversations,
    )
