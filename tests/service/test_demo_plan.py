"""What the demo trains on machines of different speeds."""

import subprocess
import sys

import pytest

from service.demo_plan import BUDGET, LEAST, MOST, DemoPace, make_plan

# What `measure` told of two cores: of a first-generation EPYC (AVX2 alone), and of one with
# AVX-512 that was told to compute as if it had AVX2.
SLOW = DemoPace(30, 45, 20, 60, 0.3)
FAST = DemoPace(10, 199, 4, 16, 0.09)


def test_a_fast_machine_trains_as_much_as_there_is():
    plan = make_plan(FAST, 30, 2)
    assert plan.num_tokens == MOST
    assert plan.total_seconds < BUDGET / 1.5


def test_a_slow_machine_trains_what_fits():
    plan = make_plan(DemoPace(15, 45, 12, 40, 0.2), 60, 2)
    assert LEAST < plan.num_tokens < MOST
    assert plan.total_seconds == pytest.approx(BUDGET, abs=1)
    assert plan.is_in_time


def test_a_machine_that_is_too_slow_trains_the_least_and_is_told_how_long_it_takes():
    plan = make_plan(DemoPace(60, 15, 60, 120, 1.0), 120, 2)
    assert plan.num_tokens == LEAST
    assert plan.total_seconds > BUDGET
    assert not plan.is_in_time


@pytest.mark.parametrize("pace", [SLOW, FAST])
def test_the_parts_add_up(pace: DemoPace):
    plan = make_plan(pace, 30, 2)
    assert plan.total_seconds == pytest.approx(30 + 2 * plan.adapter_seconds + plan.serving_seconds)


def test_what_took_longer_than_planned_leaves_less_for_the_second():
    pace = DemoPace(15, 80, 12, 40, 0.2)
    first = make_plan(pace, 60, 2)
    late = make_plan(pace.slowed(1.1), 60 + 1.1 * first.adapter_seconds, 1)
    assert LEAST < late.num_tokens < first.num_tokens
    assert late.total_seconds == pytest.approx(BUDGET, abs=1)


def test_the_demo_and_the_progress_of_commands_leave_torch_to_those_who_compute():
    code = (
        "import sys, service.demo, service.commands.views.progress; print('torch' in sys.modules)"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
