"""What is made of the times that the benchmark of busy machines sees."""

import json
from pathlib import Path

import pytest

from benchmarks.busy import WARM_UP, Found, Stepping, Streaming, write

ALONE = Stepping([float(second) for second in range(20)])  # a step a second
HALF = Stepping([2.0 * second for second in range(12)])


def found(streaming: Streaming, trainings: dict[str, Stepping]) -> Found:
    alone = dict.fromkeys(trainings, ALONE)
    return Found(Streaming(40, 0.1, 0.2, 0.3), streaming, alone, trainings)


def test_a_share_is_of_the_steps_that_both_have_taken():
    assert HALF.share_of(ALONE) == pytest.approx(0.5)
    assert ALONE.share_of(ALONE) == 1
    late = Stepping([second + 7 for second in HALF.ends])  # its start does not count
    assert late.share_of(ALONE) == pytest.approx(0.5)


def test_what_a_step_takes_beyond_its_share_is_a_stall_except_while_warming_up():
    assert WARM_UP == 2
    assert HALF.stall(ALONE) == pytest.approx(0)
    late = Stepping([0.0, 9.0, 10.0, 12.0, 14.0, 20.0])  # a third of the speed, on average
    assert late.stall(ALONE) == pytest.approx(6 - 10 / 3)


@pytest.mark.parametrize(
    ("streaming", "trainings", "passed"),
    [
        (Streaming(20, 0.2, 1.0, 0.5), {"a": HALF, "b": HALF}, [True, True, True]),
        (Streaming(4, 0.2, 1.0, 0.5), {"a": HALF}, [False, True, True]),
        (Streaming(20, 0.4, 1.0, 0.5), {"a": HALF, "b": HALF}, [True, False, True]),
        (Streaming(20, 0.2, 6.0, 0.5), {"a": HALF, "b": HALF}, [True, True, False]),
        (Streaming(20, 0.2, 1.0, 6.0), {"a": HALF, "b": HALF}, [True, True, False]),
        (
            Streaming(20, 0.2, 1.0, 0.5),
            {"a": HALF, "b": Stepping([*range(9), 18.0])},
            [True, True, False],
        ),
    ],
)
def test_each_bar_is_missed_by_itself(
    streaming: Streaming, trainings: dict[str, Stepping], passed: list[bool], tmp_path: Path
):
    seen = found(streaming, trainings)
    assert [bar.is_passed for bar in seen.bars] == passed
    write(seen, tmp_path / "busy")
    assert ("**fail**" in (tmp_path / "busy.md").read_text(encoding="utf-8")) is not all(passed)
    assert json.loads((tmp_path / "busy.json").read_text(encoding="utf-8"))["shares"]["a"] > 0
