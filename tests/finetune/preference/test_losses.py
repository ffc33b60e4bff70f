"""Losses and gradients of preferences, beside those of TRL's own code on the same logits.

`trl.json` is what trl_values.py prints; TRL_PYTHON names an interpreter that has TRL, to run it
again.
"""

import json
import os
import subprocess
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from finetune.preference.judges import DpoJudge, KtoJudge, balance
from finetune.preference.losses import dpo
from finetune.preference.rows import JudgedRow, Part

HERE = Path(__file__).parent
TRL_PYTHON = os.environ.get("TRL_PYTHON")
RECORDED: dict[str, Any] = json.loads((HERE / "trl.json").read_bytes())

tensor = partial(torch.tensor, dtype=torch.float64)


def log_likelihoods(logits: Any, case: dict[str, Any]) -> Any:
    """Of the answers: [rows]."""
    ids, mask = torch.tensor(case["ids"])[:, 1:], tensor(case["mask"])[:, 1:]
    tokens = logits[:, :-1].log_softmax(-1).gather(-1, ids[:, :, None])[:, :, 0]
    return (tokens * mask).sum(-1)


def rows(case: dict[str, Any], parts: list[Part]) -> list[JudgedRow]:
    return [
        JudgedRow(tuple(ids), tuple(map(bool, mask)), part, reference)
        for ids, mask, part, reference in zip(
            case["ids"], case["mask"], parts, case["reference"], strict=True
        )
    ]


def check_gradient(case: dict[str, Any], weights: list[float], loss: float) -> None:
    """With the judge's weights, the answers' own losses have the gradient that TRL's has."""
    assert loss == pytest.approx(case["loss"], rel=1e-6)
    logits = tensor(case["logits"]).requires_grad_()
    (-log_likelihoods(logits, case) * tensor(weights)).sum().backward()
    assert logits.grad is not None
    assert torch.allclose(logits.grad, tensor(case["gradient"]), rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("case", RECORDED["dpo"][1:], ids=lambda case: "+".join(case["loss_types"]))
def test_dpo_with_its_examples_is_trls(case: dict[str, Any]):
    half: int = len(case["ids"]) // 2
    parts: list[Part] = [*["preferred"] * half, *["other"] * half]  # pyright: ignore[reportAssignmentType] - literals
    judge = DpoJudge(case["beta"], by_length=case["loss_types"][0] == "sigmoid_norm")
    known = log_likelihoods(tensor(case["logits"]), case).tolist()
    loss, weights = judge(rows(case, parts), known)
    check_gradient(case, weights, loss)


@pytest.mark.parametrize("case", RECORDED["kto"], ids=["balanced", "weighed", "good alone"])
def test_kto_is_trls(case: dict[str, Any]):
    own = rows(case, ["preferred" if label else "other" for label in case["labels"]])
    others = rows(case["mismatched"], ["mismatched"] * len(own))
    known = [
        log_likelihoods(tensor(each["logits"]), each).tolist()
        for each in (case, case["mismatched"])
    ]
    judge = KtoJudge(case["beta"], (case["weights"][0], case["weights"][1]))
    loss, weights = judge([*own, *others], [*known[0], *known[1]])
    assert weights[len(own) :] == [0] * len(others)  # how far the model has moved is no goal
    check_gradient(case, weights[: len(own)], loss)


def test_dpos_own_part_is_trls():
    case = RECORDED["dpo"][0]
    logits = tensor(case["logits"]).requires_grad_()
    half = len(case["ids"]) // 2
    above = log_likelihoods(logits, case) - tensor(case["reference"])
    loss = dpo(above[:half], above[half:], case["beta"])
    loss.backward()
    assert loss.item() == pytest.approx(case["loss"], rel=1e-6)
    assert logits.grad is not None
    assert torch.allclose(logits.grad, tensor(case["gradient"]), rtol=1e-5, atol=1e-8)


def test_rarer_answers_weigh_more_until_both_kinds_count_alike():
    assert balance(30, 10) == (1.0, 3.0)
    assert balance(10, 15) == (1.5, 1.0)
    assert balance(8, 0) == (1.0, 1.0)


@pytest.mark.skipif(TRL_PYTHON is None, reason="TRL_PYTHON names no interpreter with TRL")
def test_what_is_recorded_is_what_trl_says_now():
    assert TRL_PYTHON is not None
    script = HERE / "trl_values.py"
    done = subprocess.run([TRL_PYTHON, script], check=True, capture_output=True)
    found = json.loads(done.stdout)
    for kind in ("dpo", "kto"):
        for now, recorded in zip(found[kind], RECORDED[kind], strict=True):
            assert now["loss"] == pytest.approx(recorded["loss"])
            assert torch.allclose(tensor(now["gradient"]), tensor(recorded["gradient"]))
