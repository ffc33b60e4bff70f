import numpy as np
import pytest

from service.bench.measurement import Failure, MeasuredAnswer, Measurement, spread
from service.client.stream import TokenCounts, TokenDetails


def answer(target: str = "a", first_token: float | None = 0.1, num_gaps: int = 1) -> MeasuredAnswer:
    return MeasuredAnswer(target, first_token, (0.02,) * num_gaps, None)


def counted(prompt: int, output: int, cached: int | None = None) -> MeasuredAnswer:
    details = TokenDetails(cached_tokens=cached)
    counts = TokenCounts(
        prompt_tokens=prompt, completion_tokens=output, prompt_tokens_details=details
    )
    return MeasuredAnswer("a", 0.1, (), counts)


@pytest.mark.parametrize("size", [1, 2, 3, 20, 101, 1_000])
def test_percentiles_are_numpys(size: int):
    seconds = np.random.default_rng(size).exponential(size=size)
    found = spread(seconds.tolist())
    assert found is not None
    expected = [*np.percentile(seconds, [50, 95, 99]), seconds.max()]
    assert [found.p50, found.p95, found.p99, found.max] == pytest.approx(
        [1_000 * value for value in expected]
    )


def test_nothing_has_no_spread():
    assert spread([]) is None


def test_servers_count_goes_before_the_chunks():
    measurement = Measurement(2.0, (counted(10, 7, cached=4), counted(20, 9, cached=0)))
    assert measurement.has_exact_counts
    assert (measurement.output_tokens, measurement.output_tokens_per_second) == (16, 8.0)
    assert measurement.requests_per_second == 1.0
    assert measurement.mean_prompt_tokens == 15
    assert measurement.mean_output_tokens == 8
    assert measurement.mean_cached_tokens == 2


def test_without_the_servers_count_chunks_are_tokens_and_that_is_said():
    measurement = Measurement(1.0, (answer(num_gaps=4), answer(first_token=None, num_gaps=0)))
    assert not measurement.has_exact_counts
    assert measurement.output_tokens == 5
    assert measurement.mean_prompt_tokens is None
    assert measurement.mean_cached_tokens is None


def test_each_target_has_a_row_in_the_order_asked():
    outcomes = (answer("b", 0.3), answer("a", 0.1, 3), Failure("c", "HTTP 404", "None."))
    rows = Measurement(1.0, (*outcomes, answer("b", 0.3))).rows
    assert [(row.target, row.num_done, row.num_failed) for row in rows] == [
        ("b", 2, 0),
        ("a", 1, 0),
        ("c", 0, 1),
    ]
    assert [row.output_tokens for row in rows] == [4, 4, 0]
    assert [row.first_token_p95_ms for row in rows] == [
        pytest.approx(300),
        pytest.approx(100),
        None,
    ]


def test_failures_are_counted_by_kind_with_the_first_as_the_example():
    kinds = ("ReadError", "HTTP 503", "HTTP 503", "ReadError", "HTTP 503")
    failures = tuple(Failure("a", kind, f"number {i}") for i, kind in enumerate(kinds))
    measurement = Measurement(1.0, failures)
    found = [(fault.kind, fault.count, fault.example) for fault in measurement.faults]
    assert found == [("HTTP 503", 3, "number 1"), ("ReadError", 2, "number 0")]
    assert measurement.output_tokens_per_second == 0
    assert measurement.first_token is None
