"""Who gives way when blocks run out, and how they come back."""

from itertools import repeat

from serving.requests.sequence import BLOCK, Sequence
from tests.serving.rehearsal import Rehearsal, alone, make_ref


def crowd() -> tuple[Rehearsal, Sequence, Sequence]:
    """Two requests in three blocks, each of which will need two: the first in the next step."""
    rehearsal = Rehearsal(num_blocks=3)
    old = rehearsal.submit(range(BLOCK), max_tokens=10)
    young = rehearsal.submit(range(100, 100 + BLOCK + 2), alone("a"), max_tokens=12)
    rehearsal.step()
    return rehearsal, old, young


def test_the_youngest_gives_way_and_keeps_its_tokens():
    rehearsal, old, young = crowd()
    assert rehearsal.step() == [(old, 1)]
    assert (rehearsal.running, rehearsal.waiting) == ([old], [young])
    assert young.token_ids == [*range(100, 118), 1]
    assert (young.blocks, young.num_computed) == ([], 0)
    assert rehearsal.places.table.idle() == [make_ref("a").sha256]
    assert rehearsal.scheduler.num_preemptions == 1


def test_a_preempted_request_goes_on_where_it_was():
    rehearsal, old, young = crowd()
    while old in rehearsal.live:
        rehearsal.step()
    assert young.num_answered == 1
    rehearsal.step()
    assert young.num_answered == 2
    rehearsal.run()
    assert young.token_ids == [*range(100, 118), *repeat(1, 12)]


def test_a_preempted_request_finds_its_own_prefix_again():
    rehearsal, old, young = crowd()
    rehearsal.step()
    rehearsal.cancel(old)
    assert rehearsal.step() == [(young, 3)]
    assert young.num_computed == 19


def test_what_a_request_found_at_first_is_what_it_reports():
    rehearsal, old, young = crowd()
    rehearsal.step()
    rehearsal.cancel(old)
    rehearsal.step()
    assert young.num_cached == 0


def test_what_is_reported_stays_when_the_prompt_itself_is_interrupted():
    rehearsal = Rehearsal(num_blocks=4, chunk_tokens=BLOCK)
    old = rehearsal.submit(range(BLOCK - 1), max_tokens=4)
    rehearsal.step()
    young = rehearsal.submit(range(100, 100 + 3 * BLOCK))
    rehearsal.step()
    rehearsal.step()
    assert rehearsal.step() == [(old, 1)]
    assert (young.num_answered, rehearsal.waiting) == (0, [young])
    while not young.num_answered:
        rehearsal.step()
    assert young.num_cached == 0


def test_who_was_preempted_comes_back_before_others():
    rehearsal, _, young = crowd()
    other = rehearsal.submit([1], alone("b"))
    rehearsal.step()
    assert rehearsal.waiting == [young, other]
    while young not in rehearsal.running:
        rehearsal.step()
    assert other not in rehearsal.running[: rehearsal.running.index(young)]


def test_nobody_is_admitted_in_a_step_that_preempts():
    rehearsal, old, _ = crowd()
    rehearsal.submit([1], alone("b"))
    rehearsal.step()
    assert rehearsal.running == [old]


def test_the_oldest_never_gives_way():
    rehearsal = Rehearsal(num_blocks=4, max_rows=4)
    sequences = [rehearsal.submit(range(at, at + 5), max_tokens=58) for at in range(0, 400, 100)]
    finished: list[Sequence] = []
    while rehearsal.live:
        oldest = rehearsal.running[:1]
        step = rehearsal.step()
        assert [row for row, _ in step[: len(oldest)]] == oldest
        finished += [row for row in sequences if row not in rehearsal.live and row not in finished]
    assert finished == sequences
    assert rehearsal.scheduler.num_preemptions > 0


def test_cancelling_who_was_preempted_or_has_ended_changes_nothing_else():
    rehearsal, old, young = crowd()
    rehearsal.step()
    rehearsal.cancel(young)
    rehearsal.run()
    for ended in (old, young):
        rehearsal.scheduler.cancel(ended)
    rehearsal.check()
    assert rehearsal.pool.num_free == 3
