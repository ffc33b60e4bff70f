"""Whether an adapter version is whole, unchanged, right for its base and servable here."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from data.local_time import local_time
from data.wording import N_, _
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
from finetune.bases.engines import other_engines
from finetune.bases.fingerprint import Fingerprint
from finetune.errors import AdapterFault, AdapterInvalid, FinetuneError

from .adapters.notation import Part
from .adapters.store import AdapterStore
from .engine import AdapterRef
from .errors import AdapterRefused, ServingError
from .torch.architecture import read_architecture
from .torch.lora_weights import load_lora

COPY_AGAIN = N_("Copy the folder again from where it was made, or train again.")
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

    def told(self, error: FinetuneError | ServingError | OSError) -> str:
        """What is wrong, for whoever asks."""
        return str(error)

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
    def ref(self) -> AdapterRef:
        store = AdapterStore(self._home / "adapters", self.fingerprint, self.fit)
        _name, ((ref, _weight),) = store.resolve(str(self.version))
        return ref


class ServedSubject(Subject):
    """The same as a server sees it that has the base already, and does not look for it again."""

    def __init__(self, version: AdapterVersion, store: AdapterStore) -> None:
        super().__init__(version, None, store.adapters.parent)
        self._store = store

    def told(self, error: FinetuneError | ServingError | OSError) -> str:
        """The same by a name: where the files lie is no client's business."""
        if isinstance(error, AdapterFault | OSError):
            return str(AdapterRefused.of(error, self.version))
        return str(error)

    @cached_property
    def ref(self) -> AdapterRef:
        return self._store.pin(self._store.entry(Part(self.version.name, self.version.number)))


@dataclass(frozen=True, slots=True)
class Check:
    """`run` says what it found; it raises where that is wrong."""

    name: str
    run: Callable[[Subject], str | Doubt]
    fix: str  # empty where the message has it
    needs: tuple[str, ...] = ()  # other checks


def verify(subject: Subject) -> list[Verdict]:
    """Every check, in an order in which each builds on earlier ones."""
    return _verify(subject, CHECKS)


def verify_served(version: AdapterVersion, store: AdapterStore) -> list[Verdict]:
    """The checks that compute nothing and need no base but the one that is served: they may run
    beside answers."""
    return _verify(ServedSubject(version, store), SERVED_CHECKS)


def _verify(subject: Subject, checks: Sequence[Check]) -> list[Verdict]:
    verdicts: dict[str, Verdict] = {}
    for check in checks:
        failed = [name for name in check.needs if not verdicts[name].passed]
        if failed:
            said = _("not checked, because of: {checks}").format(checks=", ".join(failed))
            verdicts[check.name] = Verdict(check.name, None, said)
        else:
            verdicts[check.name] = _run(check, subject)
    return list(verdicts.values())


def _run(check: Check, subject: Subject) -> Verdict:
    try:
        found = check.run(subject)
    except (FinetuneError, ServingError, OSError) as error:
        fix = _(check.fix) if check.fix else ""
        return Verdict(check.name, False, " ".join(subject.told(error).split()), fix)
    if isinstance(found, Doubt):
        return Verdict(check.name, True, found.said, found.fix, is_doubtful=True)
    return Verdict(check.name, True, found)


def _no_card() -> str:
    told = _("no {file}: a bare PEFT folder, so there is nothing to compare with")
    return told.format(file=CARD_FILE)


def _files(subject: Subject) -> str:
    folder = subject.version.folder
    expected = [WEIGHTS_FILE, CONFIG_FILE]
    if (folder / CARD_FILE).is_file():
        expected += [CARD_FILE, *([TEMPLATE_FILE] if _brings_template(subject) else [])]
    if missing := [name for name in expected if not (folder / name).is_file()]:
        known = other_form(folder) if WEIGHTS_FILE in missing else None
        told = _("lacks {files}: {known}") if known else _("lacks {files}. {fix}")
        listed = ", ".join(missing)
        raise AdapterInvalid(told.format(files=listed, known=known, fix=_(COPY_AGAIN)), folder)
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
        return _no_card()
    made = local_time(card.created)
    if card.imported is None:
        return _("{name}, made {time}").format(name=card.name, time=made)
    told = _("{name}, imported {time} from {source}.{notes}")
    notes = " ".join(("", *card.imported.notes))
    return told.format(name=card.name, time=made, source=card.imported.source, notes=notes)


def _hashes(subject: Subject) -> str:
    card = subject.version.card
    if card is None:
        return _no_card()
    if not card.sha256:
        return _("the card has none: an older lora-chat wrote it")
    if changed := card.changed_files(subject.version.folder):
        imported = _("{files} changed after the import wrote it.")
        trained = _("{files} changed after the training wrote it.")
        told = imported if card.imported else trained
        raise AdapterInvalid(told.format(files=", ".join(changed)))
    return _("as written: {files}").format(files=", ".join(card.sha256))


def _kind(subject: Subject) -> str:
    lora = subject.version.settings
    told = _("rsLoRA, rank {rank}") if lora.use_rslora else _("plain LoRA, rank {rank}")
    return told.format(rank=lora.r)


