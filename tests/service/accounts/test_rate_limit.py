import pytest

from service.accounts.caller import Caller, Limits
from service.accounts.rate_limit import RateLimits
from service.errors import RateLimited
from service.http.replies import reply_to


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def limits(clock: Clock) -> RateLimits:
    return RateLimits(clock)


def caller(requests: int | None = None, tokens: int | None = None, key_id: str = "1") -> Caller:
    return Caller(key_id, "anna", limits=Limits(requests, tokens))


def refused(limits: RateLimits, who: Caller) -> dict[str, str]:
    """The headers of the refusal."""
    with pytest.raises(RateLimited) as caught:
        limits.admit(who, generates=True)
    return dict(caught.value.headers)


def test_a_minutes_requests_may_come_at_once_and_then_one_by_one(limits: RateLimits, clock: Clock):
    anna = caller(requests=6)
    for left in (5, 4, 3, 2, 1, 0):
        headers = limits.admit(anna, generates=True)
        assert headers["x-ratelimit-remaining-requests"] == str(left)
    headers = refused(limits, anna)
    assert headers["Retry-After"] == "10"
    clock.now += 10
    limits.admit(anna, generates=True)
    assert refused(limits, anna)["Retry-After"] == "10"


def test_whoever_waits_as_long_as_told_is_let_in(limits: RateLimits, clock: Clock):
    anna = caller(requests=7)  # a whole number of seconds is never right for it
    for _ in range(7):
        limits.admit(anna, generates=True)
    for _ in range(50):
        clock.now += int(refused(limits, anna)["Retry-After"])
        limits.admit(anna, generates=True)


def test_a_refused_request_costs_nothing(limits: RateLimits, clock: Clock):
    anna = caller(requests=1)
    limits.admit(anna, generates=True)
    for _ in range(100):
        refused(limits, anna)
    clock.now += 60
    limits.admit(anna, generates=True)


def test_what_is_not_used_does_not_pile_up(limits: RateLimits, clock: Clock):
    anna = caller(requests=2)
    limits.admit(anna, generates=True)
    clock.now += 3600
    for _ in range(2):
        limits.admit(anna, generates=True)
    refused(limits, anna)


def test_tokens_are_a_debt_that_is_waited_for(limits: RateLimits, clock: Clock):
    anna = caller(tokens=600)
    limits.admit(anna, generates=True)
    limits.charge(anna, 1200)
    headers = refused(limits, anna)
    assert headers["Retry-After"] == "61"  # until it owes nothing and has one token
    assert headers["x-ratelimit-remaining-tokens"] == "0"
    clock.now += 61
    limits.admit(anna, generates=True)


def test_without_tokens_left_whatever_computes_none_is_answered(limits: RateLimits):
    anna = caller(tokens=10)
    limits.charge(anna, 100)
    limits.admit(anna, generates=False)
    refused(limits, anna)


def test_headers_are_those_that_openais_clients_know(limits: RateLimits):
    anna = caller(requests=60, tokens=6000)
    limits.charge(anna, 9000)
    headers = limits.admit(anna, generates=False)
    assert headers == {
        "x-ratelimit-limit-requests": "60",
        "x-ratelimit-remaining-requests": "59",
        "x-ratelimit-reset-requests": "1s",
        "x-ratelimit-limit-tokens": "6000",
        "x-ratelimit-remaining-tokens": "0",
        "x-ratelimit-reset-tokens": "1m30s",
    }
    assert limits.admit(caller(requests=600, key_id="2"), generates=True) == {
        "x-ratelimit-limit-requests": "600",
        "x-ratelimit-remaining-requests": "599",
        "x-ratelimit-reset-requests": "100ms",
    }


def test_keys_do_not_share_and_those_without_limits_have_none(limits: RateLimits):
    limits.admit(caller(requests=1, key_id="1"), generates=True)
    limits.admit(caller(requests=1, key_id="2"), generates=True)
    for _ in range(100):
        assert limits.admit(caller(key_id="3"), generates=True) == {}
        assert limits.admit(Caller(), generates=True) == {}
    limits.charge(Caller(), 1_000_000)


def test_the_refusal_is_openais(limits: RateLimits):
    anna = caller(requests=1)
    limits.admit(anna, generates=True)
    with pytest.raises(RateLimited) as caught:
        limits.admit(anna, generates=True)
    reply = reply_to(caught.value)
    error = reply.body.error
    assert (reply.status, error.type, error.code) == (
        429,
        "rate_limit_error",
        "rate_limit_exceeded",
    )
    assert "used up its 1 requests a minute" in error.message
    assert "60 s" in error.message
