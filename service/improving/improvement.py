"""A round from end to end: reviewed feedback becomes the next version of an adapter."""

import time
from collections.abc import Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from data.wording import N_, _
from finetune.adapters.version import AdapterVersion
from finetune.adapters.versions import (
    find_version,
    list_versions,
    promote,
    promoted_version,
    share,
)
from finetune.improving.correction import ENOUGH, Correction
from finetune.improving.decision import Decision, abstain_for_few
from finetune.improving.gate import judge_candidate
from finetune.improving.training_set import as_read, digests_of, freeze
from finetune.training.observer import Observer
from service.accounts.keys import DAY
from service.feedback.using import (
    accepted_for,
    begin_training,
    correction_of,
    keep_back,
    ship,
)
from service.state.database import State

from .ledger import Entry, Ledger, What
from .moves import check_no_share
from .plan import Plan, plan_round
from .round import Round, alone, served_version
from .training import UNSEEN, Seen, train_round

AGAIN = 6 * DAY  # [seconds] after which the same abstention is written again


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a round has come to."""

    decision: Decision
    served: AdapterVersion  # before it
    candidate: AdapterVersion | None = None
    round: Round | None = None
    is_shared: bool = False  # the candidate answers a share of the requests, not yet all


class Improvement:
    """Owns the rounds of one adapter in one home. A round that was ended goes on where it was."""

    def __init__(
        self,
        home: Path,
        state: State,
        place: str,
        adapter: str,
        observer: Observer,
        who: str = "",
        seen: Seen = UNSEEN,
        share: int | None = None,
    ) -> None:
        """`seen` is told of the training; a candidate that is better answers a `share` [percent] of
        the requests first. Raises AdapterInvalid where there is no such adapter."""
        self.home = home
        self.adapters = home / "adapters"
        self.adapter = adapter
        self.served = served_version(home, adapter)
        self._state = state
        self._place = place
        self._observer = observer
        self._who = who
        self._seen = seen
        self._percent = share
        self._ledger = Ledger(state, place)

    def plan(self) -> Plan:
        """Look what a new round would be, and change nothing. Raises ConfigError, BaseMismatch."""
        self._observer.on_stage(_("Looking through what was accepted"))
        items = accepted_for(self._state, self._place, self.adapter)
        return plan_round(self.home, self.served, items)

    def execute(self) -> Outcome:
        """Go on with the round that was begun, or begin one, to its end.

        Raises DataError, FinetuneError, StateUnavailable, and JobRefused where another process is
        at it, or a version has a share of the requests. Where it is ended on the way, the next call
        goes on.
        """
        with alone(self.home, self.adapter):
            last = self._ledger.last_round(self.adapter)
            current = Round(self.home, self.adapter, last + 1)
            if current.is_frozen and not self._is_as_frozen(current):
                self._give_up(current)
            if not current.is_frozen:
                check_no_share(self.adapters, self.adapter)
                plan = self.plan()
                if (told := self._why_not(plan, last)) is not None:
                    return self._abstain(plan, told)
                current.make_room()
                freeze(plan.made, plan.lineage, plan.corrections, plan.sides, current.folder)
            return self._go_on(current)

    def _is_as_frozen(self, current: Round) -> bool:
        """Whether the version is there that a round goes on from, and what it was frozen of is
        accepted still; once the training is over, nobody changes that."""
        frozen = current.frozen()
        number = frozen.parent.partition("@")[2]
        if number not in list_versions(self.adapters, self.adapter):
            return False
        if current.candidate() is not None:
            return True
        now = digests_of(self._corrections({*current.sides()}))
        return all(now.get(key) == frozen.digests[key] for key in current.sides())

    def _give_up(self, current: Round) -> None:
        """Let what is in it wait for another round."""
        sides = current.sides()
        with self._state.begin(sqlite_begin="BEGIN IMMEDIATE") as connection:
            keep_back(connection, sides)
        current.remove()

    def _corrections(self, ids: Set[str]) -> list[Correction]:
        """Those that are accepted, as training reads them."""
        items = accepted_for(self._state, self._place, self.adapter)
        found = [correction_of(each) for each in items if each.id in ids]
        return [replace(each, right=as_read(each.right) or each.right) for each in found]

    def _why_not(self, plan: Plan, last: int) -> Decision | None:
        """Why there is nothing to train; None where there is."""
        if len(plan.made.measuring) < ENOUGH:
            return abstain_for_few(len(plan.made.measuring))
        before = Round(self.home, self.adapter, last)
        candidate = before.candidate() if before.is_frozen else None
        if candidate is None:
            return None
        frozen = before.frozen()
        is_of_it = str(plan.served) in (frozen.parent, str(candidate))
        is_same = frozen.digests == digests_of(plan.corrections)
        if frozen.removed or not is_of_it or not is_same:
            return None
        return Decision("abstain", (N_("Nothing was accepted since the last round."),))

    def _abstain(self, plan: Plan, decision: Decision) -> Outcome:
        """Written once a week at most where it is the same again."""
        told = {"reasons": [*decision.reasons], "needed": decision.needed}
        newest = next(iter(self._ledger.entries(self.adapter, limit=1)), None)
        is_new = newest is None or (newest.what, dict(newest.told)) != ("abstain", told)
        if is_new or (newest and time.time() - newest.created > AGAIN):
            entry = Entry(
                adapter=self.adapter,
                what="abstain",
                who=self._who,
                before=str(self.served),
                told=told,
            )
            self._ledger.add(entry)
        return Outcome(decision, plan.served)

    def _go_on(self, current: Round) -> Outcome:
        sides = current.sides()
        served = find_version(self.adapters, current.frozen().parent).read()
        with self._state.begin(sqlite_begin="BEGIN IMMEDIATE") as connection:
            begin_training(connection, sides)
        candidate = current.candidate()
        if candidate is None:
            candidate = train_round(current, served, self._observer, self._seen).version.read()
        decision = current.decision() or self._judge(current, served, candidate)
        return self._settle(current, served, candidate, decision)

    def _judge(self, current: Round, served: AdapterVersion, candidate: AdapterVersion) -> Decision:
        sides = current.sides()
        corrections = [replace(each, side=sides[each.id]) for each in self._corrections({*sides})]
        verdict = judge_candidate(
            served,
            candidate,
            corrections,
            current.held_out_before(),
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
    ) -> Outcome:
        """Let it count, and write it down: who is ended in between does both again."""
        frozen, sides = current.frozen(), current.sides()
        decision, what = self._move(served, candidate, decision)

        def together(connection: Connection) -> None:
            if what == "promote":
                ship(connection, sides, str(candidate))
            elif what != "share":  # what has one is in training still
                keep_back(connection, sides)

        told: dict[str, Any] = {
            "reasons": [*decision.reasons],
            "gain": decision.gain,
            "chance": decision.chance,
            "needed": decision.needed,
            "rows": frozen.num_rows,
            "set": frozen.sha256,
            "weights": dict(candidate.card.sha256) if candidate.card else {},
        }
        entry = Entry(
            adapter=self.adapter,
            what=what,
            who=self._who,
            round=current.number,
            before=str(served),
            after=str(candidate),
            told=told | ({"percent": self._percent} if what == "share" else {}),
        )
        self._ledger.add(entry, together)
        return Outcome(decision, served, candidate, current, what == "share")

    def _move(
        self, served: AdapterVersion, candidate: AdapterVersion, decision: Decision
    ) -> tuple[Decision, What]:
        """Let a better candidate answer, unless somebody has promoted another version meanwhile.
        Returns what was decided, and what was done."""
        now = promoted_version(self.adapters, self.adapter)
        if decision.outcome != "promote" or now == candidate.number:
            return decision, decision.outcome
        if now != served.number:
            told = N_("Another version was promoted meanwhile, and nothing compares the two.")
            return replace(
                decision, outcome="abstain", reasons=(told, *decision.reasons)
            ), "abstain"
        if self._percent is not None:
            share(self.adapters, candidate, self._percent)
            return decision, "share"
        promote(self.adapters, self.adapter, candidate.number)
        return decision, "promote"
