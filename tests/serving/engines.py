"""Engines on tiny bases, and what is asked of them."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from finetune.bases.gguf_base import find_gguf_base
from serving.engine import AdapterRef, Blend, Delta, Engine, Request, Sampling, TokenLogprob
from serving.llamacpp.binding import is_installed
from serving.llamacpp.engine import LlamaCppEngine, LlamaEngineConfig
from serving.torch.engine import TorchEngine, TorchEngineConfig
from serving.torch.linear import exact_limit
from serving.torch.native.compiler import Compiler
from serving.torch.native.kept import library_path
from serving.torch.native.kernels import Kernel
from serving.torch.native.library import Library
from tests.gguf_files import gguf_of

MakeEngine = Callable[..., Engine]

PROMPTS = ["我最近失眠", "My chain slips.", "患者：胃胀", "Right then, what now?"]
TOLERANCE = 5e-5  # between log probabilities of the same token, in batches of other shapes
GREEDY = Sampling(max_tokens=24, temperature=0.0, ignore_eos=True)

needs_llamacpp = pytest.mark.skipif(not is_installed(), reason="llama-cpp-python is not installed")
needs_int8 = pytest.mark.skipif(exact_limit() is None, reason="no exact int8 on this CPU")


@cache
def tokenizer_of(base: Path) -> Any:
    return AutoTokenizer.from_pretrained(base)


def encode(base: Path, text: str) -> tuple[int, ...]:
    return tuple(tokenizer_of(base).encode(text, add_special_tokens=False))


def make_engine(base: Path, **options: Any) -> TorchEngine:
    return TorchEngine(base, tokenizer_of(base), TorchEngineConfig(**options))


def make_llama_engine(base: Path, **options: Any) -> LlamaCppEngine:
    """The same base as a GGUF file in F32."""
    found = find_gguf_base(str(gguf_of(base)), base.parent)
    return LlamaCppEngine(found, LlamaEngineConfig(**{"num_threads": 1, **options}))


ENGINES: dict[str, MakeEngine] = {"torch": make_engine, "llamacpp": make_llama_engine}


@asynccontextmanager
async def running(
    base: Path, make: MakeEngine = make_engine, **options: Any
) -> AsyncGenerator[Engine]:
    """An engine, started, and stopped whatever happens."""
    engine = make(base, **options)
    await engine.start()
    try:
        yield engine
    finally:
        await engine.stop()


def make_ref(folder: Path, name: str, version: str = "1") -> AdapterRef:
    return AdapterRef(name, version, f"sha-{folder}", folder)


def alone(ref: AdapterRef) -> Blend:
    return ((ref, 1.0),)


async def collect(engine: Engine, request: Request) -> list[Delta]:
    return [delta async for delta in engine.submit(request)]


def token_ids(deltas: Iterable[Delta]) -> list[int]:
    return [token_id for delta in deltas for token_id in delta.token_ids]


def logprobs(deltas: Iterable[Delta]) -> list[TokenLogprob]:
    return [logprob for delta in deltas for logprob in delta.logprobs]


async def collect_all(engine: Engine, requests: Iterable[Request]) -> list[list[Delta]]:
    """The answers to requests that are there at the same time."""
    return list(await asyncio.gather(*(collect(engine, request) for request in requests)))


async def collect_alone(
    base: Path, requests: Iterable[Request], **options: Any
) -> list[list[Delta]]:
    """Each answer from an engine of its own, which has never seen anything else."""
    answers: list[list[Delta]] = []
    for request in requests:
        async with running(base, **options) as engine:
            answers.append(await collect(engine, request))
    return answers


def assert_same(
    found: list[list[Delta]], expected: list[list[Delta]], tolerance: float = TOLERANCE
) -> None:
    """Equal tokens and ends, and log probabilities that differ by rounding alone."""
    assert list(map(token_ids, found)) == list(map(token_ids, expected))
    for one, other in zip(found, expected, strict=True):
        assert one[-1].finish_reason == other[-1].finish_reason
        assert "".join(d.text for d in one) == "".join(d.text for d in other)
        for own, right in zip(logprobs(one), logprobs(other), strict=True):
            assert abs(own.logprob - right.logprob) < tolerance


def place(folder: Path, library: Library) -> Path:
    """Leave compiled code in a folder, as an earlier start would have left it."""
    path = library_path(folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(library.path.read_bytes())
    return path


def exact_options(
    options: dict[str, Any], request: pytest.FixtureRequest, folder: Path
) -> dict[str, Any]:
    """In int8 an answer is the same in every batch if compiled code computes it."""
    if options.get("precision") != "int8":
        return options
    place(folder, request.getfixturevalue("library"))
    return {**options, "compiled": folder}


def compile_library(folder: Path, kernel: Kernel | None = None) -> Library | None:
    return Compiler(folder, [kernel] if kernel else None).run()


def join_compilers() -> None:
    for thread in threading.enumerate():
        if thread.name == "compiler":
            thread.join(120)
