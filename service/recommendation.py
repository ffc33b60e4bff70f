"""Which of the known bases to begin with: by a machine's memory and speed, and by a language."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from data.checking.language import Language, language_of
from data.conversation import Conversation
from data.script import IDEOGRAPH
from finetune.bases.catalogue import KnownBase, read_catalogue
from finetune.cost import Conditions, RunCost
from finetune.hardware import Machine, Precision
from finetune.pace import Pace
from finetune.training.config import TrainConfig
from finetune.training.plan import default_epochs

USABLE = 0.85  # of the memory: the rest is the system's, and reckoning errs
LONGEST = 4.0  # [hours] that a training may take
SLOWEST = 3.0  # [tokens/s] for one reader
CONTEXT = 4096  # [tokens] to serve with, where a base could do more
LATIN = 4  # characters of other languages that a token stands for


@dataclass(frozen=True, slots=True)
class Amount:
    """What there is to train on."""

    num_conversations: int
    num_chinese: int  # characters
    num_others: int  # characters
    language: Language

    def num_tokens(self, spelling: float | None) -> float:
        """The number of tokens over all epochs, where a character of Chinese costs so many."""
        once = self.num_chinese * (spelling or 1.0) + self.num_others / LATIN
        return default_epochs(self.num_conversations) * once


TYPICAL = Amount(500, 75_000, 75_000, "mixed")


@dataclass(frozen=True, slots=True)
class Here:
    """A machine, and how it would train and serve."""

    machine: Machine
    pace: Pace
    conditions: Conditions
    served: Precision
    can_compile: bool = True  # what multiplies weights in four bits


@dataclass(frozen=True, slots=True)
class BaseEstimate:
    """What one base takes here, all of it reckoned."""

    base: KnownBase
    run_bytes: int
    hours: float  # of training
    serving_bytes: int
    serving_rate: float  # [tokens/s] for one reader

    @property
    def is_quick(self) -> bool:
        return self.hours <= LONGEST and self.serving_rate >= SLOWEST

    @property
    def context(self) -> int:
        """[tokens] that it is served with."""
        return min(CONTEXT, self.base.context_length)


@dataclass(frozen=True, slots=True)
class Recommendation:
    best: BaseEstimate | None  # none where nothing fits
    others: tuple[BaseEstimate, ...]  # that fit and speak the language, the largest first
    num_too_large: int
    num_other_languages: int
    served_in_int4: BaseEstimate | None = None  # with adapters from elsewhere; int8 has no room


def amount_of(conversations: Iterable[Conversation]) -> Amount:
    """The amount of data; where its language cannot be told, it may be any."""
    known = list(conversations)
    texts = [message.content for each in known for message in each.messages]
    num_chinese = sum(len(IDEOGRAPH.findall(text)) for text in texts)
    num_others = sum(map(len, texts)) - num_chinese
    return Amount(len(known), num_chinese, num_others, language_of(known) or "mixed")


def look_around() -> Here:
    """This machine; it is timed for a fraction of a second."""
    from finetune.hardware import compute_precision, describe_machine, device_memory, pick_device
    from finetune.pace import time_machine
    from serving.torch.native.kept import can_be_had

    device = pick_device()
    return Here(
        describe_machine(),
        time_machine(device),
        Conditions(device, compute_precision(device), device_memory(device)),
        _served(device),
        can_be_had(),
    )


def recommend(here: Here, amount: Amount) -> Recommendation:
    bases = read_catalogue().bases
    speaking = [base for base in bases if _speaks(base, amount.language)]
    fitting = [each for base in speaking if _fits(each := reckon(base, here, amount), here)]
    fitting.sort(key=lambda each: each.base.shape.num_parameters, reverse=True)
    best = _best(fitting)
    return Recommendation(
        best,
        tuple(each for each in fitting if each is not best),
        len(speaking) - len(fitting),
        len(bases) - len(speaking),
        _served_in_int4(speaking, here, amount),
    )


def _served_in_int4(bases: Sequence[KnownBase], here: Here, amount: Amount) -> BaseEstimate | None:
    """The largest that anybody may use and this machine could serve in four bits, and not in
    eight, with adapters that were trained elsewhere."""
    if here.served != "int8" or not here.can_compile:
        return None
    usable, in_int4 = USABLE * here.conditions.memory_bytes, replace(here, served="int4")
    found = [
        estimate
        for base in bases
        if base.is_open
        and reckon(base, here, amount).serving_bytes > usable
        and (estimate := reckon(base, in_int4, amount)).serving_bytes <= usable
    ]
    return max(found, key=lambda each: each.base.shape.num_parameters, default=None)


def reckon(base: KnownBase, here: Here, amount: Amount) -> BaseEstimate:
    from serving.torch.cost import read_bytes, serving_bytes
    from serving.torch.forms.build import TorchEngineConfig

    shape, conditions = base.shape, here.conditions
    config = TrainConfig.model_validate({})
    cost = RunCost(shape, config, conditions)
    rate = cost.training_rate(here.pace.operations)
    num_tokens = amount.num_tokens(read_catalogue().spelling_of(base))
    engine = TorchEngineConfig(device=conditions.device, context_length=CONTEXT)
    return BaseEstimate(
        base,
        cost.run_bytes,
        num_tokens / rate / 3600,
        serving_bytes(shape, base.context_length, here.served, engine),
        here.pace.reading / read_bytes(shape, here.served),
    )


def _best(fitting: Sequence[BaseEstimate]) -> BaseEstimate | None:
    """The largest that is quick, of those that anybody may use; the smallest where none is."""
    wanted = [each for each in fitting if each.base.is_open] or fitting
    quick = [each for each in wanted if each.is_quick]
    return quick[0] if quick else wanted[-1] if wanted else None


def _fits(estimate: BaseEstimate, here: Here) -> bool:
    usable = USABLE * here.conditions.memory_bytes
    return max(estimate.run_bytes, estimate.serving_bytes) <= usable


def _speaks(base: KnownBase, language: Language) -> bool:
    return "en" in base.languages if language == "other" else base.speaks_chinese


def _served(device: str) -> Precision:
    """What a server holds a base in where nobody says, if it is no small one."""
    from serving.torch.linear import exact_limit
    from serving.torch.native.kept import can_be_had

    if device == "cuda":
        return "nf4"
    return "int8" if can_be_had() or exact_limit() is not None else "fp32"
