"""Which model a request means: the base, an adapter or a blend, pinned to versions."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from data.chat import ChatRenderer, Tokenizer
from data.writing.plain_marks import OnMarks
from finetune.adapters.card import AdapterCard, SamplingDefaults
from finetune.adapters.version import AdapterVersion
from serving.adapters.notation import parse_model
from serving.adapters.store import AdapterStore
from serving.engine import Blend
from serving.errors import BlendError, ModelNotFound

from .accounts.caller import current_caller
from .adapters.adapters import file_name
from .api.generation_request import LoraChoice
from .api.protocol import ModelCard, TrainedOn
from .errors import InvalidRequest

UNCHANGED = SamplingDefaults()
LATEST = ":latest"  # Ollama's clients write it behind a name that has no tag


@dataclass(frozen=True, slots=True)
class ResolvedModel:
    """What a request's model means at this moment, and what its adapters bring along."""

    pinned: str  # names the exact versions
    blend: Blend
    renderer: ChatRenderer
    system: str | None = None
    sampling: SamplingDefaults = UNCHANGED
    disclaimer: str | None = None


class Models:
    """Resolves models' names against the adapters that are there now."""

    def __init__(
        self,
        base_id: str,
        tokenizer: Tokenizer,
        store: AdapterStore,
        plain_marks: OnMarks = "refuse",
    ) -> None:
        self.base_id = base_id
        self.tokenizer = tokenizer
        self.store = store
        self._plain_marks: OnMarks = plain_marks
        self._renderers: dict[str | None, ChatRenderer] = {}  # by template; None: the base's
        self._created = int(time.time())

    def resolve(self, model: str, loras: Sequence[LoraChoice] = ()) -> ResolvedModel:
        """Find what `model` means, with `loras` on it if it is the base. Reads files.

        Raises ModelNotFound, BlendError, AdapterRefused, InvalidRequest or TemplateError.
        """
        model = model.removesuffix(LATEST)
        if model != self.base_id:
            if loras:
                raise InvalidRequest(
                    f"Name the adapters in 'model' or in 'lora', not in both: 'lora' needs the "
                    f"model {self.base_id!r}.",
                    "lora",
                )
            return self._resolve_adapters(model)
        if loras:
            return self._resolve_adapters("+".join(f"{lora.name}:{lora.scale}" for lora in loras))
        self._check_base()
        return ResolvedModel(self.base_id, (), self._renderer(None))

    def decode(self, token_ids: Sequence[int]) -> str:
        """The tokens as text, for logs."""
        return str(self.tokenizer.decode(list(token_ids)))

    def list_cards(self, context_length: int) -> list[ModelCard]:
        """The base, then every adapter's promoted version. Reads files."""
        may_use = current_caller.get().may_use
        bases = [self._base_card(context_length)] if may_use(self.base_id) else []
        entries = self.list_entries()
        return [*bases, *(self._card(entry.name, [entry], context_length) for entry in entries)]

    def list_entries(self) -> list[AdapterVersion]:
        """The promoted versions that the caller may use. Reads files."""
        may_use = current_caller.get().may_use
        return [entry for entry in self.store.entries() if may_use(entry.name)]

    def find_card(self, model: str, context_length: int) -> ModelCard:
        """One model, blends and versions too. Reads files. Raises as `resolve` does."""
        model = model.removesuffix(LATEST)
        if model == self.base_id:
            self._check_base()
            return self._base_card(context_length)
        entries, _ = self._entries(model)
        self._shared_renderer(model, entries)
        return self._card(model, entries, context_length)

    def disclaimers(self, model: ResolvedModel) -> frozenset[str]:
        """The model's own and those of all adapters as they are now. Reads files."""
        each = [_join_disclaimers([entry]) for entry in self.store.entries()]
        return frozenset(filter(None, [model.disclaimer, *each]))

    def _resolve_adapters(self, model: str) -> ResolvedModel:
        entries, blend = self._entries(model)
        renderer = self._shared_renderer(model, entries)
        pinned = "+".join(f"{ref}:{scale:g}" for ref, scale in blend)
        systems = {entry.system for entry in entries}
        samplings = [entry.sampling for entry in entries]
        return ResolvedModel(
            pinned,
            blend,
            renderer,
            system=systems.pop() if len(systems) == 1 else None,
            sampling=samplings[0] if all(s == samplings[0] for s in samplings) else UNCHANGED,
            disclaimer=_join_disclaimers(entries),
        )

    def _entries(self, model: str) -> tuple[list[AdapterVersion], Blend]:
        """As `AdapterStore.resolve`, of the caller's adapters: others do not exist for them."""
        if model.startswith(f"{self.base_id}:"):  # as SGLang names an adapter
            raise self._not_found(model)
        may_use = current_caller.get().may_use
        if not all(may_use(part.name) for part in parse_model(model) or ()):
            raise self._not_found(model)
        try:
            return self.store.resolve(model)
        except ModelNotFound as error:
            raise self._not_found(error.model) from None

    def _not_found(self, model: str) -> ModelNotFound:
        """Told with the names that the caller may use, and no others."""
        may_use = current_caller.get().may_use
        usable = [name for name in self.store.names() if may_use(name)]
        return ModelNotFound(model, usable, self.base_id if may_use(self.base_id) else None)

    def _check_base(self) -> None:
        if not current_caller.get().may_use(self.base_id):
            raise self._not_found(self.base_id)

    def _shared_renderer(self, model: str, entries: Sequence[AdapterVersion]) -> ChatRenderer:
        renderers = [self._renderer(entry.template) for entry in entries]
        if len({renderer.template for renderer in renderers}) > 1:
            raise BlendError(
                f"The adapters of {model!r} were trained with different chat templates, so no "
                "prompt suits them all. Ask them one by one."
            )
        return renderers[0]

    def _renderer(self, template: str | None) -> ChatRenderer:
        if template not in self._renderers:
            self._renderers[template] = ChatRenderer(self.tokenizer, template, self._plain_marks)
        return self._renderers[template]

    def _base_card(self, context_length: int) -> ModelCard:
        return ModelCard(id=self.base_id, created=self._created, max_model_len=context_length)

    def _card(
        self, model: str, entries: Sequence[AdapterVersion], context_length: int
    ) -> ModelCard:
        only = entries[0] if len(entries) == 1 else None
        return ModelCard(
            id=model,
            created=max(entry.created for entry in entries),
            parent=self.base_id,
            version=only and only.number,
            max_model_len=context_length,
            trained_on=_trained_on(only.card) if only and only.card else None,
            disclaimer=_join_disclaimers(entries),
        )


def _join_disclaimers(entries: Sequence[AdapterVersion]) -> str | None:
    """Each one once: all that had a part in an answer are answered for."""
    given = [(entry.disclaimer or "").strip() for entry in entries]
    return "\n".join(dict.fromkeys(filter(None, given))) or None


def _trained_on(card: AdapterCard) -> TrainedOn | None:
    return card.data and TrainedOn(
        base=card.base.id,
        data=file_name(card.data.source),
        num_conversations=card.data.num_conversations,
    )
