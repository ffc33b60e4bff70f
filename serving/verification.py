"""Whether an adapter version is whole, unchanged, right for its base and servable here."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from data.local_time import local_time
from finetune.adapters.added_tokens import added_tokens
from finetune.adapters.files import CARD_FILE, CONFIG_FILE, TEMPLATE_FILE, WEIGHTS_FILE
from finetune.adapters.fit import Fit, wrong_ranks
from finetune.adapters.header import Shape
from finetune.adapters.other_forms import other_form
from finetune.adapters.tensor_names import USUAL, tensor_of
from finetune.adapters.trained_base import check_base, find_trained_base
from finetune.adapters.version import AdapterVersion
from finetune.adapters.weights import Tensors, read_tensors
from finetune.bases.base import Base
from finetune.bases.fingerprint import Fingerprint
from finetune.errors import AdapterInvalid, FinetuneError

from .adapters.store import AdapterStore
from .engine import AdapterRef
from .errors import ServingError
from .torch.architecture import Architecture, read_architecture
from .torch.lora_weights import load_lora

NO_CARD = f"no {CARD_FILE}: a bare PEFT folder, so there is nothing to compare with"
COPY_AGAIN = "Copy the folder again from where it was made, or train again."
MAX_SHOWN = 3  # names in a message


@dataclass(frozen=True, slots=True)
class Verdict:
    check: str
    passed: bool | None  # None: an earlier check has failed that this one builds on
    said: str
    fix: str = ""  # where it has failed, or is doubtful
    is_doubtful: bool = False  # passed, and somebody should know of it


@dataclass(frozen=True, slots=True)
class Doubt:
    """What a check says that has passed, where the adapter may not be what was wanted."""

    said: str
    fix: str


class Subject:
    """One adapter version, and the base that it is checked against."""

    def __init__(self, version: AdapterVersion, base: str | None, home: Path) -> None:
        self.version = version
        self._base = base
        self._home = home

    @cached_property
    def tensors(self) -> Tensors:
        return read_tensors(self.version.folder / WEIGHTS_FILE)  # as the server reads them

    @property
    def shapes(self) -> dict[str, Shape]:
        return {name: tuple(tensor.shape) for name, tensor in self.tensors.items()}

    @cached_property
    def base(self) -> Base:
        return find_trained_base(self.version, self._base, self._home)

    @cached_property
    def fingerprint(self) -> Fingerprint:
        return self.base.fingerprint

    @cached_property
    def fit(self) -> Fit:
        return Fit(self.base)

    @cached_property
    def architecture(self) -> Architecture:
        return read_architecture(self.base.folder)

    @cached_property
    def ref(self) -> AdapterRef:
        store = AdapterStore(self._home / "adapters", self.fingerprint, self.fit)
        _, ((ref, _),) = store.resolve(str(self.version))
        return ref


@dataclass(frozen=True, slots=True)
class Check:
    """`run` says what it found; it raises where that is wrong."""

    name: str
    run: Callable[[Subject], str | Doubt]
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
        found = check.run(subject)
    except (FinetuneError, ServingError, OSError) as error:
        return Verdict(check.name, False, " ".join(str(error).split()), check.fix)
    if isinstance(found, Doubt):
        return Verdict(check.name, True, found.said, found.fix, is_doubtful=True)
    return Verdict(check.name, True, found)


def _files(subject: Subject) -> str:
    folder = subject.version.folder
    expected = [WEIGHTS_FILE, CONFIG_FILE]
    if (folder / CARD_FILE).is_file():
        expected += [CARD_FILE, *([TEMPLATE_FILE] if _brings_template(subject) else [])]
    if missing := [name for name in expected if not (folder / name).is_file()]:
        known = other_form(folder) if WEIGHTS_FILE in missing else None
        listed = ", ".join(missing)
        said = f": {known}" if known else f". {COPY_AGAIN}"
        raise AdapterInvalid(f"lacks {listed}{said}", folder)
    return ", ".join(expected)


def _brings_template(subject: Subject) -> bool:
    try:
        card = subject.version.card
        return card is not None and card.chat_template_sha256 != ""
    except AdapterInvalid:  # which another check says
        return True


def _card(subject: Subject) -> str:
    card = subject.version.card
    if card is None:
        return NO_CARD
    if card.imported is None:
        return f"{card.name}, made {local_time(card.created)}"
    notes = " ".join(("", *card.imported.notes))
    return f"{card.name}, imported {local_time(card.created)} from {card.imported.source}.{notes}"


def _hashes(subject: Subject) -> str:
    card = subject.version.card
    if card is None:
        return NO_CARD
    if not card.sha256:
        return "the card has none: an older lora-chat wrote it"
    if changed := card.changed_files(subject.version.folder):
        writer = "import" if card.imported else "training"
        raise AdapterInvalid(f"{', '.join(changed)} changed after the {writer} wrote it.")
    return f"as written: {', '.join(card.sha256)}"


def _kind(subject: Subject) -> str:
    lora = subject.version.settings
    return f"{'rsLoRA' if lora.use_rslora else 'plain LoRA'}, rank {lora.r}"


def _tensors(subject: Subject) -> str:
    wrong = [name for name, tensor in subject.tensors.items() if not tensor.isfinite().all()]
    if wrong:
        raise AdapterInvalid(
            f"{len(wrong)} of {len(subject.tensors)} tensors hold values that are no numbers or "
            f"infinite, {wrong[0]} among them."
        )
    return f"{len(subject.tensors)}, all readable and finite"


def _ranks(subject: Subject) -> str:
    if wrong := wrong_ranks(subject.version.settings, subject.shapes):
        raise AdapterInvalid(wrong, subject.version)
    return "those that the configuration says"


def _effect(subject: Subject) -> str | Doubt:
    """Whether anything is added to any weight."""
    if not any(_has_effect(name, subject) for name in subject.tensors):
        alpha = subject.version.settings.lora_alpha
        why = "alpha is 0" if not alpha else "A or B is zero in every layer"
        return Doubt(f"none: {why}, and it answers as the base does", "Train it again.")
    return "it changes what the base answers"


def _has_effect(name: str, subject: Subject) -> bool:
    match = USUAL.fullmatch(name)
    if match is None:
        return True  # of something else, which another check refuses
    halves = [subject.tensors.get(tensor_of(match["module"], side)) for side in "AB"]
    settings = subject.version.settings
    scale = settings.scale(match["module"], settings.r)
    return bool(scale) and all(half is None or bool(half.any()) for half in halves)


def _template(subject: Subject) -> str:
    card = subject.version.card
    if card is None:
        return NO_CARD
    if not card.chat_template_sha256:
        return "none of its own: the base's is used"
    found = hashlib.sha256((subject.version.folder / TEMPLATE_FILE).read_bytes()).hexdigest()
    if found != card.chat_template_sha256:
        raise AdapterInvalid(f"{TEMPLATE_FILE} is not the one that the adapter was trained with.")
    return "the one that it was trained with"


def _base(subject: Subject) -> str | Doubt:
    check_base(subject.version, subject.base)
    card = subject.version.card
    if card is None:
        return f"{subject.base.id}; {NO_CARD}"
    done, to = card.origin
    said = f"{subject.base.id}, the one that it was {done} {to}"
    named = card.imported.named_base if card.imported else None
    try:
        subject.fit.check_name(subject.version, named)
    except FinetuneError:
        fix = "Whoever imported it accepted that."
        return Doubt(f"{said}, although its configuration names {named!r}", fix)
    return said


def _engine(subject: Subject) -> str:
    return f"the torch engine runs {subject.architecture.config.model_type} models"


def _fit(subject: Subject) -> str:
    version = subject.version
    subject.fit.check_tensors(version, version.settings, subject.shapes)
    ref = AdapterRef(version.name, version.number, "", version.folder)
    weights = load_lora(ref, subject.architecture)
    return f"every tensor has its place and its shape in the base: {len(weights.pairs)} pairs"


def _complete(subject: Subject) -> str:
    if missing := subject.fit.missing(subject.version.settings, subject.tensors):
        more = " …" if len(missing) > MAX_SHOWN else ""
        raise AdapterInvalid(
            f"It was to be trained on {len(missing)} modules that it has no tensors for, "
            f"{', '.join(missing[:MAX_SHOWN])}{more}: it was not saved whole, or is a part."
        )
    return "every module that was to be trained has its tensors"


def _tokens(subject: Subject) -> str | Doubt:
    card, folder = subject.version.card, subject.version.folder
    imported = card.imported if card else None
    vocabulary = subject.base.tokenizer.get_vocab()
    added = imported.added_tokens if imported else added_tokens(folder, vocabulary)
    if not added:
        return "its tokenizer adds none to the base's"
    shown = ", ".join(added[:MAX_SHOWN])
    return Doubt(
        f"its tokenizer adds {len(added)} to the base's ({shown}), whose embeddings it does not "
        "bring: in prompts they are cut into pieces",
        "Train it again without new tokens.",
    )


def _served(subject: Subject) -> str:
    return f"as {subject.ref}, sha256 {subject.ref.sha256[:12]}…"


CHECKS = (
    Check("files", _files, ""),
    Check("card", _card, COPY_AGAIN),
    Check("hashes", _hashes, COPY_AGAIN, ("files", "card")),
    Check("kind", _kind, "Train it as plain LoRA or rsLoRA.", ("files",)),
    Check("tensors", _tensors, COPY_AGAIN, ("files",)),
    Check("ranks", _ranks, "", ("kind", "tensors")),
    Check("effect", _effect, "", ("kind", "tensors")),
    Check("template", _template, COPY_AGAIN, ("files", "card")),
    Check("base", _base, "", ("card", "kind")),
    Check("tokens", _tokens, "", ("base",)),
    Check("engine", _engine, "Choose a base of one of these families.", ("base",)),
    Check(
        "fit",
        _fit,
        "Give its own base with --base, or train again.",
        ("tensors", "ranks", "engine"),
    ),
    Check("complete", _complete, COPY_AGAIN, ("fit",)),
    Check("served", _served, "Mend that and verify again.", ("template", "fit")),
)