def _tensors(subject: Subject) -> str:
    wrong = [name for name, tensor in subject.tensors.items() if not tensor.isfinite().all()]
    if wrong:
        told = _(
            "{count} of {total} tensors hold values that are no numbers or infinite, {one} among "
            "them."
        )
        total = len(subject.tensors)
        raise AdapterInvalid(told.format(count=len(wrong), total=total, one=wrong[0]))
    return _("{count}, all readable and finite").format(count=len(subject.tensors))


def _ranks(subject: Subject) -> str:
    if wrong := wrong_ranks(subject.version.settings, subject.shapes):
        raise AdapterInvalid(wrong, subject.version)
    return _("those that the configuration says")


def _effect(subject: Subject) -> str | Doubt:
    """Whether anything is added to any weight."""
    if not any(_has_effect(name, subject) for name in subject.tensors):
        said = _("none: A or B is zero in every layer, and it answers as the base does")
        if not subject.version.settings.lora_alpha:
            said = _("none: alpha is 0, and it answers as the base does")
        return Doubt(said, _("Train it again."))
    return _("it changes what the base answers")


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
        return _no_card()
    if not card.chat_template_sha256:
        return _("none of its own: the base's is used")
    found = hashlib.sha256((subject.version.folder / TEMPLATE_FILE).read_bytes()).hexdigest()
    if found != card.chat_template_sha256:
        told = _("{file} is not the one that the adapter was trained with.")
        raise AdapterInvalid(told.format(file=TEMPLATE_FILE))
    return _("the one that it was trained with")


def _base(subject: Subject) -> str | Doubt:
    check_base(subject.version, subject.base)
    card, base = subject.version.card, subject.base.id
    if card is None:
        return f"{base}; {_no_card()}"
    if not card.imported:
        return _("{base}, the one that it was trained on").format(base=base)
    named = card.imported.named_base
    try:
        subject.fit.check_name(subject.version, named)
    except FinetuneError:
        told = _(
            "{base}, the one that it was imported for, although its configuration names {named!r}"
        )
        return Doubt(told.format(base=base, named=named), _("Whoever imported it accepted that."))
    return _("{base}, the one that it was imported for").format(base=base)


def _engine(subject: Subject) -> str:
    told = _("the torch engine runs {kind} models")
    config = subject.base.transformers_config
    return other_engines(config) or told.format(kind=config.model_type)


def _fit(subject: Subject) -> str:
    version = subject.version
    subject.fit.check_tensors(version, version.settings, subject.shapes)
    if other_engines(subject.base.transformers_config) is None:
        ref = AdapterRef(version.name, version.number, "", version.folder)
        load_lora(ref, read_architecture(subject.base.folder))
    told = _("every tensor has its place and its shape in the base: {count} pairs")
    return told.format(count=len(subject.tensors) // 2)


def _complete(subject: Subject) -> str:
    if missing := subject.fit.missing(subject.version.settings, subject.tensors):
        more = " …" if len(missing) > MAX_SHOWN else ""
        told = _(
            "It was to be trained on {count} modules that it has no tensors for, {names}: it was "
            "not saved whole, or is a part."
        )
        names = f"{', '.join(missing[:MAX_SHOWN])}{more}"
        raise AdapterInvalid(told.format(count=len(missing), names=names))
    return _("every module that was to be trained has its tensors")


def _tokens(subject: Subject) -> str | Doubt:
    card, folder = subject.version.card, subject.version.folder
    imported = card.imported if card else None
    vocabulary = subject.base.tokenizer.get_vocab()
    added = imported.added_tokens if imported else added_tokens(folder, vocabulary)
    if not added:
        return _("its tokenizer adds none to the base's")
    told = _(
        "its tokenizer adds {count} to the base's ({tokens}), whose embeddings it does not bring: "
        "in prompts they are cut into pieces"
    )
    said = told.format(count=len(added), tokens=", ".join(added[:MAX_SHOWN]))
    return Doubt(said, _("Train it again without new tokens."))


def _served(subject: Subject) -> str:
    told = _("as {adapter}, sha256 {digest}…")
    return told.format(adapter=subject.ref, digest=subject.ref.sha256[:12])


CHECKS = (
    Check("files", _files, ""),
    Check("card", _card, COPY_AGAIN),
    Check("hashes", _hashes, COPY_AGAIN, ("files", "card")),
    Check("kind", _kind, N_("Train it as plain LoRA or rsLoRA."), ("files",)),
    Check("tensors", _tensors, COPY_AGAIN, ("files",)),
    Check("ranks", _ranks, "", ("kind", "tensors")),
    Check("effect", _effect, "", ("kind", "tensors")),
    Check("template", _template, COPY_AGAIN, ("files", "card")),
    Check("base", _base, "", ("card", "kind")),
    Check("tokens", _tokens, "", ("base",)),
    Check("engine", _engine, "", ("base",)),
    Check(
        "fit",
        _fit,
        N_("Give its own base with --base, or train again."),
        ("tensors", "ranks", "engine"),
    ),
    Check("complete", _complete, COPY_AGAIN, ("fit",)),
    Check("served", _served, N_("Mend that and verify again."), ("template", "fit")),
)
LIGHT = ("files", "card", "hashes", "kind", "template")
SERVED_CHECKS = (
    *(check for check in CHECKS if check.name in LIGHT),
    Check("served", _served, N_("Mend that and verify again."), ("kind", "template")),
)
