"""What several rows begin with is computed once, and each row stays what it was."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from data.chat import ChatRenderer, Rendered
from data.conversation import Conversation, Message
from finetune.bases.base import Base
from finetune.kernels import dropout
from finetune.kernels.batch import collate
from finetune.kernels.beginnings import SHORTEST, common_beginnings
from finetune.kernels.dropout import NO_PARENT
from finetune.kernels.model import LeanModel
from finetune.kernels.padded import token_losses
from finetune.kernels.shared import share
from finetune.training.rows import build_rows
from tests.finetune.kernels.models import assert_close, gradients_of, make_model

DOCTOR = Message("system", "你是一位中医师，回答要简短。")
MECHANIC = Message("system", "You mend bicycles, and say what you need for it.")
ROWS = st.lists(
    st.lists(st.integers(0, 1), min_size=2, max_size=40).map(
        lambda ids: Rendered(tuple(ids), tuple(i > 0 for i in range(len(ids))))
    ),
    min_size=1,
    max_size=6,
)


def rows_of(folder: Path) -> list[Rendered]:
    conversations = [
        Conversation((system, Message("user", f"问题{i}"), Message("assistant", f"Right, {i}.")))
        for i, system in enumerate([DOCTOR, MECHANIC, DOCTOR, MECHANIC, DOCTOR])
    ]
    return build_rows(conversations, ChatRenderer(Base("tiny", folder).tokenizer), 512)[0]


@given(ROWS)
def test_every_row_is_its_beginning_and_the_rest(rows: list[Rendered]):
    batch = collate(rows)
    shared = share(batch)
    parts = torch.split(shared.input_ids[0], list(shared.layout.lengths))
    positions = torch.split(shared.position_ids[0], list(shared.layout.lengths))
    parents = shared.layout.parents or (NO_PARENT,) * len(parts)
    beginnings = {parent for parent in parents if parent != NO_PARENT}
    own = [number for number in range(len(parts)) if number not in beginnings]
    for number, row in zip(own, rows, strict=True):
        whole = [parents[number], number] if parents[number] != NO_PARENT else [number]
        assert torch.cat([parts[i] for i in whole]).tolist() == list(row.token_ids)
        assert torch.cat([positions[i] for i in whole]).tolist() == [*range(len(row.token_ids))]
    for before, after in zip(batch.predicting, shared.predicting, strict=True):
        assert batch.input_ids[0, before] == shared.input_ids[0, after]
        assert batch.position_ids[0, before] == shared.position_ids[0, after]


@given(ROWS)
def test_beginnings_are_those_of_several_rows_and_worth_it(rows: list[Rendered]):
    found = common_beginnings(rows, range(len(rows)))
    for row, beginning in zip(rows, found, strict=True):
        alike = [other for other, its in zip(rows, found, strict=True) if its == beginning]
        if beginning.length:
            assert SHORTEST <= beginning.length < len(row.token_ids)
            assert len(alike) > 1
            assert len({other.token_ids[: beginning.length] for other in alike}) == 1


def test_no_rows_have_nothing_in_common():
    assert common_beginnings([], []) == []


def test_a_system_prompt_is_computed_once(make_base: Callable[..., Path]):
    batch = collate(rows_of(make_base("llama")))
    doctor, mechanic = (batch.beginnings[i].length for i in (0, 1))
    saved = batch.input_ids.numel() - share(batch).input_ids.numel()
    assert doctor > SHORTEST < mechanic != doctor
    assert saved == 2 * doctor + mechanic


@pytest.mark.parametrize("family", ["llama", "mistral-window", "qwen2-window", "qwen3"])
def test_losses_and_gradients_equal_pefts(family: str, make_base: Any):
    folder = make_base(family)
    model, batch = make_model(folder), collate(rows_of(folder))
    expected = token_losses(model, batch)
    gradients = gradients_of(model, expected)
    losses = LeanModel(model).token_losses(batch)
    torch.testing.assert_close(losses, expected, atol=2e-5, rtol=1e-4)
    assert_close(gradients, gradients_of(model, losses), 1e-4)


def test_what_is_dropped_of_a_beginning_follows_from_the_step(make_base: Any):
    """And so not from which rows of the step are computed together."""
    folder = make_base("llama")
    rows, lean = rows_of(folder), LeanModel(make_model(folder, dropout=0.3))
    seeds = [7, 8, 9, 10, 11]
    beginnings = common_beginnings(rows, seeds)

    def losses(own: slice) -> torch.Tensor:
        return lean.token_losses(collate(rows[own], seeds[own], 0.0, beginnings[own]))

    whole, split = losses(slice(5)), torch.cat([losses(slice(2)), losses(slice(2, 5))])
    torch.testing.assert_close(whole, split)
    assert not torch.allclose(whole, LeanModel(make_model(folder)).token_losses(collate(rows)))


def test_a_number_is_drawn_once_for_both_passes(make_base: Any, monkeypatch: pytest.MonkeyPatch):
    drawn: list[int] = []
    draw = dropout._random_bytes  # pyright: ignore[reportPrivateUsage] - what is counted

    def counted(seed: Any, size: int) -> Any:
        drawn.append(size)
        return draw(seed, size)

    monkeypatch.setattr(dropout, "_random_bytes", counted)
    folder = make_base("llama")
    lean = LeanModel(make_model(folder, dropout=0.3))
    losses = lean.token_losses(collate(rows_of(folder)))
    forward = sum(drawn)
    losses.mean().backward()
    assert forward == sum(drawn) > 0
