"""Whose request comes next."""

from collections import Counter

from serving.engine import Blend
from serving.requests.fair_queue import FairQueue
from serving.requests.sequence import BLOCK, Sequence, Tenant
from tests.serving.rehearsal import Rehearsal, alone, make_ref, make_sequence

NOBODY: Counter[Tenant] = Counter()


def waiting(*names: str) -> tuple[FairQueue, list[Sequence]]:
    """A queue in which requests of these adapters have arrived in this order."""
    queue = FairQueue()
    sequences = [make_sequence([1], alone(name)) for name in names]
    for sequence in sequences:
        queue.add(sequence)
    return queue, sequences


def take(queue: FairQueue, running: Counter[Tenant] = NOBODY) -> Sequence:
    sequence = queue.peek(running)
    assert sequence is not None
    queue.take(sequence)
    return sequence


def take_all(queue: FairQueue) -> str:
    """The adapters' names in the order of their turns, if every request ends at once."""
    return "".join(take(queue).tenant[0] for _ in range(len(queue)))


def test_requests_of_one_adapter_keep_their_order():
    queue, sequences = waiting("a", "a", "a")
    assert [take(queue) for _ in range(3)] == sequences


def test_adapters_take_turns_however_much_they_ask_for():
    queue, _ = waiting(*"aaaaabbc")
    assert take_all(queue) == "abcabaaa"


def test_versions_and_scales_of_one_adapter_share_its_turn():
    queue = FairQueue()
    blends: list[Blend] = [alone("a", "1"), alone("a", "2"), ((make_ref("a"), 0.5),), alone("b")]
    sequences = [make_sequence([1], blend) for blend in blends]
    for sequence in sequences:
        queue.add(sequence)
    assert [take(queue) for _ in range(4)] == [sequences[number] for number in (0, 3, 1, 2)]


def test_the_adapter_with_the_fewest_running_goes_first():
    queue, sequences = waiting("a", "b", "c")
    running = Counter({("a",): 2, ("b",): 1, ("c",): 3})
    assert take(queue, running) is sequences[1]
    assert take(queue, running) is sequences[0]
    assert take(queue, running) is sequences[2]


def test_a_newcomer_goes_before_who_had_the_last_turn():
    queue, (_, again) = waiting("a", "a")
    take(queue)
    newcomer = make_sequence([1], alone("b"))
    queue.add(newcomer)
    assert take(queue) is newcomer
    assert take(queue) is again


def test_a_stream_of_newcomers_takes_every_second_turn_at_most():
    queue, _ = waiting("a", "a", "a")
    turns: list[str] = []
    for number in range(5):
        turns += take(queue).tenant
        queue.add(make_sequence([1], alone(f"newcomer {number}")))
    assert turns == ["a", "newcomer 0", "a", "newcomer 1", "a"]


def test_coming_back_at_once_is_no_way_past_others():
    queue, _ = waiting("a", "a", "a", "b")
    turns = ""
    for _ in range(6):
        turns += take(queue).tenant[0]
        if turns[-1] == "b":
            queue.add(make_sequence([1], alone("b")))
    assert turns == "ababab"


def test_leaving_does_not_cost_an_adapter_its_turn():
    queue, (leaving, staying, other) = waiting("a", "a", "b")
    assert queue.remove(leaving)
    assert take(queue) is staying
    assert take(queue) is other


def test_preempted_requests_go_before_everything_else_the_oldest_first():
    queue, (waiting_one,) = waiting("c")
    old, young = make_sequence([1], alone("a")), make_sequence([1], alone("b"))
    for sequence in (young, old):  # the youngest is preempted first
        queue.put_back(sequence)
    running = Counter({("a",): 5, ("b",): 5})
    assert [take(queue, running) for _ in range(3)] == [old, young, waiting_one]


def test_nobody_is_next_in_an_empty_queue():
    queue, _ = waiting("a")
    take(queue)
    assert queue.peek(NOBODY) is None
    assert len(queue) == 0


def test_who_is_not_here_cannot_be_removed():
    queue, (sequence, _) = waiting("a", "a")
    assert not queue.remove(make_sequence([1], alone("a")))
    assert not queue.remove(make_sequence([1], alone("b")))
    assert queue.remove(sequence)
    assert not queue.remove(sequence)


def test_everybody_is_counted_and_named_until_the_queue_is_cleared():
    queue, sequences = waiting("a", "b", "a")
    preempted = make_sequence([1])
    queue.put_back(preempted)
    assert len(queue) == 4
    assert set(queue) == {*sequences, preempted}
    queue.clear()
    assert (len(queue), list(queue), queue.peek(NOBODY)) == (0, [], None)


def test_a_backlog_of_a_hundred_keeps_another_adapter_waiting_for_one_free_row_only():
    for max_rows in (1, 2, 4):
        rehearsal = Rehearsal(num_blocks=64, max_rows=max_rows)
        for number in range(100):
            rehearsal.submit(range(5), alone("a"), max_tokens=3 + number % 4)
        rehearsal.step()
        single = rehearsal.submit(range(5), alone("b"))
        others = list(rehearsal.running)
        while single not in rehearsal.running:
            assert rehearsal.running == [row for row in others if row in rehearsal.running]
            rehearsal.step()
        rehearsal.run()


def test_long_prompts_of_a_backlog_delay_another_by_the_one_that_has_begun():
    rehearsal = Rehearsal(num_blocks=64, max_rows=2, chunk_tokens=BLOCK)
    for _ in range(10):
        rehearsal.submit(range(4 * BLOCK), alone("a"), max_tokens=2)
    rehearsal.step()
    single = rehearsal.submit(range(5), alone("b"))
    for _ in range(4):
        rehearsal.step()
    assert single in rehearsal.running
