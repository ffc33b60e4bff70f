"""The number of threads follows what a token takes with each."""

import random
from collections import Counter
from collections.abc import Callable

import pytest

from serving.llamacpp.threads import REST, RUN, RUNS, ThreadChoice, num_cores

TRIAL = RUN * RUNS


def use(choice: ThreadChoice, seconds: Callable[[int], float], num_tokens: int) -> Counter[int]:
    used: Counter[int] = Counter()
    for _ in range(num_tokens):
        count = choice.count
        used[count] += 1
        choice.note(seconds(count))
    return used


def noisy(seconds: Callable[[int], float]) -> Callable[[int], float]:
    chance = random.Random(1)
    return lambda count: seconds(count) * (1 + chance.random() / 10 + (chance.random() < 0.1))


@pytest.mark.parametrize(
    ("most", "seconds", "best"),
    [
        (1, lambda count: 1, 1),
        (2, lambda count: 1 / count, 2),
        (2, lambda count: count, 1),
        (16, lambda count: 1 / count, 16),
        (16, lambda count: 4 / count + count, 2),
        (12, lambda count: 9 / count + count, 3),
        (6, lambda count: count, 1),
    ],
)
def test_the_fastest_number_is_found(most: int, seconds: Callable[[int], float], best: int):
    choice = ThreadChoice(most)
    use(choice, noisy(seconds), 6 * 3 * TRIAL)
    assert use(choice, seconds, 100) == {best: 100}


def test_a_large_model_loses_little_to_the_search():
    used = use(ThreadChoice(16), lambda count: 1 / count, 10_000)
    assert set(used) == {16, 8}
    assert used[8] <= 10_000 // REST * TRIAL + TRIAL


def test_another_number_is_found_when_things_have_changed():
    choice = ThreadChoice(4)
    use(choice, lambda count: count, REST)
    assert choice.count == 1
    use(choice, lambda count: 1 / count, 2 * REST)
    assert use(choice, lambda count: 1 / count, 100)[4] > 50


def test_equals_leave_it_as_it_is():
    choice = ThreadChoice(8)
    used = use(choice, lambda count: 1, 1000)
    assert used[8] == 1000 - TRIAL


@pytest.mark.parametrize(
    ("told", "physical", "expected"),
    [("", 4, 4), ("2", 4, 2), ("64", 4, 4), ("0", 4, 4), ("2,1", 4, 4), ("", None, 8), ("1", 2, 1)],
)
def test_there_are_no_more_threads_than_cores_and_than_was_said(
    told: str, physical: int | None, expected: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: range(8), raising=False)
    monkeypatch.setattr("psutil.cpu_count", lambda logical=True: 16 if logical else physical)
    monkeypatch.setenv("OMP_NUM_THREADS", told)
    assert num_cores() == expected


def test_no_more_are_tried_than_other_programs_leave_cores_for():
    choice = ThreadChoice(8)
    choice.free = 3
    assert set(use(choice, lambda count: 1 / count, 2000)) <= {2, 1}
    assert choice.count == 2
    choice.free = 8
    use(choice, lambda count: 1 / count, 6 * 3 * TRIAL)
    assert choice.count == 8
