"""Whether an adapter version is whole, unchanged, right for its base and servable here."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from finetune.adapters.card import CARD_FILE, TEMPLATE_FILE, AdapterCard, read_card
from finetune.adapters.lora import CONFIG_FILE, WEIGHTS_FILE, read_lora
from finetune.adapters.trained_base import find_trained_base
from finetune.adapters.versions import Version
from finetune.bases.base import Base
from finetune.bases.fingerprint import Fingerprint
from finetune.errors import AdapterInvalid, BaseMismatch, FinetuneError

from .adapters.store import AdapterStore
from .engine import AdapterRef
from .errors import ServingError
from .torch.architecture import Architecture, read_architecture
from .torch.lora_weights import load_lora

NO_CARD = f"no {CARD_FILE}: a bare PEFT folder, so there is nothing to compare with"
COPY_AGAIN = "Copy the folder again from where it was made, or train again."


@dataclass(frozen=True, slots=True)
class Verdict:
    check: str
    passed: bool | None  # None: an earlier check has failed that this one builds on
    said: str
    fix: str = ""  # where it has failed


class Subject:
    """One adapter version, and the base that it is checked against."""

    def __init__(self, version: Version, base: str | None, home: Path) -> None:
        self.version = version
        self.folder = version.folder
        self._base = base
        self._home = home

    @cached_property
    def card(self) -> AdapterCard | None:
        return read_card(self.folder)

    @cached_property
    def tensors(self) -> dict[str, Any]:
        from safetensors import SafetensorError
        from safetensors.torch import load

        try:
            return load((self.folder / WEIGHTS_FILE).read_bytes())  # as the server reads them
        except SafetensorError as error:
            raise AdapterInvalid(f"{WEIGHTS_FILE} cannot be read: {error}") from error

    @cached_property
    def base(self) -> Base:
        return find_trained_base(self.folder, self._base, self._home)

    @cached_property
    def fingerprint(self) -> Fingerprint:
        return self.base.fingerprint

    @cached_property
    def architecture(self) -> Architecture:
        return read_architecture(self.base.folder)

    @cached_property
    def ref(self) -> AdapterRef:
        store = AdapterStore(self._home / "adapters", self.fingerprint)
        _, ((ref, _),) = store.resolve(str(self.version))
        return ref


@dataclass(frozen=True, slots=True)
class Check:
    """`run` says what it found; it raises where that is wrong."""

    name: str
    run: Callable[[Subject], str]
    fix: str  # empty where the message has it
    needs: tuple[str, ...] = ()  # other checks


def verify(subject: Subject) -> list[Verdict]:
    """Every check, in an order in which each builds on earlier ones."""
    verdicts: dict[str, Verdict] = {}
    for check in CHECKS:
        failed = [name for name in check.needs if not verdicts[name].passed]
        if failed:
            said = f"not checked, because of: {', '.join(failed)}"
            verdicts[check.name] = Verdict(check.name, None, said)
        else:
            verdicts[check.name] = _run(check, subject)
    return list(verdicts.values())


def _run(check: Check, subject: Subject) -> Verdict:
    try:
        return Verdict(check.name, True, check.run(subject))
    except (FinetuneError, ServingError, OSError) as error:
        return Verdict(check.name, False, " ".join(str(error).split()), check.fix)


def _files(subject: Subject) -> str:
    expected = [WEIGHTS_FILE, CONFIG_FILE]
    if (subject.folder / CARD_FILE).is_file():
        expected += [CARD_FILE, TEMPLATE_FILE]
    if missing := [name for name in expected if not (subject.folder / name).is_file()]:
        raise AdapterInvalid(f"{subject.folder} lacks {', '.join(missing)}.")
    return ", ".join(expected)


def _card(subject: Subject) -> str:
    card = subject.card
    return f"{card.name}, made {card.created:%Y-%m-%d}" if card else NO_CARD


def _hashes(subject: Subject) -> str:
    if subject.card is None:
        return NO_CARD
    if not subject.card.sha256:
        return "the card has none: an older lora-chat wrote it"
    if changed := subject.card.changed_files(subject.folder):
        raise AdapterInvalid(f"{', '.join(changed)} changed after the training wrote it.")
    return f"as written: {', '.join(subject.card.sha256)}"


def _kind(subject: Subject) -> str:
    lora = read_lora(subject.folder)
    return f"{'rsLoRA' if lora.use_rslora else 'plain LoRA'}, rank {lora.r}"


def _tensors(subject: Subject) -> str:
    wrong = [name for name, tensor in subject.tensors.items() if not tensor.isfinite().all()]
    if wrong:
        raise AdapterInvalid(
            f"{len(wrong)} of {len(subject.tensors)} tensors hold values that are no numbers or "
            f"infinite, {wrong[0]} among them."
        )
    return f"{len(subject.tensors)}, all readable and finite"


def _template(subject: Subject) -> str:
    if subject.card is None:
        return NO_CARD
    found = hashlib.sha256((subject.folder / TEMPLATE_FILE).read_bytes()).hexdigest()
    if found != subject.card.chat_template_sha256:
        raise AdapterInvalid(f"{TEMPLATE_FILE} is not the one that the adapter was trained with.")
    return "the one that it was trained with"


def _base(subject: Subject) -> str:
    fingerprint = subject.fingerprint
    if subject.card is None:
        return f"{subject.base.id}; {NO_CARD}"
    if found := subject.card.base.fingerprint.differences(fingerprint):
        raise BaseMismatch(
            f"It was trained on {subject.card.base.id!r}, not on {subject.base.id!r}: "
            f"{'; '.join(found)}. Give that one with --base."
        )
    return f"{subject.base.id}, the one that it was trained on"


def _engine(subject: Subject) -> str:
    return f"the torch engine runs {subject.architecture.config.model_type} models"


def _fit(subject: Subject) -> str:
    ref = AdapterRef(subject.version.name, subject.version.number, "", subject.folder)
    weights = load_lora(ref, subject.architecture)
    return f"every tensor has its place and its shape in the base: {len(weights.pairs)} pairs"


def _served(subject: Subject) -> str:
    return f"as {subject.ref}, sha256 {subject.ref.sha256[:12]}…"


CHECKS = (
    Check("files", _files, COPY_AGAIN),
    Check("card", _card, COPY_AGAIN),
    Check("hashes", _hashes, COPY_AGAIN, ("files", "card")),
    Check("kind", _kind, "Train it as plain LoRA or rsLoRA.", ("files",)),
    Check("tensors", _tensors, COPY_AGAIN, ("files",)),
    Check("template", _template, COPY_AGAIN, ("files", "card")),
    Check("base", _base, "", ("card", "kind")),
    Check("engine", _engine, "Choose a base of one of these families.", ("base",)),
    Check("fit", _fit, "Give its own base with --base, or train again.", ("tensors", "engine")),
    Check("served", _served, "Mend that and verify again.", ("template", "fit")),
)
