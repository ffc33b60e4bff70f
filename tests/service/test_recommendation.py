"""Which base is named for which machine and which data, and how that is said."""

import io
import shlex
from dataclasses import replace
from typing import Any

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from data.conversation import Conversation, Message
from data.shipped import general_conversations
from finetune.cost import Conditions
from finetune.hardware import Machine
from finetune.pace import Pace
from service.cli import app
from service.commands.views.recommendation import (
    commands,
    in_int4,
    print_recommendation,
    summary,
)
from service.recommendation import (
    TYPICAL,
    Amount,
    Here,
    Recommendation,
    amount_of,
    reckon,
    recommend,
)

GIB = 1 << 30
CHINESE = Amount(400, 60_000, 1_000, "Chinese")
ENGLISH = Amount(400, 0, 120_000, "other")


def on_cpu(memory: float, operations: float = 1.2e11, reading: float = 1.2e10) -> Here:
    machine = Machine("a CPU", 2, ("avx2",), round(memory * GIB), None, 0)
    return Here(
        machine, Pace(operations, reading), Conditions("cpu", "fp32", round(memory * GIB)), "int8"
    )


def on_gpu(memory: float) -> Here:
    machine = Machine("a CPU", 8, ("avx2",), 32 * GIB, "a GPU", round(memory * GIB))
    return Here(machine, Pace(6e13, 6e11), Conditions("cuda", "bf16", round(memory * GIB)), "nf4")


def first(here: Here, amount: Amount = TYPICAL) -> str | None:
    best = recommend(here, amount).best
    return best and best.base.name


