"""What the journal's figures of one size mean: shares of what is possible, and goals."""

from collections.abc import Iterator
from functools import cached_property

from benchmarks.bar import Bar
from benchmarks.journal import AnyRecord
from benchmarks.markdown import GIB, number
from serving.torch.forms.build import TorchEngineConfig
from serving.torch.native.kernels import kernels_here

from .loading import COLD, NOTHING, OURS, WARM
from .rival import rival_of
from .serving import (
    ADAPTERS,
    AFTER,
    BEFORE,
    EIGHT,
    FIRST,
    LOOPS,
    MEMORY,
    PRODUCTS,
    PROMPT,
    WITH_ADAPTERS,
)
from .shapes import Least
from .sitting import SizeJournal, SizeKey
from .training import RECKONED, REHEARSED, TRAINED, TRAINER

DECODE = 0.6  # of the memory's bandwidth, at the least
HELD = 1.15  # times the weights, with keys and values, at the most
LOADING = 1.0  # times the disk's own time, at the most
OFF = 0.15  # of what --dry-run predicts, at the most

Line = tuple[str, str, float | None]  # what, measured, share of what is possible
Beside = tuple[str, float | None, float | None]  # what, ours, the other's: rates


class Findings:
    def __init__(self, size: str, journal: SizeJournal) -> None:
        self.size = size
        self._journal = journal
        self._least = Least.of(size)

    @property
    def bars(self) -> list[Bar]:
        size = self.size
        return [
            Bar(f"{size}: decoding on one stream, of the memory's bandwidth", DECODE, self.decode),
            Bar(f"{size}: anonymous memory, of weights, keys and values", HELD, self.held, True),
            Bar(f"{size}: loading, times the disk's own time", LOADING, self.loading, True),
            Bar(f"{size}: memory of training, off what was predicted", OFF, self.off, True),
        ]

    @property
    def lines(self) -> Iterator[Line]:
        yield from self._start_lines()
        yield from self._answer_lines()
        yield from self._training_lines()
        yield from self._loop_lines()

    @property
    def rival(self) -> str | None:
        """The other server, if it was measured."""
        rival = rival_of(self.size)
        return rival if any(r.key.server == rival for r in self._journal.records) else None

    @property
    def beside(self) -> Iterator[Beside]:
        """Tokens a second of ours and of the other's."""
        ours, other = (self._rates(server) for server in (OURS, rival_of(self.size)))
        return ((name, rate, other[name]) for name, rate in ours.items())

    def _rates(self, server: str) -> dict[str, float | None]:
        many = {
            f"{name}, prompts computed meanwhile": self._figure(
                server, name, "output_tokens_per_second"
            )
            for name in (EIGHT, ADAPTERS)
        }
        decoded = self._per_second(server, FIRST, "between_tokens_p50_ms")
        return {f"{FIRST}: decoded": decoded, PROMPT: self._prefill(server), **many}

    @cached_property
    def decode(self) -> float | None:
        """The share of the bandwidth that reading the weights for each token takes."""
        gap = self._figure(OURS, FIRST, "between_tokens_p50_ms")
        rate = self._loop("read_bytes_per_second")
        return self._least.weight_bytes / (gap / 1000) / rate if gap and rate else None

    @property
    def held(self) -> float | None:
        """Anonymous memory at its highest, beyond what a program without weights takes."""
        own = self._beyond("anonymous_bytes", MEMORY)
        return own / self.needed_bytes if own else None

    @property
    def needed_bytes(self) -> float:
        """The bytes of the weights, and of keys and values of all computed tokens: each takes a
        place that was not used before, as long as there is one."""
        loads = [self._record(OURS, name) for name in (FIRST, PROMPT, EIGHT)]
        tokens = sum(record.figures.get("num_tokens") or 0 for record in loads if record)
        cached = min(self._least.cache_bytes(round(tokens)), TorchEngineConfig().kv_bytes)
        return self._least.weight_bytes + cached

    @property
    def loading(self) -> float | None:
        reading = self._figure(OURS, COLD, "reading_seconds")
        own = self._beyond("seconds", COLD)
        return own / reading if own and reading else None

    @property
    def off(self) -> float | None:
        """The difference between the memory of the first steps and what --dry-run said."""
        predicted = self._figure(TRAINER, REHEARSED, "predicted_bytes")
        taken = self._figure(TRAINER, TRAINED, "resident_bytes")
        return abs(taken / predicted - 1) if predicted and taken else None

    def _start_lines(self) -> Iterator[Line]:
        reading = self._figure(OURS, COLD, "reading_seconds")
        for name in (NOTHING, COLD, WARM):
            seconds = self._figure(OURS, name, "seconds")
            own = self._beyond("seconds", name)
            share = reading / own if reading and own and name != NOTHING else None
            yield f"{name} [s]", number(seconds), share
        yield "reading the files of the weights from the disk [s]", number(reading), None
        for name in (NOTHING, COLD, WARM, MEMORY, WITH_ADAPTERS):
            for kind in ("anonymous", "resident"):
                held = self._figure(OURS, name, f"{kind}_bytes")
                told = number(held / GIB if held else None, 2)
                yield f"{name}: {kind} memory at its highest [GiB]", told, None

    def _answer_lines(self) -> Iterator[Line]:
        yield self._timed(FIRST, "first_token_p50_ms", "the first token, p50 [ms]")
        rate = number(self._per_second(OURS, FIRST, "between_tokens_p50_ms"), 2)
        yield f"{FIRST}: decoded tokens a second", rate, self.decode
        yield f"{PROMPT}: its tokens a second", number(self._prefill(OURS)), self._prefill_share
        for name in (EIGHT, ADAPTERS):
            rate = self._figure(OURS, name, "output_tokens_per_second")
            yield f"{name}: tokens a second, prompts computed meanwhile", number(rate, 2), None
            yield self._timed(name, "between_tokens_p50_ms", "between two tokens, p50 [ms]")
            yield self._timed(name, "first_token_p95_ms", "the first token, p95 [ms]")

    def _training_lines(self) -> Iterator[Line]:
        for what, figure, told in (
            (RECKONED, "bytes", "of a whole run with default options"),
            (REHEARSED, "predicted_bytes", "predicted"),
            (REHEARSED, "resident_bytes", "resident at its highest"),
            (TRAINED, "resident_bytes", "resident at its highest"),
            (TRAINED, "anonymous_bytes", "anonymous at its highest"),
        ):
            held = self._figure(TRAINER, what, figure)
            yield f"{TRAINER}, {what}: {told} [GiB]", number(held / GIB if held else None, 2), None
        rate = self._figure(TRAINER, TRAINED, "tokens_per_second")
        yield f"{TRAINER}: tokens a second", number(rate), None

    def _loop_lines(self) -> Iterator[Line]:
        for figure, told in (
            ("read_bytes_per_second", "bytes read from memory [GB/s]"),
            ("products_per_second", "products of int8 [billions a second]"),
        ):
            rate = self._loop(figure)
            yield f"{LOOPS}: {told}", number(rate / 1e9 if rate else None), None

    def _prefill(self, server: str) -> float | None:
        firsts = self._per_second(server, PROMPT, "first_token_p50_ms")
        count = self._figure(server, PROMPT, "mean_prompt_tokens")
        cached = self._figure(server, PROMPT, "mean_cached_tokens") or 0
        return (count - cached) * firsts if firsts and count else None

    def _per_second(self, server: str, what: str, figure: str) -> float | None:
        """How many of what takes so long."""
        milliseconds = self._figure(server, what, figure)
        return 1000 / milliseconds if milliseconds else None

    @property
    def _prefill_share(self) -> float | None:
        rate, most = self._prefill(OURS), self._loop("products_per_second")
        needed = self._least.products_of_a_prompt(kernels_here()[0].name)
        return rate * needed / most if rate and most else None

    def _timed(self, name: str, figure: str, told: str) -> Line:
        return f"{name}: {told}", number(self._figure(OURS, name, figure), 0), None

    def _loop(self, figure: str) -> float | None:
        """The better one of two times: what is possible."""
        found = [self._figure(LOOPS, name, figure) for name in (BEFORE, AFTER, PRODUCTS)]
        return max((each for each in found if each), default=None)

    def _beyond(self, figure: str, what: str) -> float | None:
        """What a start takes more than one with nothing to load."""
        own, nothing = (self._figure(OURS, name, figure) for name in (what, NOTHING))
        return own - nothing if own is not None and nothing is not None else None

    def _figure(self, server: str, what: str, figure: str) -> float | None:
        record = self._record(server, what)
        return record.figures.get(figure) if record else None

    def _record(self, server: str, what: str) -> AnyRecord[SizeKey] | None:
        """The newest one that did not fail."""
        key = SizeKey(size=self.size, server=server, what=what)
        found = (each for each in reversed(self._journal.records) if each.key == key)
        return next((each for each in found if not each.error), None)
