"""All that is measured of two sides on the same rows, without 4-bit weights."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from data.chat import Rendered
from data.conversation import Conversation

from .general import general_conversations
from .leakage import Leakage, measure_leakage
from .likelihood import Likelihood
from .pair import Pair, PairedRows, render_pair
from .samples import Samples, ask

GENERAL_TOKENS = 512  # of the longest of the shipped questions, in any tokenizer


@dataclass(frozen=True, slots=True)
class Material:
    """What both sides are measured on."""

    conversations: Sequence[Conversation]  # held out, or given to `eval`
    rows: PairedRows  # the same, rendered
    trained: Sequence[Rendered] = ()  # what the adapter was trained on, where it is known
    num_samples: int = 0  # conversations that both sides answer
    sample_tokens: int | None = None  # of each such answer
    are_unseen: bool = True  # whether it is known that the adapter was not trained on them


@dataclass(frozen=True, slots=True)
class Measured:
    precision: str
    unseen: Likelihood
    are_unseen: bool
    general: Mapping[str, Likelihood]  # by language
    samples: Samples | None
    leakage: Leakage | None


def compare(pair: Pair, material: Material, announce: Callable[[str], None]) -> Measured:
    """Measure both sides; `announce` is told each stage before it begins."""
    sides = f"{pair.baseline.name} and {pair.adapter.name}"
    announce(f"Comparing {sides} on {len(material.conversations)} conversations")
    unseen = pair.compare(material.rows)
    announce("Comparing them on general questions: what has been forgotten")
    general = {
        language: pair.compare(
            render_pair(pair.baseline, pair.adapter, conversations, GENERAL_TOKENS)
        )
        for language, conversations in general_conversations().items()
    }
    samples = None
    if material.num_samples:
        announce("Writing sample answers for the report")
        chosen = slice(material.num_samples)
        asked = material.conversations[chosen]
        samples = ask(pair, asked, material.rows[chosen], material.sample_tokens)
    leakage = None
    if material.trained:
        announce("Looking for training answers that come back word for word")
        shown = samples.shown if samples else ()
        leakage = measure_leakage(pair, material.trained, material.rows.adapter, unseen, shown)
    return Measured(pair.precision, unseen, material.are_unseen, general, samples, leakage)
