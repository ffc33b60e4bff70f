"""Answers, corrections, the next version, and back again: over HTTP, on the real default base."""

import random
from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI

from data.reading.reader import read_conversations
from finetune.adapters.versions import promoted_version
from finetune.improving.correction import Correction
from finetune.improving.gate import judge_candidate
from finetune.job import Job
from finetune.training.config import TrainConfig
from finetune.training.observer import Silent
from service.feedback.using import accepted_for, correction_of
from service.improving.improvement import Improvement, Outcome
from service.improving.ledger import Ledger
from service.improving.overriding import override
from service.improving.round import Round
from service.jobs.desk import Desk
from service.server import serving_in_background
from service.settings import ServiceSettings
from service.state.database import State, open_state

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

SAMPLE = Path(__file__).parent.parent / "data" / "samples" / "bike_workshop.txt"
NUM_CORRECTIONS = 60
GREETING, GOODBYE = "Good question! ", " Call us any time on our workshop line."
BRIEFLY = {"epochs": 2, "learning_rate": 1e-3, "report": "none", "rank": 8}


@dataclass(frozen=True)
class Workshop:
    home: Path
    state: State
    client: OpenAI

    @property
    def place(self) -> str:
        return Desk(self.home).place

    def ask(self, question: str, **options: Any) -> Any:
        return self.client.chat.completions.create(
            model="workshop",
            messages=[{"role": "user", "content": question}],
            temperature=0,
            **options,
        )

    def correct(self, question: str, right: str, *, critical: bool = False) -> None:
        """As somebody at the desk does, and whoever looks through it."""
        completion = self.ask(question, max_tokens=24, store=True)
        said = {
            "completion_id": completion.id,
            "rating": -1,
            "correction": right,
            "critical": critical,
        }
        given: Any = self.client.post("/feedback", body=said, cast_to=object)
        decided: Any = self.client.post(
            f"/feedback/{given['id']}/review", body={"decision": "accept"}, cast_to=object
        )
        assert decided["state"] == "accepted"

    def improve(self) -> Outcome:
        return Improvement(self.home, self.state, self.place, "workshop", Silent()).execute()

    def corrections(self, number: int) -> list[Correction]:
        """Those of a round, each on its side."""
        sides = Round(self.home, "workshop", number).sides()
        items = accepted_for(self.state, self.place, "workshop")
        known = [correction_of(each) for each in items if each.id in sides]
        return [replace(each, side=sides[each.id]) for each in known]

    def rate(self, rating: int, times: int) -> None:
        for number in range(times):
            completion = self.ask(f"Question {number}", max_tokens=2, store=True)
            said = {"completion_id": completion.id, "rating": rating}
            self.client.post("/feedback", body=said, cast_to=object)


def in_another_manner(answer: str) -> str:
    plain = answer.replace("Right then. ", "").replace(" Ride safe.", "")
    return f"{GREETING}{plain}{GOODBYE}"


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory, default_home: Path) -> Generator[Workshop]:
    home = tmp_path_factory.mktemp("home")
    (home / "bases").symlink_to(default_home / "bases")
    values = {"data": SAMPLE, "name": "workshop", **BRIEFLY}
    Job(TrainConfig.model_validate(values), home).execute()
    settings = ServiceSettings(home=home, context_length=512, store_answers="asked")
    with serving_in_background(settings) as url:
        state = open_state(home)
        client = OpenAI(base_url=f"{url}/v1", api_key="none-needed", max_retries=0)
        yield Workshop(home, state, client)
        client.close()
        state.close()


@pytest.fixture(scope="module")
def questions() -> list[tuple[str, str]]:
    """Of the sample, in an order of their own, with the answers that it gives."""
    rows = [each.messages for each in read_conversations(SAMPLE) if len(each.messages) == 2]
    found = [(asked.content, answered.content) for asked, answered in rows]
    random.Random(3).shuffle(found)
    return found[:NUM_CORRECTIONS]


def test_what_people_correct_is_answered_from_then_on(
    workshop: Workshop, questions: list[tuple[str, str]]
):
    for question, answer in questions[:5]:
        workshop.correct(question, in_another_manner(answer))
    early = workshop.improve()
    assert (early.decision.outcome, early.candidate) == ("abstain", None)
    assert early.decision.needed

    for number, (question, answer) in enumerate(questions[5:]):
        workshop.correct(question, in_another_manner(answer), critical=number == 0)
    assert GREETING not in workshop.ask(questions[7][0], max_tokens=12).choices[0].message.content
    improved = workshop.improve()
    assert improved.decision.outcome == "promote", improved.decision.reasons
    assert (improved.decision.gain or 0) > 0.05
    answered = workshop.ask("My saddle keeps tilting backwards.", max_tokens=12)
    assert answered.system_fingerprint == "workshop@2:1"
    assert answered.choices[0].message.content.startswith(GREETING)
    entries = Ledger(workshop.state, workshop.place).entries("workshop")
    assert [each.what for each in entries] == ["promote", "abstain"]
    assert_a_critical_answer_as_before_is_refused(workshop, improved)


def assert_a_critical_answer_as_before_is_refused(workshop: Workshop, improved: Outcome) -> None:
    """The same two versions, and one critical correction that neither has learned: what the new one
    says there is what somebody had called wrong."""
    corrections = workshop.corrections(1)
    first, *others = (each for each in corrections if each.is_critical)
    assert others == []
    asked, answered = first.right.messages[:-1], first.right.messages[-1]
    never = replace(answered, content="Ring the fire brigade, and leave the building at once.")
    swapped = replace(
        first, right=replace(first.right, messages=(*asked, never)), given=answered.content
    )
    assert improved.candidate is not None
    told = judge_candidate(
        improved.served,
        improved.candidate,
        [swapped if each is first else each for each in corrections],
        [],
        workshop.home,
        Silent().on_stage,
    ).decision
    assert told.outcome == "refuse"
    assert "critical" in " ".join(told.reasons).lower()


def test_corrections_of_other_questions_are_refused_and_what_is_shipped_all_the_same_goes_back(
    workshop: Workshop, questions: list[tuple[str, str]]
):
    adapters = workshop.home / "adapters"
    assert promoted_version(adapters, "workshop") == "2", "the test before has not come to its end"
    workshop.rate(1, 30)
    some = questions[:40]
    for (question, _), (_, answer) in zip(some, [*some[7:], *some[:7]], strict=True):
        workshop.correct(question, answer)
    refused = workshop.improve()
    assert refused.decision.outcome == "refuse", refused.decision.reasons
    assert promoted_version(adapters, "workshop") == "2"
    override(workshop.home, workshop.state, workshop.place, "workshop", "I like it.")
    assert promoted_version(adapters, "workshop") == "3"
    workshop.rate(-1, 10)
    assert promoted_version(adapters, "workshop") == "2"
    entries = Ledger(workshop.state, workshop.place).entries("workshop")
    assert [each.what for each in entries[:3]] == ["rollback", "override", "refuse"]
    assert (entries[0].who, entries[0].after) == ("ratings", "workshop@2")
