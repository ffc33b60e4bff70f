"""Which model a request means: the base, an adapter or a blend, pinned to versions."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from data.chat import ChatRenderer, Tokenizer
from data.writing.plain_marks import OnMarks
from finetune.adapters.card import SamplingDefaults
from finetune.adapters.version import AdapterVersion
from finetune.adapters.versions import NAME
from serving.adapters.notation import FineTuned, parse_fine_tuned, parse_model
from serving.adapters.store import AdapterStore
from serving.engine import Blend
from serving.errors import BlendError, ModelNotFound

from .accounts.caller import current_caller
from .errors import InvalidRequest, ModelGone

UNCHANGED = SamplingDefaults()
Scaled = tuple[str, float]  # an adapter's name, which may have a version, and its scale
Found = TypeVar("Found")
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


@dataclass(frozen=True, slots=True)
class FineTunedModel:
    """What a fine-tuning job has made so far."""

    id: str  # in OpenAI's form
    entry: AdapterVersion
    checkpoint_of: str | None = None  # the job that goes on; None: its result


class FineTunedModels(Protocol):
    """Knows what names in OpenAI's form mean. Asks a database and reads files."""

    def find(self, asked: FineTuned) -> FineTunedModel:
        """Raises ModelNotFound, AdapterRefused or StateUnavailable."""
        ...

    def version(self, asked: FineTuned) -> str:
        """The name@version, whether its files are whole or damaged. Raises as `find` does, but for
        AdapterRefused."""
        ...

    def checkpoints(self) -> list[FineTunedModel]:
        """Those that can be asked now, of the jobs that the caller may see."""
        ...


class NoFineTunedModels:
    """The fine-tuned models of a server that knows of no jobs: none."""

    def find(self, asked: FineTuned) -> FineTunedModel:
        raise ModelNotFound(str(asked), [])

    def version(self, asked: FineTuned) -> str:
        raise ModelNotFound(str(asked), [])

    def checkpoints(self) -> list[FineTunedModel]:
        return []


class Models:
    """Resolves models' names against the adapters that are there now."""

    def __init__(
        self,
        base_id: str,
        tokenizer: Tokenizer,
        store: AdapterStore,
        plain_marks: OnMarks = "refuse",
        fine_tuned: FineTunedModels | None = None,
    ) -> None:
        self.base_id = base_id
        self.tokenizer = tokenizer
        self.store = store
        self._plain_marks: OnMarks = plain_marks
        self._fine_tuned = fine_tuned or NoFineTunedModels()
        self._renderers: dict[str | None, ChatRenderer] = {}  # by template; None: the base's

    def resolve(
        self, model: str, loras: Sequence[Scaled] = (), said: str | None = None
    ) -> ResolvedModel:
        """Find what `model` means, with `loras` on it if it is the base. Reads files.

        `said` is what a conversation begins with: by that a version may have its share of them.

        Raises ModelNotFound, BlendError, AdapterRefused, InvalidRequest, TemplateError or
        StateUnavailable.
        """
        model = self.plain_name(model)
        if model != self.base_id:
            if loras:
                raise InvalidRequest(
                    f"Name the adapters in 'model' or in 'lora', not in both: 'lora' needs the "
                    f"model {self.base_id!r}.",
                    "lora",
                )
            return self._with_adapters(model, *self._entries(self._shared_out(model, said)))
        if loras:
            blend = "+".join(f"{name}:{scale}" for name, scale in loras)
            return self._with_adapters(blend, *self._blend(blend))
        self._check_base()
        return ResolvedModel(self.base_id, (), self._renderer(None))

    def decode(self, token_ids: Sequence[int]) -> str:
        """The tokens as text, for logs."""
        return str(self.tokenizer.decode(list(token_ids)))

    def list_entries(self) -> list[AdapterVersion]:
        """The promoted versions that the caller may use. Reads files."""
        may_use = current_caller.get().may_use
        return [entry for entry in self.store.entries() if may_use(entry.name)]

    def find_entries(self, model: str) -> list[AdapterVersion]:
        """The versions that a model's name means; none for the base. Reads files.

        Raises as `resolve` does.
        """
        model = self.plain_name(model)
        if model == self.base_id:
            self._check_base()
            return []
        entries, _ = self._entries(model)
        self._shared_renderer(model, entries)
        return entries

    def find_fine_tuned(self, model: str) -> FineTunedModel | None:
        """What a name in OpenAI's form means; None for other names. Reads files.

        Raises ModelNotFound, AdapterRefused or StateUnavailable.
        """
        asked = parse_fine_tuned(self.plain_name(model))
        return None if asked is None else self._of_job(asked, self._fine_tuned.find)

    def version(self, model: str) -> str:
        """The name or name@version that a model's name stands for, be its files whole or damaged.

        Raises ModelNotFound, InvalidRequest for a checkpoint, or StateUnavailable.
        """
        asked = parse_fine_tuned(self.plain_name(model))
        if asked is None:
            return model
        found = self._of_job(asked, self._fine_tuned.version)
        if asked.step is not None:
            raise InvalidRequest(
                "Checkpoints are not deleted one by one: they go when their job ends. What it has "
                f"made is {asked.result!r}.",
                "model",
            )
        return found

    def list_checkpoints(self) -> list[FineTunedModel]:
        """Those that can be asked now, of the jobs that the caller may see. Reads files."""
        return self._fine_tuned.checkpoints()

    @staticmethod
    def plain_name(model: str) -> str:
        """The name without what Ollama's clients write behind it."""
        return model.removesuffix(LATEST)

    def disclaimers(self, model: ResolvedModel) -> frozenset[str]:
        """The model's own and those of all adapters as they are now. Reads files."""
        each = [join_disclaimers([entry]) for entry in self.store.entries()]
        return frozenset(filter(None, [model.disclaimer, *each]))

    def _with_adapters(
        self, model: str, entries: Sequence[AdapterVersion], blend: Blend
    ) -> ResolvedModel:
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
            disclaimer=join_disclaimers(entries),
        )

    def _shared_out(self, model: str, said: str | None) -> str:
        """The version that answers a conversation, where two share those of an adapter's name;
        else what was asked for: blends and the like mean what is promoted."""
        if said is None or not NAME.fullmatch(model):
            return model
        share = self.store.share(model)
        if share is None or not share.takes(current_caller.get().owner, said):
            return model
        return f"{model}@{share.version}"

    def _entries(self, model: str) -> tuple[list[AdapterVersion], Blend]:
        """Raises as `resolve` does."""
        if (found := self.find_fine_tuned(model)) is not None:
            return [found.entry], ((self.store.pin(found.entry), 1.0),)
        return self._blend(model)

    def _of_job(self, asked: FineTuned, find: Callable[[FineTuned], Found]) -> Found:
        """What is found, if it is the caller's: other adapters do not exist for them."""
        if not current_caller.get().may_use(asked.name):
            raise self._not_found(str(asked))
        try:
            return find(asked)
        except ModelGone:
            raise
        except ModelNotFound as error:
            raise self._not_found(error.model) from None

    def _blend(self, model: str) -> tuple[list[AdapterVersion], Blend]:
        """What `AdapterStore.resolve` finds of the caller's adapters: others do not exist for
        them."""
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


def join_disclaimers(entries: Sequence[AdapterVersion]) -> str | None:
    """Each one once: all that had a part in an answer are answered for."""
    given = [(entry.disclaimer or "").strip() for entry in entries]
    return "\n".join(dict.fromkeys(filter(None, given))) or None
