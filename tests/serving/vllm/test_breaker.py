"""When a server that fails is left alone."""

from serving.vllm.breaker import FAILURES, FIRST_PAUSE, LONGEST_PAUSE, Breaker


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def fail_often(breaker: Breaker, times: int = FAILURES) -> None:
    for _ in range(times):
        breaker.enter()
    for _ in range(times):
        breaker.fail()


def test_single_failures_close_nothing():
    breaker = Breaker(Clock())
    for _ in range(FAILURES):
        fail_often(breaker, FAILURES - 1)
        assert breaker.can_enter()
        breaker.succeed()


def test_one_request_tries_while_others_wait():
    clock = Clock()
    breaker = Breaker(clock)
    fail_often(breaker, 5 * FAILURES)  # at once: no longer a pause than for three
    assert not breaker.can_enter()
    clock.now += FIRST_PAUSE
    assert breaker.can_enter()
    breaker.enter()
    assert not breaker.can_enter()
    breaker.succeed()
    assert breaker.can_enter()


def test_pauses_grow_until_it_succeeds():
    clock = Clock()
    breaker = Breaker(clock)
    fail_often(breaker)
    pauses: list[float] = []
    for _ in range(8):
        begin = clock.now
        while not breaker.can_enter():
            clock.now += FIRST_PAUSE / 4
        pauses.append(clock.now - begin)
        breaker.enter()
        breaker.fail()
    assert pauses[:3] == [FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE]
    assert pauses[-1] == LONGEST_PAUSE
    breaker.succeed()
    fail_often(breaker)
    clock.now += FIRST_PAUSE
    assert breaker.can_enter()
