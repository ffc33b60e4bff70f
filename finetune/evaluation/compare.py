"""All that is measured of two sides on the same rows, without 4-bit weights."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from data.chat import Rendered
from data.conversation import Conversation
from data.shipped import general_conversations
from data.wording import _
from finetune.training.config import Depth

from .answers import BATCH
from .effort import Course, Effort, OnWork, measure_rate, num_tokens
from .leakage import Leakage, leakage_effort, measure_leakage
from .likelihood import Likelihood
from .samples import Samples, answer_limit, ask
from .sides import Pair, PairedRows, Side, render_pair

GENERAL_TOKENS = 512  # of the longest of the shipped questions, in any tokenizer
SHORT_SAMPLES, SHORT_TOKENS = 2, 64  # at most, of a short report


@dataclass(frozen=True, slots=True)
class Material:
    """What both sides are measured on."""

    conversations: Sequence[Conversation]  # held out, or given to `eval`
    rows: PairedRows  # the same, rendered
    trained: Sequence[Rendered] = ()  # what the adapter was trained on, where it is known
    num_samples: int = 0  # conversations that both sides answer
    sample_tokens: int | None = None  # of each such answer
    are_unseen: bool = True  # whether it is known that the adapter was not trained on them
    depth: Depth = "full"

    @property
    def asked(self) -> slice:
        """The conversations that both sides answer."""
        most = {"none": 0, "short": min(SHORT_SAMPLES, self.num_samples), "full": self.num_samples}
        return slice(most[self.depth])

    def limit(self, side: Side, device: str) -> int:
        """[tokens] of each answer."""
        limit = answer_limit(side, self.rows[self.asked], self.sample_tokens, device)
        return min(limit, SHORT_TOKENS) if self.depth == "short" else limit


@dataclass(frozen=True, slots=True)
class Measured:
    precision: str
    unseen: Likelihood
    are_unseen: bool
    general: Mapping[str, Likelihood]  # by language; none in a short report
    samples: Samples | None
    leakage: Leakage | None
    depth: Depth = "full"


def compare(
    pair: Pair,
    material: Material,
    announce: Callable[[str], None],
    on_work: OnWork = lambda *_: None,
) -> Measured:
    """Measure both sides; `announce` is told each stage before it begins."""
    asked = material.conversations[material.asked]
    has_leakage = material.depth == "full" and bool(material.trained)
    limit = material.limit(pair.adapter, pair.device)
    efforts = efforts_of(pair.baseline, pair.adapter, material, pair.device)
    course = Course(announce, efforts, measure_rate(pair, material.rows.baseline), on_work)
    pair.on_work = course.did
    course.begin()
    unseen = pair.compare(material.rows)
    likelihoods: dict[str, Likelihood] = {}
    if material.depth == "full":
        course.begin()
        general = _general_rows(pair.baseline, pair.adapter)
        likelihoods = {language: pair.compare(rows) for language, rows in general.items()}
    samples = leakage = None
    if asked:
        course.begin()
        samples = ask(pair, asked, material.rows[material.asked], limit)
    if has_leakage:
        course.begin()
        shown = samples.shown if samples else ()
        leakage = measure_leakage(pair, material.trained, material.rows.adapter, unseen, shown)
    return Measured(
        pair.precision,
        unseen,
        material.are_unseen,
        likelihoods,
        samples,
        leakage,
        material.depth,
    )


def efforts_of(baseline: Side, adapter: Side, material: Material, device: str) -> list[Effort]:
    """The parts that `compare` goes through, in their order."""
    comparing = _("Comparing {baseline} and {adapter} on {count} conversations").format(
        baseline=_(baseline.name), adapter=_(adapter.name), count=len(material.conversations)
    )
    efforts = [Effort(comparing, num_tokens(material.rows))]
    if material.depth == "full":
        read = sum(map(num_tokens, _general_rows(baseline, adapter).values()))
        forgotten = _("Comparing them on general questions: what has been forgotten")
        efforts.append(Effort(forgotten, read))
    if material.conversations[material.asked]:
        num_batches = -(-len(material.conversations[material.asked]) // BATCH)
        steps = 2 * num_batches * material.limit(adapter, device)
        efforts.append(Effort(_("Writing sample answers for the report"), num_steps=steps))
    if material.depth == "full" and material.trained:
        efforts.append(leakage_effort(material.trained, material.rows.adapter))
    return efforts


def _general_rows(baseline: Side, adapter: Side) -> dict[str, PairedRows]:
    return {
        language: render_pair(baseline, adapter, conversations, GENERAL_TOKENS)
        for language, conversations in general_conversations().items()
    }
