"""Contexts of llama.cpp itself, on a tiny base."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from finetune.bases.gguf_base import GgufBase, find_gguf_base
from serving.engine import Request
from serving.llamacpp.context import Piece
from serving.llamacpp.engine import LlamaCppEngine, LlamaEngineConfig
from serving.llamacpp.model import ContextSize, LlamaModel
from serving.llamacpp.threads import RUN, RUNS
from tests.gguf_files import gguf_of
from tests.serving.engines import GREEDY, collect, needs_llamacpp, running

pytestmark = needs_llamacpp


@pytest.fixture
def base(make_base: Any, tmp_path: Path) -> GgufBase:
    path = shutil.copy(gguf_of(make_base("llama")), tmp_path / "tiny.gguf")
    return find_gguf_base(str(path), tmp_path)


def test_single_tokens_alone_try_how_many_threads_are_best(
    base: GgufBase, monkeypatch: pytest.MonkeyPatch
):
    model = LlamaModel(base, 2)
    functions = model._binding.functions  # pyright: ignore[reportPrivateUsage]
    set_threads, told = functions.llama_set_n_threads, list[tuple[int, int]]()

    def tell(context: Any, one: int, several: int) -> None:
        told.append((one, several))
        set_threads(context, one, several)

    monkeypatch.setattr(functions, "llama_set_n_threads", tell)
    context = model.open_context(ContextSize(256, 2, 32), [])
    for start in range(0, 20, 5):
        context.decode([Piece(0, start, range(5), wants_logits=True)])
    assert told == [(2, 2)] * 4
    for start in range(20, 20 + 2 * RUN * RUNS):
        context.decode([Piece(0, start, [7], wants_logits=True)])
    assert told[4:] == ([(2, 2)] * RUN + [(1, 2)] * RUN) * RUNS
    context.close()
    model.close()


async def test_a_base_whose_file_is_gone_answers_on(base: GgufBase):
    request = Request("", tuple(base.tokenizer.encode("患者：胃胀")), (), (), GREEDY)
    config = LlamaEngineConfig(num_threads=1)
    async with running(base.path, lambda _: LlamaCppEngine(base, config)) as engine:
        base.path.unlink()
        assert len(await collect(engine, request)) == GREEDY.max_tokens
