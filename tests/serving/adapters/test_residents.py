"""Who is in memory, after any sequence of what can happen."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from serving.adapters.residents import Residents
from serving.engine import AdapterRef, Blend
from serving.errors import AdapterRefused

LIMIT = 2
REFS = [AdapterRef(name, "1", f"sha-{name}", Path(name)) for name in "abcde"]
BROKEN = AdapterRef("broken", "1", "sha-broken", Path("broken"))


class Loader:
    """Makes weights that can be recognised, and counts how often."""

    def __init__(self) -> None:
        self.loaded: Counter[str] = Counter()

    def __call__(self, ref: AdapterRef) -> str:
        if ref == BROKEN:
            raise AdapterRefused("damaged")
        self.loaded[ref.name] += 1
        return f"weights of {ref.name}"


def blend_of(*refs: AdapterRef) -> Blend:
    return tuple((ref, 1.0) for ref in refs)


refs = st.sampled_from(REFS)
blends = st.lists(refs, unique=True, max_size=4).map(lambda chosen: blend_of(*chosen))


class ResidentsMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.load = Loader()
        self.residents = Residents(self.load, LIMIT)
        self.running: list[Blend] = []

    @property
    def pinned(self) -> set[AdapterRef]:
        return {ref for blend in self.running for ref, _ in blend}

    @rule(ref=refs)
    def get(self, ref: AdapterRef) -> None:
        assert self.residents.get(ref) == f"weights of {ref.name}"

    @rule(blend=blends)
    def pin(self, blend: Blend) -> None:
        self.residents.pin(blend)
        self.running.append(blend)

    @rule(blend=blends)
    def pin_with_a_broken_one(self, blend: Blend) -> None:
        with pytest.raises(AdapterRefused):
            self.residents.pin((*blend, (BROKEN, 1.0)))

    @rule(data=st.data())
    def unpin(self, data: st.DataObject) -> None:
        if self.running:
            index = data.draw(st.integers(0, len(self.running) - 1))
            self.residents.unpin(self.running.pop(index))

    @rule(ref=refs)
    def drop(self, ref: AdapterRef) -> None:
        self.residents.drop(ref)

    @invariant()
    def what_is_pinned_is_in_memory(self) -> None:
        for ref in self.pinned:
            before = self.load.loaded.copy()
            assert self.residents[ref.sha256] == f"weights of {ref.name}"
            assert self.load.loaded == before

    @invariant()
    def no_more_are_held_than_the_limit_and_those_in_use(self) -> None:
        assert len(self.pinned) <= len(self.residents) <= max(LIMIT, len(self.pinned) + 1)
        if not self.pinned:
            assert len(self.residents) <= LIMIT


TestResidents = ResidentsMachine.TestCase
TestResidents.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


@pytest.fixture
def load() -> Loader:
    return Loader()


def test_the_least_recently_used_goes_first(load: Loader):
    residents = Residents(load, 2)
    for ref in (REFS[0], REFS[1], REFS[0], REFS[2], REFS[0], REFS[1]):
        residents.get(ref)
    assert load.loaded == {"a": 1, "b": 2, "c": 1}


def test_a_pinned_one_outlives_newer_ones(load: Loader):
    residents = Residents(load, 1)
    residents.pin(blend_of(REFS[0]))
    residents.get(REFS[1])
    residents.get(REFS[2])
    residents.get(REFS[0])
    assert load.loaded["a"] == 1


def test_a_failing_load_pins_nothing_and_keeps_the_limit(load: Loader):
    residents = Residents(load, 1)
    with pytest.raises(AdapterRefused):
        residents.pin(blend_of(REFS[0], REFS[1], BROKEN))
    assert len(residents) == 1
    residents.drop(REFS[0])
    residents.drop(REFS[1])
    assert len(residents) == 0


def test_a_dropped_one_goes_at_its_last_unpin(load: Loader):
    residents = Residents(load, 4)
    blend = blend_of(REFS[0])
    residents.pin(blend)
    residents.pin(blend)
    residents.drop(REFS[0])
    residents.unpin(blend)
    assert residents[REFS[0].sha256] == "weights of a"  # a running request asks for it
    residents.unpin(blend)
    assert len(residents) == 0


def test_a_dropped_one_that_is_wanted_again_stays(load: Loader):
    residents = Residents(load, 4)
    residents.pin(blend_of(REFS[0]))
    residents.drop(REFS[0])
    residents.get(REFS[0])
    residents.unpin(blend_of(REFS[0]))
    assert len(residents) == 1


def test_dropping_one_that_is_not_there_is_forgotten(load: Loader):
    residents = Residents(load, 4)
    residents.drop(REFS[0])
    residents.pin(blend_of(REFS[0]))
    residents.unpin(blend_of(REFS[0]))
    assert len(residents) == 1


def test_loads_and_evictions_are_counted():
    residents = Residents(Loader(), limit=2)
    for ref in (*REFS[:3], REFS[2]):
        residents.get(ref)
    assert (residents.num_loads, residents.num_evictions) == (3, 1)
    residents.drop(REFS[2])
    residents.get(REFS[2])
    assert (residents.num_loads, residents.num_evictions) == (4, 2)
