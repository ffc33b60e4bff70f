"""Who finds which blocks, and in which order they are taken again."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.engine import Blend
from serving.requests.sequence import BLOCK, namespace, next_digest, num_blocks_for, root_digest
from serving.torch.blocks import BlockPool
from tests.serving.rehearsal import Rehearsal, alone, make_ref, make_sequence

PROMPT = range(3 * BLOCK + 5)
OTHERS = [
    (),
    alone("b"),
    alone("a", "2"),
    ((make_ref("a"), 0.5),),
    ((make_ref("a"), -1.0),),
    ((make_ref("a"), 1.0), (make_ref("b"), 1.0)),
]


def digests_of(num_blocks: int, text: str = "") -> list[bytes]:
    digests = [root_digest(text)]
    for index in range(num_blocks):
        digests.append(next_digest(digests[-1], [index] * BLOCK))
    return digests[1:]


def fill(pool: BlockPool, digests: list[bytes]) -> list[int]:
    """Blocks of a sequence that has computed its prompt and still runs."""
    blocks = [pool.take() for _ in digests]
    for block, digest in zip(blocks, digests, strict=True):
        pool.remember(block, digest)
    return blocks


def cached(rehearsal: Rehearsal, prompt: range, blend: Blend) -> int:
    """How many tokens a request finds, which is alone and then leaves."""
    sequence = rehearsal.submit(prompt, blend, max_tokens=1)
    rehearsal.run()
    return sequence.num_cached


@pytest.mark.parametrize("other", OTHERS, ids=lambda blend: namespace(blend) or "base")
def test_a_prefix_is_found_only_with_the_same_adapters_and_scales(other: Blend):
    rehearsal = Rehearsal()
    assert cached(rehearsal, PROMPT, alone("a")) == 0
    assert cached(rehearsal, PROMPT, other) == 0
    assert cached(rehearsal, PROMPT, alone("a")) == cached(rehearsal, PROMPT, other) == 3 * BLOCK


def test_the_order_of_a_blend_makes_no_difference():
    a, b = make_ref("a"), make_ref("b")
    assert namespace(((a, 0.5), (b, 0.25))) == namespace(((b, 0.25), (a, 0.5)))
    assert namespace(((a, 0.5), (b, 0.25))) != namespace(((a, 0.25), (b, 0.5)))


def test_the_same_version_is_found_under_another_name():
    rehearsal = Rehearsal()
    renamed = replace(make_ref("a"), name="copy", version="9")
    cached(rehearsal, PROMPT, alone("a"))
    assert cached(rehearsal, PROMPT, ((renamed, 1.0),)) == 3 * BLOCK


@pytest.mark.parametrize("num_tokens", [1, 15, 16, 17, 31, 32, 33, 48])
def test_the_last_token_of_a_prompt_is_always_computed(num_tokens: int):
    rehearsal = Rehearsal()
    prompt = range(num_tokens)
    cached(rehearsal, range(64), ())
    assert cached(rehearsal, prompt, ()) == (num_tokens - 1) // BLOCK * BLOCK < num_tokens


def test_a_prefix_ends_where_the_tokens_differ():
    rehearsal = Rehearsal()
    cached(rehearsal, range(64), ())
    changed = make_sequence([*range(40), 99, *range(41, 64)])
    assert len(rehearsal.pool.find(changed.prefix_digests)) == 2


def test_the_same_tokens_elsewhere_are_not_found():
    pool = BlockPool(4)
    fill(pool, digests_of(2))
    shifted = make_sequence([1] * BLOCK + [0] * BLOCK + [0])
    assert pool.find(shifted.prefix_digests) == []


def test_nothing_is_found_behind_a_gap():
    pool = BlockPool(3)
    digests = digests_of(3)
    blocks = fill(pool, digests)
    pool.release(blocks[:1])
    assert pool.take() == blocks[0]
    assert pool.find(digests) == []
    pool.remember(blocks[0], digests[0])
    assert pool.find(digests) == blocks


def test_blocks_are_taken_in_the_order_in_which_they_were_released():
    pool = BlockPool(3)
    first, second, third = (fill(pool, digests_of(1, text))[0] for text in "abc")
    for block in (second, third, first):
        pool.release([block])
    assert [pool.take() for _ in range(3)] == [second, third, first]


def test_using_a_prefix_again_makes_it_young():
    pool = BlockPool(2)
    old, young = (fill(pool, digests_of(1, text)) for text in "ab")
    pool.release(old)
    pool.release(young)
    pool.hold(pool.find(digests_of(1, "a")))
    pool.release(old)
    assert [pool.take(), pool.take()] == [*young, *old]


def test_the_tail_of_a_sequence_is_taken_before_its_head():
    pool = BlockPool(4)
    digests = digests_of(4)
    blocks = fill(pool, digests)
    pool.release(blocks)
    for left in (3, 2, 1):
        assert pool.take() == blocks[left]
        assert pool.find(digests) == blocks[:left]


def test_blocks_that_know_nothing_are_taken_first():
    pool = BlockPool(3)
    known = fill(pool, digests_of(1))
    partial = pool.take()
    pool.release(known)
    pool.release([partial])
    never_used = 2
    assert {pool.take(), pool.take()} == {partial, never_used}
    assert pool.find(digests_of(1)) == known


def test_of_two_copies_the_first_is_found_and_the_second_is_no_loss():
    pool = BlockPool(2)
    (first,), (second,) = fill(pool, digests_of(1)), fill(pool, digests_of(1))
    assert pool.find(digests_of(1)) == [first]
    pool.release([first])
    pool.release([second])
    assert pool.take() == second
    assert pool.find(digests_of(1)) == [first]


def test_a_copy_is_not_found_once_the_first_is_gone_but_can_be_computed_again():
    pool = BlockPool(3)
    (first,), (second,) = fill(pool, digests_of(1)), fill(pool, digests_of(1))
    pool.release([first])
    while pool.num_free:
        pool.take()
    assert pool.find(digests_of(1)) == []
    pool.remember(second, digests_of(1)[0])
    assert pool.find(digests_of(1)) == [second]


def test_a_block_is_free_when_its_last_holder_lets_go():
    pool = BlockPool(1)
    blocks = fill(pool, digests_of(1))
    pool.hold(blocks)
    pool.release(blocks)
    assert pool.num_free == 0
    pool.release(blocks)
    assert pool.num_free == 1


def test_held_blocks_are_never_taken():
    pool = BlockPool(4)
    held = fill(pool, digests_of(2))
    assert {pool.take(), pool.take()}.isdisjoint(held)
    with pytest.raises(KeyError):
        pool.take()
    assert pool.find(digests_of(2)) == held


def test_free_blocks_that_would_be_held_do_not_count_as_room():
    pool = BlockPool(4)
    free, held = fill(pool, digests_of(1, "a")), fill(pool, digests_of(1, "b"))
    pool.release(free)
    assert pool.num_free == 3
    assert pool.num_free_without([*free, *held]) == 2


def test_forget_all_lets_nothing_be_found_and_keeps_who_holds_what():
    pool = BlockPool(4)
    blocks = fill(pool, digests_of(2))
    pool.forget_all()
    assert pool.find(digests_of(2)) == []
    assert pool.num_free == 2
    pool.release(blocks)
    assert {pool.take() for _ in range(4)} == set(range(4))


def test_what_is_computed_after_forget_all_is_found():
    pool = BlockPool(2)
    pool.release(fill(pool, digests_of(2)))
    pool.forget_all()
    blocks = fill(pool, digests_of(2))
    assert pool.find(digests_of(2)) == blocks


@given(st.integers(1, 10_000))
@settings(max_examples=50, deadline=None)
def test_so_many_blocks_are_enough_and_one_fewer_is_not(num_tokens: int):
    assert (num_blocks_for(num_tokens) - 1) * BLOCK < num_tokens
    assert num_tokens <= num_blocks_for(num_tokens) * BLOCK
