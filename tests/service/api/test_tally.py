"""What answers have cost together."""

from service.api.tally import Tally, usage_of
from serving.engine import Delta


def test_usage_sums_answers_and_counts_the_prompt_once():
    tallies = [Tally(), Tally()]
    for tally, cached in zip(tallies, (0, 48), strict=True):
        tally.add(Delta((1,), "a", cached_tokens=cached))
        tally.add(Delta((2, 3), "b", "stop"))
    usage = usage_of(50, tallies)
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (50, 6, 56)
    assert usage.prompt_tokens_details.cached_tokens == 0
