"""Where adapters stand among the stacked weights, and who has to leave."""

import pytest

from serving.torch.granules import GranuleTable


def place(table: GranuleTable, key: str, size: int) -> tuple[int, ...]:
    """Hold a new adapter."""
    assert table.can_place({key: size})
    assert key not in table
    table.hold(key, size)
    return table[key]


@pytest.fixture
def table() -> GranuleTable:
    return GranuleTable(4)


def test_a_high_rank_takes_several_granules(table: GranuleTable):
    places = [place(table, "a", 3), place(table, "b", 1)]
    assert [len(granules) for granules in places] == [3, 1]
    assert sorted(granule for granules in places for granule in granules) == [0, 1, 2, 3]


def test_the_lowest_free_granules_are_taken(table: GranuleTable):
    for key in "abc":
        place(table, key, 1)
    for key in "ba":
        table.release(key)
        table.evict(key)
    assert place(table, "d", 3) == (0, 1, 3)


def test_an_idle_adapter_stays_in_place(table: GranuleTable):
    granules = place(table, "a", 2)
    table.release("a")
    place(table, "b", 2)
    assert "a" in table
    table.hold("a", 2)
    assert table["a"] == granules


def test_the_idle_adapter_longest_unused_makes_room(table: GranuleTable):
    for key in "abcd":
        place(table, key, 1)
    for key in "abcd":
        table.release(key)
    table.hold("a", 1)
    table.release("a")
    place(table, "e", 1)
    assert [key for key in "abcd" if key in table] == ["a", "c", "d"]


def test_no_more_idle_adapters_leave_than_must(table: GranuleTable):
    for key in "abcd":
        place(table, key, 1)
        table.release(key)
    place(table, "e", 2)
    assert table.idle() == ["c", "d"]


def test_an_adapter_in_use_is_never_evicted(table: GranuleTable):
    granules = place(table, "a", 2)
    for key in "bcd":
        place(table, key, 1)
        table.release(key)
    place(table, "e", 2)
    assert table["a"] == granules
    assert set(granules).isdisjoint(table["e"])
    assert not table.can_place({"f": 1})


def test_an_adapter_is_in_use_until_its_last_release(table: GranuleTable):
    place(table, "a", 4)
    table.hold("a", 4)
    table.release("a")
    assert table.num_uses("a") == 1
    assert table.idle() == []
    assert not table.can_place({"b": 1})
    table.release("a")
    assert table.idle() == ["a"]
    assert table.can_place({"b": 1})


def test_one_in_place_needs_no_room_of_its_own(table: GranuleTable):
    place(table, "a", 3)
    assert table.can_place({"a": 3, "b": 1})
    assert not table.can_place({"a": 3, "b": 2})


def test_an_idle_part_of_a_blend_does_not_count_as_room_for_the_rest(table: GranuleTable):
    place(table, "a", 3)
    place(table, "b", 1)
    table.release("a")
    assert table.can_place({"c": 3})
    assert not table.can_place({"a": 3, "c": 1})


def test_a_blend_that_fits_finds_its_places_whoever_is_idle(table: GranuleTable):
    for key in ("a", "b"):
        place(table, key, 2)
        table.release(key)
    assert table.can_place({"c": 2, "a": 2})
    for key in ("c", "a"):
        table.hold(key, 2)
    assert set(table["c"]).isdisjoint(table["a"])


def test_what_was_evicted_is_no_longer_there(table: GranuleTable):
    place(table, "a", 2)
    table.release("a")
    table.evict("a")
    assert "a" not in table
    assert list(table) == []


def test_growing_adds_granules_and_moves_nobody(table: GranuleTable):
    granules = place(table, "a", 3)
    assert not table.can_place({"b": 5})
    table.grow(8)
    assert place(table, "b", 5) == (3, 4, 5, 6, 7)
    assert (table.capacity, table["a"]) == (8, granules)


def test_it_never_shrinks(table: GranuleTable):
    table.grow(2)
    assert table.capacity == 4
    assert place(table, "a", 4) == (0, 1, 2, 3)