def printed(found: Recommendation, here: Here, amount: Amount, *data: str) -> str:
    console = Console(file=io.StringIO(), width=80)
    print_recommendation(found, here, amount, data, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_small_machine_begins_with_a_small_base():
    assert first(on_cpu(24), CHINESE) == "Qwen2.5-0.5B-Instruct"
    assert first(on_cpu(24), TYPICAL) == "Qwen2.5-0.5B-Instruct"


def test_a_faster_machine_begins_with_a_larger_base():
    assert first(on_cpu(24, operations=4e11, reading=4e10), CHINESE) == "Qwen2.5-1.5B-Instruct"
    assert first(on_gpu(12), CHINESE) == "Qwen2.5-7B-Instruct"
    assert first(on_gpu(48), CHINESE) == "Qwen2.5-14B-Instruct"


def test_chinese_gets_a_base_that_speaks_it():
    for here in (on_cpu(24), on_gpu(24)):
        for amount in (CHINESE, TYPICAL):
            found = recommend(here, amount)
            assert found.best is not None
            assert all(each.base.speaks_chinese for each in (found.best, *found.others))
            assert found.num_other_languages > 0


def test_english_may_have_any_that_speaks_english():
    assert recommend(on_gpu(24), ENGLISH).num_other_languages == 0


def test_where_nothing_is_quick_the_smallest_comes_first():
    found = recommend(on_cpu(24, operations=1e9), ENGLISH)
    assert found.best is not None
    assert found.best.base.short_name == "smollm2-135m"
    said = " ".join(printed(found, on_cpu(24), ENGLISH).split())
    assert "the first is the smallest" in said


def test_where_nothing_fits_it_is_said():
    here = on_cpu(0.5)
    found = recommend(here, CHINESE)
    assert found.best is None
    assert found.num_too_large > 0
    assert "fits into this memory" in printed(found, here, CHINESE)
    assert "No known base" in summary(found)


@given(st.floats(1, 200), st.floats(0, 200), st.sampled_from([CHINESE, ENGLISH, TYPICAL]))
def test_more_memory_never_names_a_smaller_base(memory: float, more: float, amount: Amount):
    best, better = (recommend(on_gpu(each), amount).best for each in (memory, memory + more))
    if best is not None:
        assert better is not None
        assert better.base.shape.num_parameters >= best.base.shape.num_parameters


@given(st.floats(0.5, 200), st.floats(1e9, 1e14), st.floats(1e9, 1e12))
def test_what_comes_first_fits_and_is_open_if_any_that_fits_is(
    memory: float, operations: float, reading: float
):
    here = on_cpu(memory, operations, reading)
    found = recommend(here, TYPICAL)
    if found.best is not None:
        assert max(found.best.run_bytes, found.best.serving_bytes) < here.conditions.memory_bytes
        assert found.best.base.is_open or not any(each.base.is_open for each in found.others)


def test_the_shipped_sets_are_in_their_languages():
    sets = general_conversations()
    assert amount_of(sets["Chinese"]).language == "Chinese"
    assert amount_of(sets["English"]).language == "other"
    assert amount_of([*sets["English"], *sets["Chinese"]]).language == "mixed"


def test_data_is_counted():
    turns = (Message("user", "头晕 ok?"), Message("assistant", "多休息。"))
    amount = amount_of([Conversation(turns)])
    assert (amount.num_conversations, amount.num_chinese, amount.num_others) == (1, 5, 5)
    assert amount.num_tokens(2.0) == 10 * (5 * 2.0 + 5 / 4)


@pytest.mark.parametrize("here", [on_cpu(24), on_gpu(24), on_gpu(141)], ids=["CPU", "24", "141"])
@pytest.mark.parametrize("amount", [CHINESE, ENGLISH, TYPICAL], ids=lambda each: each.language)
def test_the_table_is_80_columns_wide_and_marks_the_first(here: Here, amount: Amount):
    found = recommend(here, amount)
    assert found.best is not None
    text = printed(found, here, amount, "my clinic.txt")
    assert max(map(len, text.splitlines())) <= 80
    assert f"> {found.best.base.name}" in " ".join(text.split())
    assert "'my clinic.txt'" in text
    assert "reckoned" in text
    assert text.isascii()


@pytest.mark.parametrize("here", [on_cpu(24), on_gpu(24)], ids=["CPU", "GPU"])
def test_the_next_commands_parse(here: Here):
    root: Any = typer.main.get_command(app)
    found = recommend(here, CHINESE)
    for each in (found.best, *found.others):
        assert each is not None
        lines = [shlex.split(line, comments=True) for line in commands(each, ["a b.txt"])]
        assert (lines[0][0] == "export") == each.base.is_gated
        for _, name, *arguments in lines[-2:]:
            root.commands[name].make_context(name, arguments)
        assert lines[-2][:3] == ["lora-chat", "finetune", "a b.txt"]


def test_what_int8_has_no_room_for_is_named_in_int4():
    here = on_cpu(12)
    found = recommend(here, CHINESE)
    named = found.served_in_int4
    assert named is not None
    assert named.base.is_open
    in_int8 = reckon(named.base, here, CHINESE)
    assert named.serving_bytes < 0.85 * 12 * GIB < in_int8.serving_bytes
    assert named.serving_rate > 1.5 * in_int8.serving_rate
    said = " ".join(printed(found, here, CHINESE).split())
    for told in (said, "".join(in_int4(found))):
        assert f"could serve {named.base.spec}, " in told
        assert f"with --precision int4 --context {named.context}, " in told


@pytest.mark.parametrize(
    "here", [on_cpu(200), on_gpu(12), replace(on_cpu(12), can_compile=False)], ids=str
)
def test_int4_is_named_where_it_helps_alone(here: Here):
    found = recommend(here, CHINESE)
    assert found.served_in_int4 is None
    assert "int4" not in printed(found, here, CHINESE)


def test_where_nothing_fits_int4_is_named_all_the_same():
    here = on_cpu(2.5)
    found = recommend(here, CHINESE)
    assert found.best is None
    assert found.served_in_int4 is not None
    assert "--precision int4" in printed(found, here, CHINESE)


def test_one_line_sums_it_up():
    found = recommend(on_cpu(24), TYPICAL)
    assert "Qwen/Qwen2.5-0.5B-Instruct" in summary(found)
    assert "lora-chat bases recommend" in summary(found)
    assert found.best is not None
    assert f"about {found.best.serving_rate:.0f} tokens a second" in summary(found)
