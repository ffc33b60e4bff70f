"""A round from end to end: reviewed feedback becomes the next version of an adapter."""

import logging
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from sqlalchemy import Connection

from data.chat import ChatRenderer
from data.wording import _
from finetune.adapters.trained_base import find_trained_base
from finetune.adapters.version import AdapterVersion
from finetune.adapters.versions import find_version, promote, promoted_version
from finetune.errors import ConfigError
from finetune.export.yardstick import config_of
from finetune.improving.correction import ENOUGH, Correction, Side, assign
from finetune.improving.decision import Decision, abstain_for_few
from finetune.improving.gate import judge_candidate
from finetune.improving.training_set import TrainingSet, freeze, make_set
from finetune.job import Job
from finetune.training.config import TrainConfig
from finetune.training.going_on.lineage import Lineage, find_lineage
from finetune.training.observer import Observer
from service.errors import JobRefused
from service.feedback.using import (
    accepted_for,
    begin_training,
    correction_of,
    keep_back,
    ship,
    ship_now,
)
from service.state.database import State

from .ledger import Entry, Ledger
from .round import FOLDER, Round

logger = logging.getLogger(__name__)

FORM = ("system", "sampling", "disclaimer")  # of a card: what its next version takes over


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a round has come to."""

    decision: Decision
    served: AdapterVersion  # before it
    candidate: AdapterVersion | None = None
    round: Round | None = None
    num_trained: int = 0  # corrections
    num_held_out: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """What a new round would train and measure with."""

    served: AdapterVersion
    corrections: Sequence[Correction]
    sides: Mapping[str, Side]
    num_new: int  # corrections that no version was trained on or measured with
    lineage: Lineage
    made: TrainingSet

    def count(self, side: Side) -> int:
        return [*self.sides.values()].count(side)


class Improvement:
    """Owns the rounds of one adapter in one home. A round that was ended goes on where it was."""

    def __init__(
        self, home: Path, state: State, place: str, adapter: str, observer: Observer, who: str = ""
    ) -> None:
        """Raises AdapterInvalid where there is no such adapter."""
        self.home = home
        self.adapters = home / "adapters"
        self.adapter = adapter
        self.served = find_version(self.adapters, adapter).read()
        self._state = state
        self._place = place
        self._observer = observer
        self._who = who
        self._ledger = Ledger(state, place)

    def plan(self) -> Plan:
        """Look what a new round would be, and change nothing. Raises ConfigError, BaseMismatch."""
        self._observer.on_stage(_("Looking through what was accepted"))
        if self.served.card is None:
            told = _("{adapter} was not trained here: what it was trained on is not known")
            raise ConfigError(told.format(adapter=self.served), [_("train it with finetune first")])
        base = find_trained_base(self.served, None, self.home)
        config = config_of(self.served.card)
        renderer = ChatRenderer(base.tokenizer, plain_marks=config.plain_marks)
        lineage = find_lineage(self.served, self.home / "runs", renderer)
        items = accepted_for(self._state, self._place, self.adapter)
        corrections = [correction_of(item) for item in items]
        sides = assign(corrections, lineage.held_out)
        num_new = sum(item.version is None for item in items)
        made = make_set(lineage, corrections, sides)
        return Plan(self.served, corrections, sides, num_new, lineage, made)

    def execute(self) -> Outcome:
        """Go on with the round that was begun, or begin one, to its end.

        Raises DataError, FinetuneError, StateUnavailable, and JobRefused where another process is
        at it. Where it is ended on the way, the next call goes on.
        """
        with self._alone():
            last = self._ledger.last_round(self.adapter)
            current = Round(self.home, self.adapter, last + 1)
            if not current.is_frozen:
                plan = self.plan()
                if plan.count("held_out") < ENOUGH:
                    return self._abstain(plan)
                current.make_room()
                freeze(plan.made, plan.lineage, plan.corrections, plan.sides, current.folder)
            return self._go_on(current)

    def override(self, reason: str) -> AdapterVersion:
        """Promote the newest candidate, whatever the gate has decided of it.

        Raises JobRefused where there is none, or another process is at it.
        """
        with self._alone():
            last = Round(self.home, self.adapter, self._ledger.last_round(self.adapter))
            candidate = last.candidate()
            if candidate is None or candidate.folder == self.served.folder:
                told = _("{adapter} has no candidate that is kept back.")
                raise JobRefused(told.format(adapter=self.adapter))
            frozen = last.frozen()
            entry = Entry(
                adapter=self.adapter,
                what="override",
                who=self._who,
                before=str(self.served),
                after=str(candidate),
                told={"reasons": [reason]},
            )
            ids = (*frozen.trained, *frozen.held_out)
            self._ledger.add(entry, lambda connection: ship_now(connection, ids, str(candidate)))
            promote(self.adapters, self.adapter, candidate.number)
            return candidate

    def _abstain(self, plan: Plan) -> Outcome:
        decision = abstain_for_few(plan.count("held_out"))
        told = {"reasons": [*decision.reasons], "needed": decision.needed}
        newest = next(iter(self._ledger.entries(self.adapter, limit=1)), None)
        if newest is None or (newest.what, dict(newest.told)) != ("abstain", told):
            self._ledger.add(
                Entry(
                    adapter=self.adapter,
                    what="abstain",
                    who=self._who,
                    before=str(self.served),
                    told=told,
                )
            )
        return Outcome(
            decision, self.served, None, None, plan.count("trained"), plan.count("held_out")
        )

    def _go_on(self, current: Round) -> Outcome:
        frozen, sides = current.frozen(), current.sides()
        served = find_version(self.adapters, frozen.parent).read()
        with self._state.begin(sqlite_begin="BEGIN IMMEDIATE") as connection:
            begin_training(connection, sides)
        candidate = current.candidate() or self._train(current, served)
        decision = current.decision() or self._judge(current, served, candidate, sides)
        decision = self._settle(current, served, candidate, decision)
        num_out = len(frozen.held_out)
        return Outcome(decision, served, candidate, current, len(frozen.trained), num_out)

    def _train(self, current: Round, served: AdapterVersion) -> AdapterVersion:
        """Train from the base on the whole set, in a folder of its own."""
        assert served.card is not None
        known = {k: v for k, v in served.card.config.items() if k in TrainConfig.model_fields}
        form = served.card.model_dump(mode="json", include=set(FORM), exclude_none=True)
        config = TrainConfig.model_validate(
            known
            | form
            | {
                "data": current.trained,
                "validation": current.held_out,
                "name": self.adapter,
                "output_dir": current.run,
                "base": served.card.base_spec,
                "promote": False,
                "from_adapter": None,
                "replay": None,
                "roles": {},
                "columns": {},
                "faulty": "skip",
                "report": "short",
            }
        )
        current.forget_lost_run()
        job = Job(config, self.home, self._observer)
        return job.execute(resume=job.take_up()).version.read()

    def _judge(
        self,
        current: Round,
        served: AdapterVersion,
        candidate: AdapterVersion,
        sides: Mapping[str, Side],
    ) -> Decision:
        items = accepted_for(self._state, self._place, self.adapter)
        corrections = [correction_of(each) for each in items if each.id in sides]
        num_out = current.frozen().num_measuring
        verdict = judge_candidate(
            served,
            candidate,
            corrections,
            current.held_out_before(num_out),
            self.home,
            self._observer.on_stage,
            self._observer.on_work,
        )
        current.forget_report()
        current.report.mkdir()
        verdict.report.write(current.report)
        current.decide(verdict.decision)
        return verdict.decision

    def _settle(
        self, current: Round, served: AdapterVersion, candidate: AdapterVersion, decision: Decision
    ) -> Decision:
        """Let it count, and write it down: who is ended in between does both again."""
        frozen = current.frozen()
        ids = (*frozen.trained, *frozen.held_out)
        if decision.outcome == "promote":
            decision = self._promoted(served, candidate, decision)

        def together(connection: Connection) -> None:
            if decision.outcome == "promote":
                ship(connection, ids, str(candidate))
            else:
                keep_back(connection, ids)

        told: dict[str, Any] = {
            "reasons": [*decision.reasons],
            "gain": decision.gain,
            "chance": decision.chance,
            "needed": decision.needed,
            "trained": len(frozen.trained),
            "held_out": len(frozen.held_out),
            "set": frozen.sha256,
            "weights": dict(candidate.card.sha256) if candidate.card else {},
        }
        entry = Entry(
            adapter=self.adapter,
            what=decision.outcome,
            who=self._who,
            round=current.number,
            before=str(served),
            after=str(candidate),
            told=told,
        )
        self._ledger.add(entry, together)
        return decision

    def _promoted(
        self, served: AdapterVersion, candidate: AdapterVersion, decision: Decision
    ) -> Decision:
        """Promote the candidate, unless somebody has promoted another version meanwhile."""
        now = promoted_version(self.adapters, self.adapter)
        if now not in (served.number, candidate.number):
            told = _("Another version was promoted meanwhile, and nothing compares the two.")
            return replace(decision, outcome="abstain", reasons=(told, *decision.reasons))
        promote(self.adapters, self.adapter, candidate.number)
        return decision

    @contextmanager
    def _alone(self) -> Generator[None]:
        folder = self.home / FOLDER
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = FileLock(folder / f"{self.adapter}.lock", blocking=False)
        try:
            lock.acquire()
        except Timeout:
            told = _("{adapter} is being improved already; wait until that has ended.")
            raise JobRefused(told.format(adapter=self.adapter)) from None
        try:
            yield
        finally:
            lock.release()
