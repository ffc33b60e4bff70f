"""Contexts, slots and turns under random requests, on contexts that only remember tokens."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from serving.adapters.residents import Residents
from serving.engine import AdapterRef, Blend, Delta, LoadReport, Request, Sampling
from serving.errors import AdapterRefused, EngineFailed, ServingError
from serving.llamacpp.adapter import LoadedAdapter
from serving.llamacpp.context import Piece
from serving.llamacpp.lane import Lane
from serving.llamacpp.lanes import LEAST, MOST
from serving.llamacpp.slots import Slots
from serving.llamacpp.work import LlamaWork
from serving.requests.row import Row

VOCABULARY = 32
MAX_ROWS, CHUNK = 4, 16
KEPT = 100  # [tokens]
CONTEXT = 2048  # [tokens] that a request may take


class Letters:
    def decode(self, token_ids: Any, *, skip_special_tokens: bool) -> str:
        return "".join(chr(97 + token_id % 26) for token_id in token_ids)


@dataclass
class RecordingContext:
    """Knows what each sequence holds; its next token follows from all of them and the adapters."""

    blend: Blend
    num_cells: int
    pointers: list[Any]
    alive: set[Any]
    tokens: dict[int, list[int]] = field(default_factory=dict)
    shared: dict[int, int] = field(default_factory=dict)
    is_open: bool = True
    fails: bool = False
    remembers_all: bool = True

    def decode(self, pieces: Sequence[Piece]) -> list[Any]:
        assert self.is_open
        assert all(pointer in self.alive for pointer in self.pointers), "freed under a context"
        assert sum(len(piece.token_ids) for piece in pieces) <= CHUNK + MAX_ROWS
        if self.fails:
            raise EngineFailed("as told")
        found: list[Any] = []
        for piece in pieces:
            held = self.tokens.setdefault(piece.sequence, [])
            assert piece.start == len(held)
            held.extend(piece.token_ids)
            found.append(one_hot(next_token(held, self.blend)) if piece.wants_logits else None)
        taken = sum(len(held) - self.shared.get(n, 0) for n, held in self.tokens.items())
        assert taken <= self.num_cells
        return found

    def forget(self, sequence: int, start: int) -> None:
        assert self.is_open
        held = self.tokens.setdefault(sequence, [])
        del held[start:]
        self.shared[sequence] = min(self.shared.get(sequence, 0), start)

    def copy(self, source: int, target: int, end: int) -> None:
        assert not self.tokens.get(target)
        self.tokens[target] = self.tokens[source][:end]
        self.shared[target] = end

    def close(self) -> None:
        assert self.is_open
        self.is_open = False


def one_hot(token_id: int) -> Any:
    logits = np.zeros(VOCABULARY, np.float32)
    logits[token_id] = 1
    return logits


def next_token(held: Sequence[int], blend: Blend) -> int:
    return hash((tuple(held), tuple((ref.sha256, scale) for ref, scale in blend))) % VOCABULARY


class Stage:
    """A work, its contexts, and what its requests were told."""

    def __init__(
        self, max_cells: int = 3 * LEAST, limit: int = 1 << 30, *, remembers_all: bool = True
    ) -> None:
        self.remembers_all = remembers_all
        self.contexts: list[RecordingContext] = []
        self.alive: set[Any] = set()
        self.told: dict[str, list[Delta | ServingError]] = {}
        self.refused: set[str] = set()
        self._pointers = iter(range(1_000_000))
        residents = Residents(self._load, limit, lambda a: a.num_bytes, self._free)
        self.work = LlamaWork(residents, self._open, MAX_ROWS, max_cells, CONTEXT)

    @property
    def open_contexts(self) -> list[RecordingContext]:
        return [context for context in self.contexts if context.is_open]

    def ask(self, name: str, prompt: Sequence[int], blend: Blend = (), count: int = 5) -> Row:
        sampling = Sampling(max_tokens=count, temperature=0, ignore_eos=True)
        self.told[name] = []
        row = Row(
            Request(name, tuple(prompt), (), blend, sampling), Letters(), self.told[name].append
        )
        self.work.add(row)
        return row

    def finish(self) -> None:
        for _ in range(100_000):
            if self.work.is_idle:
                return
            self.work.step()
        raise AssertionError("it never ends")

    def tokens(self, name: str) -> list[int]:
        found: list[int] = []
        for outcome in self.told[name]:
            assert isinstance(outcome, Delta)
            found += outcome.token_ids
        return found

    def _open(self, blend: Blend, num_cells: int) -> Lane:
        pointers = [self.work.residents[ref.sha256].pointer for ref, _ in blend]
        context = RecordingContext(
            blend, num_cells, pointers, self.alive, remembers_all=self.remembers_all
        )
        self.contexts.append(context)
        return Lane(context, blend, num_cells, MAX_ROWS, CHUNK, KEPT)

    def _load(self, ref: AdapterRef) -> LoadedAdapter:
        if ref.name in self.refused:
            raise AdapterRefused(f"{ref} is refused")
        pointer = next(self._pointers)
        self.alive.add(pointer)
        return LoadedAdapter(pointer, LoadReport(("q",), 10))

    def _free(self, adapter: LoadedAdapter) -> None:
        self.alive.remove(adapter.pointer)


def ref(name: str) -> AdapterRef:
    return AdapterRef(name, "1", name, Path(name))


def only(name: str, scale: float = 1.0) -> Blend:
    return ((ref(name), scale),)


def expected(prompt: Sequence[int], blend: Blend, count: int) -> list[int]:
    held = list(prompt)
    for _ in range(count):
        held.append(next_token(held, blend))
    return held[len(prompt) :]


def test_every_set_has_a_context_of_its_own_and_answers_from_it():
    stage = Stage()
    blends: list[Blend] = [(), only("a"), only("a", 0.5), (*only("a"), *only("b"))]
    for number, blend in enumerate(blends):
        stage.ask(str(number), range(40), blend)
    stage.finish()
    assert len(stage.contexts) == 4
    for number, blend in enumerate(blends):
        assert stage.tokens(str(number)) == expected(range(40), blend, 5)


def test_sets_take_turns_token_by_token():
    stage = Stage()
    for name in "abc":
        stage.ask(name, [1, 2, 3], only(name), count=20)
    for _ in range(12):
        stage.work.step()
    assert [len(stage.told[name]) for name in "abc"] == [4, 4, 4]


def test_a_prefix_is_found_again_in_the_same_context_alone():
    stage = Stage()
    stage.ask("first", range(30), only("a"))
    stage.finish()
    for name, blend in (("same", only("a")), ("other", only("b")), ("scaled", only("a", 0.9))):
        stage.ask(name, range(30), blend)
    stage.finish()
    cached = {name: stage.told[name][-1] for name in ("same", "other", "scaled")}
    assert {name: getattr(d, "cached_tokens", None) for name, d in cached.items()} == {
        "same": 29,
        "other": 0,
        "scaled": 0,
    }


def test_a_shared_beginning_is_copied_from_whoever_computes_it():
    stage = Stage()
    stage.ask("long", range(30), count=50)
    for _ in range(5):
        stage.work.step()
    stage.ask("short", [*range(20), 7, 7])
    stage.finish()
    last = stage.told["short"][-1]
    assert isinstance(last, Delta)
    assert last.cached_tokens == 20
    assert stage.tokens("short") == expected([*range(20), 7, 7], (), 5)


def test_the_only_slot_keeps_the_beginning_that_it_shares():
    memory = RecordingContext((), 100, [], set())
    slots = Slots(1, 100, memory, KEPT)
    slot = slots.take(list(range(60)), 70)
    slot.token_ids = memory.tokens[0] = list(range(60))
    slots.release(slot)
    again = slots.take([*range(10), 99, 98], 20)
    assert again.token_ids == list(range(10))
    assert memory.tokens[0] == list(range(10))


def test_what_nobody_computes_with_any_more_is_kept_within_bounds():
    stage = Stage()
    for number in range(4):
        stage.ask(str(number), [number] * 40)
    stage.finish()
    (context,) = stage.open_contexts
    assert sum(map(len, context.tokens.values())) == 3 * 44  # the last one, and two of KEPT
    stage.ask("long", [9] * 900)
    stage.finish()
    stage.ask("again", [9] * 900)
    stage.finish()
    assert sum(map(len, context.tokens.values())) == 904 + 2 * 44
    last = stage.told["again"][-1]
    assert isinstance(last, Delta)
    assert last.cached_tokens == 899


def test_what_has_left_a_window_is_not_taken_for_granted():
    """A sequence with a sliding window can go on, and can neither be cut nor be copied from."""
    stage = Stage(remembers_all=False)
    stage.ask("first", range(30))
    stage.finish()
    said = stage.tokens("first")
    stage.ask("same", range(30))
    stage.ask("further", [*range(30), *said[:-1], 7, 7])
    stage.ask("other end", [*range(29), 9, 9])
    stage.finish()
    cached = {name: stage.told[name][-1] for name in ("same", "further", "other end")}
    assert {name: getattr(d, "cached_tokens", None) for name, d in cached.items()} == {
        "same": 0,
        "further": 34,
        "other end": 0,
    }
    for name, prompt in (("same", [*range(30)]), ("other end", [*range(29), 9, 9])):
        assert stage.tokens(name) == expected(prompt, (), 5)


def test_contexts_are_few_however_small_they_are():
    stage = Stage(max_cells=1000 * LEAST)
    for number in range(3 * MOST):
        stage.ask(str(number), range(5), only("a", 1 + number / 100))
        stage.finish()
        assert len(stage.open_contexts) <= MOST


def test_adapters_beyond_their_memory_go_with_their_contexts():
    stage = Stage(limit=25)  # two adapters
    for name in "abcd":
        stage.ask(name, range(5), only(name))
        stage.finish()
    assert stage.work.residents.total <= 25
    assert [context.blend[0][0].name for context in stage.open_contexts] == ["c", "d"]


def test_idle_contexts_are_not_closed_in_vain():
    stage = Stage(max_cells=2 * LEAST)
    stage.ask("idle", range(5), only("a"))
    stage.finish()
    stage.ask("busy", range(5), only("b"), count=40)
    stage.work.step()
    stage.ask("too large", [1] * 1500, only("c"), count=500)
    stage.work.lanes.max_cells = LEAST + 10
    for _ in range(5):
        stage.work.step()
    assert [context.blend[0][0].name for context in stage.open_contexts] == ["a", "b"]
    stage.finish()
    assert len(stage.tokens("too large")) == 500


def test_a_request_larger_than_its_context_gets_a_larger_one():
    stage = Stage(max_cells=3 * LEAST)
    stage.work.lanes._own_cells = 256  # pyright: ignore[reportPrivateUsage]
    stage.ask("small", range(10))
    stage.finish()
    stage.ask("large", [1] * 300, count=200)
    stage.finish()
    assert [context.num_cells for context in stage.contexts] == [256, 512]
    assert len(stage.tokens("large")) == 200


def test_the_least_recently_used_context_is_closed_for_a_new_one():
    stage = Stage(max_cells=2 * LEAST)
    for name in ("a", "b", "a", "c"):
        stage.ask(f"{name}{len(stage.told)}", range(5), only(name))
        stage.finish()
    assert [context.blend[0][0].name for context in stage.open_contexts] == ["a", "c"]


def test_who_waits_for_a_context_is_not_overtaken():
    stage = Stage(max_cells=LEAST)
    stage.ask("a1", [1], only("a"), count=10)
    stage.work.step()
    stage.ask("b", [1], only("b"))
    stage.ask("a2", [2], only("a"), count=10)
    stage.finish()
    assert len(stage.tokens("b")) == 5
    order = [context.blend[0][0].name for context in stage.contexts]
    assert order[:2] == ["a", "b"]


def test_an_adapter_is_freed_once_its_contexts_are_closed_and_not_before():
    stage = Stage()
    stage.ask("1", range(5), only("a"), count=9)
    stage.work.step()
    assert stage.work.drop(ref("a")) == 10
    assert len(stage.alive) == 1
    stage.finish()
    assert stage.alive == set()
    assert stage.open_contexts == []
    assert stage.work.drop(ref("a")) == 0


def test_an_adapter_that_is_asked_for_again_stays():
    stage = Stage()
    stage.ask("1", range(5), only("a"), count=9)
    stage.work.step()
    stage.work.drop(ref("a"))
    stage.ask("2", range(6), only("a"), count=9)
    stage.finish()
    assert len(stage.alive) == 1
    assert len(stage.contexts) == 1


def test_a_refused_adapter_ends_its_own_request_alone():
    stage = Stage()
    stage.refused.add("bad")
    stage.ask("good", range(5), only("a"))
    stage.ask("bad", range(5), (*only("a"), *only("bad")))
    stage.finish()
    assert isinstance(stage.told["bad"][0], AdapterRefused)
    assert len(stage.tokens("good")) == 5


def test_a_context_that_fails_ends_its_own_requests_alone():
    stage = Stage()
    stage.ask("good", range(5), only("a"))
    stage.ask("bad", range(5), only("b"))
    stage.work.step()
    next(c for c in stage.contexts if c.blend == only("b")).fails = True
    stage.finish()
    assert isinstance(stage.told["bad"][-1], EngineFailed)
    assert len(stage.tokens("good")) == 5
    stage.ask("again", range(5), only("b"))
    stage.finish()
    assert len(stage.tokens("again")) == 5


def test_failing_ends_everybody_and_leaves_nothing():
    stage = Stage()
    for name in "abcdef":
        stage.ask(name, range(5), only(name))
    stage.work.step()
    stage.work.fail(EngineFailed("over"))
    assert all(isinstance(told[-1], EngineFailed) for told in stage.told.values())
    assert stage.work.is_idle
    assert stage.open_contexts == []
    assert stage.work.stats().num_running == 0


@pytest.mark.parametrize("seed", range(30))
def test_random_operations_leak_nothing_and_answer_rightly(seed: int):
    chance = random.Random(seed)
    stage = Stage(
        remembers_all=seed % 3 > 0,
        max_cells=chance.choice([LEAST, 2 * LEAST, 4 * LEAST]),
        limit=chance.choice([0, 30]),
    )
    asked: dict[str, tuple[list[int], Blend, int]] = {}
    rows: dict[str, Row] = {}
    operations: list[Callable[[], object]] = []

    def ask() -> None:
        names = chance.sample("abcde", chance.choice([0, 1, 1, 2]))
        blend = tuple((ref(name), chance.choice([1.0, 0.5])) for name in names)
        prompt = [chance.randrange(3) for _ in range(chance.choice([1, 5, 40, 900]))]
        count, name = chance.choice([1, 4, 30]), str(len(asked))
        asked[name] = (prompt, blend, count)
        rows[name] = stage.ask(name, prompt, blend, count)

    def cancel() -> None:
        if rows:
            name = chance.choice(sorted(rows))
            stage.work.cancel(rows.pop(name))
            del asked[name]

    operations += [ask, cancel, lambda: stage.work.drop(ref(chance.choice("abcde")))]
    operations += [stage.work.step] * 12
    for _ in range(400):
        chance.choice(operations)()
        assert stage.work.lanes.num_cells <= max(stage.work.lanes.max_cells, CONTEXT)
    stage.finish()
    for name, (prompt, blend, count) in asked.items():
        assert stage.tokens(name) == expected(prompt, blend, count)
    stats = stage.work.stats()
    assert (stats.num_running, stats.num_waiting) == (0, 0)
    assert stats.num_free_blocks == stats.num_blocks
    for name in "abcde":
        stage.work.drop(ref(name))
    assert stage.alive == set()
    assert all(not context.blend for context in stage.open_contexts)
