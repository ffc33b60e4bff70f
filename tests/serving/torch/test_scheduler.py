"""What a step computes, who waits, and that everything comes back."""

import pytest

from serving.engine import Blend
from serving.errors import AdapterRefused
from serving.requests.sequence import BLOCK
from tests.serving.rehearsal import Rehearsal, alone, make_ref


def test_a_prompt_is_computed_once_and_then_a_token_in_every_step():
    rehearsal = Rehearsal()
    sequence = rehearsal.submit(range(20), max_tokens=4)
    assert [rehearsal.step() for _ in range(4)] == [[(sequence, count)] for count in (20, 1, 1, 1)]
    assert rehearsal.step() == []


def test_an_answer_of_one_token_takes_one_step():
    rehearsal = Rehearsal()
    rehearsal.submit(range(20), max_tokens=1)
    rehearsal.step()
    assert (rehearsal.live, rehearsal.pool.num_free) == ([], 32)


def test_a_long_prompt_takes_several_steps_while_running_rows_get_their_tokens():
    rehearsal = Rehearsal(chunk_tokens=20)
    running = [rehearsal.submit([number], max_tokens=30) for number in range(3)]
    rehearsal.step()
    long = rehearsal.submit(range(50))
    for count in (20, 20, 10, 1):
        assert rehearsal.step() == [*((row, 1) for row in running), (long, count)]


def test_prompts_share_what_one_step_may_compute():
    rehearsal = Rehearsal(chunk_tokens=30)
    first, second, third = (rehearsal.submit(range(at, at + 20)) for at in (0, 100, 200))
    assert rehearsal.step() == [(first, 20), (second, 10)]
    assert rehearsal.step() == [(first, 1), (second, 10), (third, 20)]


@pytest.mark.parametrize("chunk_tokens", [1, 2, 3, 7])
def test_the_budget_is_kept_to_the_token(chunk_tokens: int):
    rehearsal = Rehearsal(chunk_tokens=chunk_tokens)
    for at in (0, 100, 200, 300):
        rehearsal.submit(range(at, at + 5), max_tokens=4)
    while rehearsal.live:
        in_prompt = {row for row in rehearsal.live if row.num_missing > 1 or not row.blocks}
        step = rehearsal.step()
        assert sum(count for row, count in step if row in in_prompt) <= chunk_tokens


def test_no_more_rows_run_than_there_are():
    rehearsal = Rehearsal(max_rows=2)
    sequences = [rehearsal.submit(range(5)) for _ in range(5)]
    rehearsal.step()
    assert rehearsal.running == sequences[:2]


def test_a_prefix_is_found_by_the_next_step_while_its_owner_still_runs():
    rehearsal = Rehearsal()
    first = rehearsal.submit(range(40), max_tokens=20)
    rehearsal.step()
    second = rehearsal.submit([*range(32), 99])
    assert rehearsal.step() == [(first, 1), (second, 1)]
    assert second.num_cached == 32
    assert second.blocks[:2] == first.blocks[:2]
    assert second.blocks[2] != first.blocks[2]


def test_the_same_prompts_of_one_step_are_computed_into_copies():
    rehearsal = Rehearsal()
    twins = [rehearsal.submit(range(32), max_tokens=4) for _ in range(2)]
    assert rehearsal.step() == [(twin, 32) for twin in twins]
    assert set(twins[0].blocks).isdisjoint(twins[1].blocks)
    rehearsal.run()
    assert rehearsal.pool.num_free == 32


def test_what_an_answer_computed_is_found_by_the_next_turn():
    rehearsal = Rehearsal()
    first = rehearsal.submit(range(10), max_tokens=24)
    rehearsal.run()
    second = rehearsal.submit([*first.token_ids, 5, 6])
    rehearsal.step()
    assert second.num_cached == 32


