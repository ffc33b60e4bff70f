"""A base of random weights as GGUF: llama.cpp computes with it what transformers does."""

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.sizes.base import make_sized_base
from benchmarks.sizes.gguf import KINDS, gguf_base
from benchmarks.sizes.shapes import SHAPES
from finetune.bases.base import find_base, load_model
from finetune.bases.gguf_file import read_gguf

IDS = [7, 65, 66, 200, 9, 31, 32, 33]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sizes")
    return make_sized_base(folder / "random-tiny", SHAPES["tiny"], folder)


@pytest.mark.parametrize(("precision", "nearest"), [("int8", 0.999), ("int4", 0.97)])
def test_llama_cpp_computes_with_it_what_transformers_does(
    base: Path, precision: Any, nearest: float
):
    pytest.importorskip("llama_cpp")
    llama: Any = import_module("llama_cpp")
    path = gguf_base(base, precision)
    model = llama.Llama(str(path), n_ctx=64, logits_all=True, verbose=False)
    model.eval(IDS)
    own = torch.from_numpy(model.scores[: len(IDS)].copy())
    exact: Any = load_model(find_base(str(base), base.parent), "fp32", "cpu")
    with torch.no_grad():
        right = exact(torch.tensor([IDS])).logits[0]
    assert torch.cosine_similarity(own, right).min() > nearest


def test_layers_alone_are_in_four_bits_and_a_file_is_written_once(base: Path):
    path = gguf_base(base, "int4")
    kinds = {name: tensor.kind for name, tensor in read_gguf(path).tensors.items()}
    assert len({kinds["output.weight"], kinds["blk.0.ffn_up.weight"]}) == 2
    assert kinds["output.weight"] == kinds["token_embd.weight"]
    assert path.name == f"random-tiny-{KINDS['int4']}.gguf"
    written = path.stat().st_mtime_ns
    assert gguf_base(base, "int4") == path
    assert path.stat().st_mtime_ns == written
    assert not list(path.parent.glob("*.unfinished"))
