"""The training of a round: from the base on the whole set, as the served version was trained."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from finetune.adapters.version import AdapterVersion
from finetune.finish import Result
from finetune.job import Job
from finetune.training.config import TrainConfig
from finetune.training.observer import Observer
from service.jobs.work.training import resolved

from .round import Round

FORM = {"system", "sampling", "disclaimer"}  # of a card: what its next version takes over


class Seen(Protocol):
    """Who is told that a training is under way, for others to see it."""

    def seen(self) -> AbstractContextManager[None]: ...

    def begin(self, training: Job, known: Mapping[str, Any], run: Path) -> None: ...

    def succeed(self, version: str, trained_tokens: int) -> None: ...


class Unseen:
    """Nobody."""

    def seen(self) -> AbstractContextManager[None]:
        return nullcontext()

    def begin(self, training: Job, known: Mapping[str, Any], run: Path) -> None: ...

    def succeed(self, version: str, trained_tokens: int) -> None: ...


UNSEEN = Unseen()


def train_round(current: Round, served: AdapterVersion, observer: Observer, seen: Seen) -> Result:
    """Train the candidate, or go on where that was ended. Raises DataError or FinetuneError."""
    current.forget_lost_run()
    job = Job(_config(current, served), current.home, observer)
    with seen.seen():  # what comes after, the gate, is none of the job's
        resume, prepared = job.take_up(), job.prepare()
        known = {"num_steps": prepared.num_steps, "hyperparameters": resolved(prepared)}
        begun = partial(seen.begin, job, known)
        result = job.execute(resume=resume, prepared=prepared, on_begun=begun)
        seen.succeed(str(result.version), result.trained_tokens)
    return result


def _config(current: Round, served: AdapterVersion) -> TrainConfig:
    assert served.card is not None, "a plan was made of it"
    known = {k: v for k, v in served.card.config.items() if k in TrainConfig.model_fields}
    form = served.card.model_dump(mode="json", include=FORM, exclude_none=True)
    own: dict[str, Any] = {
        "data": current.trained,
        "validation": current.choosing,
        "name": current.adapter,
        "output_dir": current.run,
        "base": served.card.base_spec,
        "promote": False,
        # Another one may have more to learn from than there is now.
        "method": "sft" if known.get("method") == "sft" else "auto",
        "from_adapter": None,
        "replay": None,
        "roles": {},
        "columns": {},
        "faulty": "skip",
        "report": "none",  # the gate's own is for whoever improves it alone
    }
    return TrainConfig.model_validate(known | form | own)