def test_a_request_waits_until_its_whole_prompt_has_room():
    rehearsal = Rehearsal(num_blocks=4)
    first = rehearsal.submit(range(40), max_tokens=4)
    rehearsal.step()
    second = rehearsal.submit(range(100, 120))
    while first in rehearsal.live:
        assert rehearsal.step() == [(first, 1)]
    assert rehearsal.step() == [(second, 20)]


@pytest.mark.parametrize("num_steps", [0, 1, 2, 5])
def test_cancelling_frees_everything_at_once(num_steps: int):
    rehearsal = Rehearsal(chunk_tokens=BLOCK)
    sequence = rehearsal.submit(range(3 * BLOCK), alone("c"))
    for _ in range(num_steps):
        rehearsal.step()
    rehearsal.cancel(sequence)
    rehearsal.check()
    assert rehearsal.pool.num_free == 32
    assert rehearsal.places.table.num_uses(make_ref("c").sha256) == 0
    assert rehearsal.step() == []


def test_cancelling_leaves_to_others_what_they_share():
    rehearsal = Rehearsal()
    first = rehearsal.submit(range(32), alone("a"))
    rehearsal.step()
    second = rehearsal.submit(range(40), alone("a"))
    rehearsal.step()
    rehearsal.cancel(first)
    rehearsal.check()
    assert rehearsal.step() == [(second, 1)]


def test_a_refused_adapter_ends_only_its_own_request():
    rehearsal = Rehearsal()
    rehearsal.places.damaged[make_ref("b")] = AdapterRefused("damaged")
    broken_blend: Blend = (*alone("a"), *alone("b"))
    good, bad, blended, other = (
        rehearsal.submit(range(5), blend)
        for blend in (alone("a"), alone("b"), broken_blend, alone("c"))
    )
    assert rehearsal.step() == [(good, 5), (other, 5)]
    assert rehearsal.refused == [bad, blended]
    rehearsal.check()


def test_a_request_waits_while_its_adapter_has_no_room_in_the_granules():
    rehearsal = Rehearsal(num_granules=3)
    first = rehearsal.submit(range(5), alone("c"), max_tokens=3)
    second = rehearsal.submit(range(5), alone("d"))
    for _ in range(3):
        rehearsal.step()
        assert second in rehearsal.waiting
    assert first not in rehearsal.live
    assert rehearsal.step() == [(second, 5)]


def test_an_adapter_is_loaded_again_if_it_was_dropped_while_its_request_waited():
    rehearsal = Rehearsal(max_rows=1)
    rehearsal.submit(range(5), alone("a"), max_tokens=2)
    second = rehearsal.submit(range(5), alone("b"))
    rehearsal.step()
    rehearsal.places.drop(make_ref("b"))
    rehearsal.step()
    assert rehearsal.step() == [(second, 5)]


def test_clearing_forgets_everybody_and_every_prefix():
    rehearsal = Rehearsal(max_rows=2)
    for _ in range(4):
        rehearsal.submit(range(40), alone("a"))
    rehearsal.step()
    rehearsal.clear()
    assert (rehearsal.running, rehearsal.waiting, rehearsal.pool.num_free) == ([], [], 32)
    assert rehearsal.places.table.num_uses(make_ref("a").sha256) == 0
    again = rehearsal.submit(range(40), alone("a"))
    assert (again, 40) in rehearsal.step()
    assert again.num_cached == 0


def test_an_unexpected_error_while_scheduling_leaves_nothing_behind_once_cleared():
    rehearsal = Rehearsal()
    rehearsal.submit(range(5), alone("a"))
    rehearsal.step()
    rehearsal.submit(range(50), alone("b"))
    rehearsal.submit(range(50), alone("c"))
    rehearsal.places.damaged[make_ref("c")] = OSError("disk")
    with pytest.raises(OSError, match="disk"):
        rehearsal.step()
    rehearsal.clear()
    rehearsal.check()
    assert rehearsal.pool.num_free == 32
    assert len(rehearsal.places.table.idle()) == 2
