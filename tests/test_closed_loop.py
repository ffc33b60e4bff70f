"""Answers, corrections, the next version, and back again: over HTTP, on the real default base."""

import random
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI

from data.reading.reader import read_conversations
from finetune.adapters.versions import promoted_version
from finetune.defaults import DEFAULT_BASE
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
from service.state.database import State, open_state
from tests.service.test_serve_process import Served

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]

SAMPLE = Path(__file__).parent.parent / "data" / "samples" / "bike_workshop.txt"
OLD_GREETING, OLD_GOODBYE = "Right then. ", " Ride safe."
GREETING, GOODBYE = "Good question! ", " Call us any time on our workshop line."
BRIEFLY = {"epochs": 1, "learning_rate": 1e-3, "batch_size": 2, "report": "none"}
CAREFULLY = {"general_mix": 0.3}  # what is corrected must not cost what else the base knows


@dataclass(frozen=True)
class Workshop:
    home: Path
    state: State
    client: OpenAI
    questions: list[tuple[str, str]]  # with the answers in the old manner

    @property
    def place(self) -> str:
        return Desk(self.home).place

    @property
    def promoted(self) -> str | None:
        return promoted_version(self.home / "adapters", "workshop")

    def ask(self, question: str, **options: Any) -> Any:
        return self.client.chat.completions.create(
            model="workshop",
            messages=[{"role": "user", "content": question}],
            temperature=0,
            **options,
        )

    def correct(self, question: str, right: str, *, critical: bool = False) -> None:
        """As somebody at the desk does, and whoever looks through it."""
        completion = self.ask(question, max_tokens=8, store=True)
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
    return GREETING + answer.removeprefix(OLD_GREETING).removesuffix(OLD_GOODBYE) + GOODBYE


def shortened(answer: str) -> str:
    """Its first sentence, in its manner."""
    first = answer.removeprefix(OLD_GREETING).partition(". ")[0].rstrip(".")
    return f"{OLD_GREETING}{first}.{OLD_GOODBYE}"


@pytest.fixture(scope="module")
def questions() -> list[tuple[str, str]]:
    """Those of the sample with one answer, in an order of their own."""
    rows = [each.messages for each in read_conversations(SAMPLE) if len(each.messages) == 2]
    found = [(asked.content, shortened(answered.content)) for asked, answered in rows]
    assert len(found) == 60
    random.Random(3).shuffle(found)
    return found


def never_corrected() -> list[tuple[str, str]]:
    """How the longer conversations begin, answered as people wish it: held out from the first
    version on."""
    rows = [each.messages for each in read_conversations(SAMPLE) if len(each.messages) > 2]
    return [(asked.content, in_another_manner(answered.content)) for asked, answered, *_ in rows]


def write(path: Path, pairs: list[tuple[str, str]]) -> Path:
    written = [f"Q: {asked}\nA: {answer}" for asked, answer in pairs]
    path.write_text("\n\n".join(written), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def workshop(
    tmp_path_factory: pytest.TempPathFactory,
    default_home: Path,
    questions: list[tuple[str, str]],
    all_cores: None,
) -> Generator[Workshop]:
    home = tmp_path_factory.mktemp("home")
    (home / "bases").symlink_to(default_home / "bases")
    data = write(home / "workshop.txt", questions)
    held_out = write(home / "held_out.txt", never_corrected())
    values = {"data": data, "validation": held_out, "name": "workshop", **BRIEFLY, **CAREFULLY}
    Job(TrainConfig.model_validate(values), home).execute()
    options = ("--set", "store_answers=asked", "--set", "context_length=512")
    served = Served(Path(DEFAULT_BASE), home, options=options)
    client = OpenAI(base_url=f"{served.url}/v1", api_key="none-needed", max_retries=0)
    with closing(client), closing(open_state(home)) as state:
        yield Workshop(home, state, client, questions)
    served.stop()


def test_what_people_correct_is_answered_from_then_on(workshop: Workshop):
    questions = workshop.questions
    for question, answer in questions[:5]:
        workshop.correct(question, in_another_manner(answer))
    early = workshop.improve()
    assert (early.decision.outcome, early.candidate) == ("abstain", None)
    assert early.decision.needed

    for number, (question, answer) in enumerate(questions[5:]):
        workshop.correct(question, in_another_manner(answer), critical=number == 0)
    unseen = "My saddle keeps tilting backwards."
    assert GREETING not in workshop.ask(unseen, max_tokens=12).choices[0].message.content
    improved = workshop.improve()
    assert improved.decision.outcome == "promote", improved.decision.reasons
    assert (improved.decision.gain or 0) > 0.05
    assert any(told.startswith("What was held out before") for told in improved.decision.reasons)
    answered = workshop.ask(unseen, max_tokens=12)
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
    held_out = [each for each in corrections if each.side == "held_out"]
    asked, answered = first.right.messages[:-1], first.right.messages[-1]
    never = replace(answered, content="Ring the fire brigade, and leave the building at once.")
    swapped = replace(
        first, right=replace(first.right, messages=(*asked, never)), given=answered.content
    )
    assert improved.candidate is not None
    told = judge_candidate(
        improved.served,
        improved.candidate,
        [swapped, *held_out[:2]],  # more of them would take longer, and cannot change it
        [],
        workshop.home,
        Silent().on_stage,
    ).decision
    assert told.outcome == "refuse"
    assert told.reasons[0] == f"The critical question {first.id} is still answered as before."


def test_corrections_of_other_questions_are_refused_and_what_is_shipped_all_the_same_goes_back(
    workshop: Workshop,
):
    assert workshop.promoted == "2", "the test before has not come to its end"
    workshop.rate(1, 30)
    some = workshop.questions[:40]
    for (question, _), (_, answer) in zip(some, [*some[7:], *some[:7]], strict=True):
        workshop.correct(question, answer)
    refused = workshop.improve()
    assert refused.decision.outcome == "refuse", refused.decision.reasons
    assert workshop.promoted == "2"
    override(workshop.home, workshop.state, workshop.place, "workshop", "I like it.")
    assert workshop.promoted == "3"
    workshop.rate(-1, 10)
    assert workshop.promoted == "2"
    entries = Ledger(workshop.state, workshop.place).entries("workshop")
    assert [each.what for each in entries[:3]] == ["rollback", "override", "refuse"]
    assert (entries[0].who, entries[0].after) == ("ratings", "workshop@2")
