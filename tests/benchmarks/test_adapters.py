"""The benchmark's adapters: PEFT loads them, and llama.cpp's files hold the same function."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gguf import GGUFReader
from peft import PeftModel
from safetensors.numpy import load_file
from transformers import AutoModelForCausalLM

from benchmarks.adapters import ALPHA, interleave_halves, make_adapters, write_gguf
from finetune.lora import WEIGHTS_FILE, read_lora

HEADS, KV_HEADS = 4, 2  # of the tiny base


@pytest.fixture
def base(make_base: Any) -> Path:
    return make_base("llama")


def test_adapters_stand_where_a_home_keeps_them_and_are_plain_lora(tmp_path: Path, base: Path):
    folders = make_adapters(tmp_path, base, count=3, rank=4)
    assert folders == {name: tmp_path / "adapters" / name / "1" for name in ("a1", "a2", "a3")}
    for folder in folders.values():
        settings = read_lora(folder)
        assert (settings.r, settings.lora_alpha, settings.use_rslora) == (4, ALPHA, False)


def test_peft_loads_every_tensor_onto_all_seven_projections(tmp_path: Path, base: Path):
    folder = make_adapters(tmp_path, base, count=1, rank=4)["a1"]
    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), str(folder))
    loaded = {
        name.replace(".default", ""): parameter.detach().numpy()
        for name, parameter in model.named_parameters()
        if "lora_" in name
    }
    written = load_file(folder / WEIGHTS_FILE)
    assert len(written) == 2 * 7 * 2  # layers, projections, sides
    assert loaded.keys() == written.keys()
    assert all(np.array_equal(loaded[name], written[name]) for name in written)


def test_the_same_call_gives_the_same_weights_and_each_adapter_others(tmp_path: Path, base: Path):
    first = make_adapters(tmp_path / "first", base, count=2, rank=4)
    again = make_adapters(tmp_path / "again", base, count=1, rank=4)
    contents = [(folder / WEIGHTS_FILE).read_bytes() for folder in (*first.values(), again["a1"])]
    assert contents[0] == contents[2]
    assert contents[0] != contents[1]


def test_the_gguf_file_has_the_names_and_shapes_that_llama_cpp_asks_for(tmp_path: Path, base: Path):
    folder = make_adapters(tmp_path, base, count=1, rank=4)["a1"]
    reader = GGUFReader(write_gguf(folder, base, tmp_path / "gguf" / "a1.gguf"))
    fields = ["general.architecture", "general.type", "adapter.type", "adapter.lora.alpha"]
    assert [reader.fields[name].contents() for name in fields] == ["llama", "adapter", "lora", 32.0]
    shapes = {tensor.name: tuple(tensor.data.shape) for tensor in reader.tensors}
    sizes = {
        "attn_q": (64, 64),
        "attn_k": (64, 32),
        "attn_v": (64, 32),
        "attn_output": (64, 64),
        "ffn_gate": (64, 96),
        "ffn_up": (64, 96),
        "ffn_down": (96, 64),
    }
    expected: dict[str, tuple[int, int]] = {}
    for layer in range(2):
        for name, (num_in, num_out) in sizes.items():
            expected[f"blk.{layer}.{name}.weight.lora_a"] = (4, num_in)
            expected[f"blk.{layer}.{name}.weight.lora_b"] = (num_out, 4)
    assert shapes == expected


def test_only_the_b_sides_of_q_and_k_are_reordered(tmp_path: Path, base: Path):
    folder = make_adapters(tmp_path, base, count=1, rank=4)["a1"]
    reader = GGUFReader(write_gguf(folder, base, tmp_path / "a1.gguf"))
    stored = {tensor.name: np.asarray(tensor.data) for tensor in reader.tensors}
    written = load_file(folder / WEIGHTS_FILE)
    names = {"self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "mlp.up_proj": "ffn_up"}
    for module, name in names.items():
        a, b = (
            written[f"base_model.model.model.layers.1.{module}.lora_{side}.weight"] for side in "AB"
        )
        heads = {"attn_q": HEADS, "attn_k": KV_HEADS}.get(name)
        order = np.arange(len(b)) if heads is None else row_order(heads, len(b) // heads)
        assert np.array_equal(stored[f"blk.1.{name}.weight.lora_a"], a)
        assert np.array_equal(stored[f"blk.1.{name}.weight.lora_b"], b[order])


def test_rows_of_two_heads_are_interleaved_each_within_its_head():
    rows = np.arange(12, dtype=np.float32).reshape(12, 1)
    reordered = interleave_halves(rows, 2)
    assert reordered.ravel().tolist() == [0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11]


def test_attention_scores_are_equal_under_either_way_of_turning_pairs():
    generator = np.random.default_rng(3)
    heads, head_dim = 2, 8
    q_weight, k_weight = generator.standard_normal((2, heads * head_dim, 5), dtype=np.float32)
    x, y = generator.standard_normal((2, 5), dtype=np.float32)
    q, k = q_weight @ x, k_weight @ y
    q_turned, k_turned = (
        interleave_halves(weight, heads) @ vector
        for weight, vector in ((q_weight, x), (k_weight, y))
    )
    for head in range(heads):
        part = slice(head * head_dim, (head + 1) * head_dim)
        halves = turn_halves(q[part], 7) @ turn_halves(k[part], 3)
        neighbours = turn_neighbours(q_turned[part], 7) @ turn_neighbours(k_turned[part], 3)
        assert neighbours == pytest.approx(halves, rel=1e-5)


def row_order(num_heads: int, head_dim: int) -> list[int]:
    """Which row of transformers' matrix each of llama.cpp's rows is."""
    half = head_dim // 2
    return [
        head * head_dim + pair + side * half
        for head in range(num_heads)
        for pair in range(half)
        for side in (0, 1)
    ]


def turn_halves(vector: Any, position: int) -> Any:
    """Rotary positions as transformers applies them: entry i turns with entry i + half."""
    half = len(vector) // 2
    pairs = vector[:half] + 1j * vector[half:]
    turned = pairs * _angles(half, position)
    return np.concatenate([turned.real, turned.imag])


def turn_neighbours(vector: Any, position: int) -> Any:
    """Rotary positions as llama.cpp applies them: entry 2i turns with entry 2i + 1."""
    turned = (vector[0::2] + 1j * vector[1::2]) * _angles(len(vector) // 2, position)
    return np.stack([turned.real, turned.imag], axis=1).ravel()


def _angles(half: int, position: int) -> Any:
    return np.exp(1j * position * 10000.0 ** (-np.arange(half) / half))
