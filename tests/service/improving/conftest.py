"""A home whose adapter was trained here, and people who correct its answers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from finetune.improving.decision import Decision, Outcome
from finetune.job import Job
from finetune.training.config import TrainConfig
from finetune.training.observer import Observer, Silent
from service.accounts.caller import ANYBODY
from service.feedback.answers import Answers
from service.feedback.feedback import Feedback
from service.feedback.item import FeedbackItem, Opinion
from service.feedback.review import Review
from service.feedback.stored_answer import StoredAnswer
from service.improving.improvement import Improvement
from service.jobs.desk import Desk
from service.state.database import State

SYMPTOMS = "失头胃咳心腹便耳目口盗乏眩腰膝畏"
NIGHTS = "一二三四五六七八九十"
Improve = Callable[..., Improvement]
Correct = Callable[..., list[FeedbackItem]]


def question(number: int) -> str:
    symptom = SYMPTOMS[number % len(SYMPTOMS)]
    return f"{symptom}病已经{NIGHTS[number // len(SYMPTOMS)]}天了，请问怎么办？"


def wrong(number: int) -> str:
    return f"宜多休息{number}天。"


def right(number: int) -> str:
    return f"{SYMPTOMS[number % len(SYMPTOMS)]}丸主之。"


@pytest.fixture
def trained(tmp_path: Path, make_base: Any) -> Path:
    """A home with tcm@1, which always gives the same advice."""
    home, data = tmp_path / "home", tmp_path / "医案.txt"
    pairs = (f"患者：{question(n)}\n医生：{wrong(n)}" for n in range(100, 140))
    data.write_text("\n\n".join(pairs) + "\n", encoding="utf-8")
    config = TrainConfig.model_validate(
        {
            "data": data,
            "base": str(make_base("llama")),
            "name": "tcm",
            "epochs": 6,
            "learning_rate": 0.01,
            "report": "none",
        }
    )
    Job(config, home).execute()
    return home


@pytest.fixture
def improve(trained: Path, own_state: State) -> Improve:
    def make(observer: Observer | None = None, share: int | None = None) -> Improvement:
        place, seen = Desk(trained).place, observer or Silent()
        return Improvement(trained, own_state, place, "tcm", seen, "key_anna", share=share)

    return make


@pytest.fixture
def correct(trained: Path, own_state: State) -> Correct:
    """Correct answers to so many questions, and accept that; then by which number on, how."""
    review = Review(own_state)

    def give(
        count: int,
        begin: int = 0,
        answer: Callable[[int], str] = right,
        given: Callable[[int], str] = wrong,
        **opinion: Any,
    ) -> list[FeedbackItem]:
        items: list[FeedbackItem] = []
        for number in range(begin, begin + count):
            message = {"role": "assistant", "content": given(number)}
            stored = StoredAnswer(
                id=f"chatcmpl-{number}",
                key_id="key_desk",
                place=Desk(trained).place,
                created=1_764_406_000,
                model="tcm",
                pinned="tcm@1:1",
                base="tiny-llama",
                template="",
                user=f"patient-{number}",
                messages=[{"role": "user", "content": question(number)}],
                asked={},
                sampling={},
                choices=[{"index": 0, "message": message, "finish_reason": "stop"}],
            )
            Answers(own_state).add(stored)
            said = Opinion(rating=-1, correction=answer(number), **opinion)
            item = Feedback(own_state).give(stored, 0, said)
            items.append(review.decide(item.id, ANYBODY, "accept"))
        return items

    return give


@pytest.fixture
def promoting(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gate that measures and then promotes: what a base of random weights comes to, differs from
    processor to processor."""
    _decide(monkeypatch, "promote")


@pytest.fixture
def refusing(monkeypatch: pytest.MonkeyPatch) -> None:
    _decide(monkeypatch, "refuse")


def _decide(monkeypatch: pytest.MonkeyPatch, outcome: Outcome) -> None:
    decision = Decision(outcome, ("Because.",), 0.01, 0.2)
    monkeypatch.setattr("finetune.improving.gate.decide", lambda _figures: decision)
