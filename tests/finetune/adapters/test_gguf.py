"""LoRA adapters for llama.cpp: the same weights there and back, and as llama.cpp's own script
writes them (which `LLAMA_CPP_SOURCE` names: vendor/llama.cpp in llama-cpp-python's source)."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from finetune.adapters.gguf import (
    check_gguf_lora,
    read_gguf_lora,
    read_peft,
    turn,
    turn_back,
    write_gguf_lora,
    write_peft,
)
from finetune.adapters.weights import read_pairs
from finetune.bases.base import Base
from finetune.bases.gguf_file import read_gguf
from finetune.bases.gguf_shape import GgufShape
from finetune.errors import AdapterInvalid, BaseMismatch
from finetune.export.importing import import_adapter
from tests.gguf_files import permute, write_gguf

FAMILIES = ["llama", "mistral", "qwen2", "qwen3", "gemma", "gemma2", "gemma3_text"]
SOURCE = os.environ.get("LLAMA_CPP_SOURCE")


def shape_of(base: Path) -> GgufShape:
    return GgufShape.of_config(json.loads((base / "config.json").read_text()))


def convert(folder: Path, base: Path, path: Path) -> Path:
    write_gguf_lora(read_peft(folder), shape_of(base), path)
    return path


@pytest.mark.skipif(SOURCE is None, reason="LLAMA_CPP_SOURCE does not name llama.cpp's source")
@pytest.mark.parametrize("family", FAMILIES)
def test_every_tensor_is_what_llama_cpps_own_script_writes(
    family: str, make_base: Any, make_adapter: Any, tmp_path: Path
):
    assert SOURCE is not None
    base = make_base(family, tied=family.startswith("gemma"))
    folder = make_adapter(base, tmp_path / "adapter")
    theirs = tmp_path / "theirs.gguf"
    command = [sys.executable, f"{SOURCE}/convert_lora_to_gguf.py", "--base", base]
    subprocess.run([*command, "--outfile", theirs, folder], check=True, capture_output=True)
    own, right = read_gguf(convert(folder, base, tmp_path / "own.gguf")), read_gguf(theirs)
    assert own.tensors.keys() == right.tensors.keys()
    for key in ("general.architecture", "general.type", "adapter.type", "adapter.lora.alpha"):
        assert own.metadata[key] == right.metadata[key]
    for name in right.tensors:
        assert np.array_equal(own.read(name), right.read(name)), name


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"use_rslora": True, "r": 6},
        {"rank_pattern": {"q_proj": 2, "down_proj": 7}, "alpha_pattern": {"k_proj": 1.5}},
        {"target_modules": ["v_proj"]},
    ],
    ids=["plain", "rslora", "patterns", "one module"],
)
def test_a_file_read_back_changes_every_weight_as_peft_does(
    family: str, options: dict[str, Any], make_base: Any, make_adapter: Any, tmp_path: Path
):
    base = make_base(family, tied=family.startswith("gemma"))
    folder = make_adapter(base, tmp_path / "adapter", **options)
    path = convert(folder, base, tmp_path / "adapter.gguf")
    (tmp_path / "back").mkdir()
    write_peft(read_gguf_lora(path, shape_of(base)), "base", tmp_path / "back")
    expected, found = read_pairs(folder), read_pairs(tmp_path / "back")
    assert found.keys() == expected.keys()
    for name, pair in expected.items():
        own = found[name]
        torch.testing.assert_close(own.factor * own.b @ own.a, pair.factor * pair.b @ pair.a)


def test_the_file_fits_its_base_and_no_other(make_base: Any, make_adapter: Any, tmp_path: Path):
    base = make_base("llama")
    lora = read_gguf(convert(make_adapter(base, tmp_path / "a"), base, tmp_path / "a.gguf"))
    shape, own = shape_of(base), read_gguf(write_gguf(base, tmp_path / "base.gguf"))
    check_gguf_lora(lora, shape)
    assert GgufShape.of_gguf(own) == shape
    with pytest.raises(BaseMismatch, match=r"changes blk\.1"):
        check_gguf_lora(lora, replace(shape, num_layers=1))
    with pytest.raises(BaseMismatch, match="does not fit the base: at model"):
        check_gguf_lora(lora, replace(shape, intermediate_size=32))
    with pytest.raises(BaseMismatch, match="for a llama model"):
        check_gguf_lora(lora, shape_of(make_base("qwen2")))
    with pytest.raises(AdapterInvalid, match="no LoRA adapter"):
        check_gguf_lora(own, shape)


@pytest.mark.parametrize("kind", ["llama", "qwen2"])
@pytest.mark.parametrize(
    ("side", "sizes"), [("A", (4, 32)), ("B", (10, 4)), ("B", (64, 3)), ("A", (0, 64))]
)
def test_weights_of_other_sizes_are_refused_before_a_file_is_written(
    kind: str,
    side: str,
    sizes: tuple[int, int],
    make_base: Any,
    make_adapter: Any,
    tmp_path: Path,
):
    base = make_base(kind)
    adapter = make_adapter(base, tmp_path / "a")
    weights = adapter / "adapter_model.safetensors"
    key = f"base_model.model.model.layers.1.self_attn.q_proj.lora_{side}.weight"
    save_file(load_file(weights) | {key: torch.ones(sizes)}, weights)
    with pytest.raises((BaseMismatch, AdapterInvalid), match="does not fit"):
        convert(adapter, base, tmp_path / "a.gguf")
    with pytest.raises((BaseMismatch, AdapterInvalid), match="does not fit"):
        import_adapter(adapter, "new", Base("tiny", base), tmp_path / "adapters")
    assert not list(tmp_path.glob("*.gguf"))
    assert not (tmp_path / "adapters" / "new").exists()


@pytest.mark.parametrize(
    "settings",
    [
        {"lora_alpha": 1e300},
        {"lora_alpha": float("nan")},
        {"lora_alpha": float("-inf")},
        {"alpha_pattern": {"q_proj": 1e300}},
        {"alpha_pattern": {"(": 1.0}},
    ],
    ids=str,
)
def test_settings_beyond_all_measure_are_refused(
    settings: dict[str, Any], make_base: Any, make_adapter: Any, tmp_path: Path
):
    folder = make_adapter(make_base("llama"), tmp_path / "a")
    path = folder / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | settings))
    with pytest.raises(AdapterInvalid, match="damaged"):
        read_peft(folder)


def test_a_gguf_adapter_of_other_sizes_is_not_imported(
    make_base: Any, make_adapter: Any, tmp_path: Path
):
    """Rows that the heads divide would be turned and taken, without a look at the base."""
    from gguf import GGUFReader, GGUFType, GGUFWriter, Keys

    base = make_base("llama")
    good = convert(make_adapter(base, tmp_path / "a"), base, tmp_path / "good.gguf")
    for rows in (10, 32, 128):
        writer = GGUFWriter(tmp_path / "bad.gguf", "llama")
        writer.add_type(GGUFType.ADAPTER)
        writer.add_string(Keys.Adapter.TYPE, "lora")
        writer.add_float32(Keys.Adapter.LORA_ALPHA, 8.0)
        for tensor in GGUFReader(good).tensors:
            is_first = tensor.name == "blk.0.attn_q.weight.lora_b"
            values = np.ones((rows, 4), np.float32) if is_first else np.array(tensor.data)
            writer.add_tensor(tensor.name, values)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        with pytest.raises(BaseMismatch, match="does not fit"):
            import_adapter(tmp_path / "bad.gguf", "new", Base("tiny", base), tmp_path / "adapters")
        (tmp_path / "bad.gguf").unlink()
    assert not (tmp_path / "adapters" / "new").exists()


def test_damaged_and_foreign_adapters_are_refused(
    make_base: Any, make_adapter: Any, tmp_path: Path
):
    base = make_base("llama")
    weights = make_adapter(base, tmp_path / "a") / "adapter_model.safetensors"
    whole = load_file(weights)
    first = sorted(whole)[0]
    save_file(whole | {first: whole[first] * torch.nan}, weights)
    with pytest.raises(AdapterInvalid, match="no numbers"):
        read_peft(tmp_path / "a")
    foreign = {key.replace("layers.0", "layers.7"): value for key, value in whole.items()}
    save_file(foreign, weights)
    with pytest.raises(BaseMismatch, match=r"no model\.layers\.7"):
        convert(tmp_path / "a", base, tmp_path / "a.gguf")
    assert not list(tmp_path.glob("*.gguf"))
    assert not list(tmp_path.glob(".*"))


def test_an_adapter_of_no_effect_stays_one(make_base: Any, make_adapter: Any, tmp_path: Path):
    """With an alpha of 0 llama.cpp would add B · A as it is."""
    base = make_base("llama")
    folder = make_adapter(base, tmp_path / "a", lora_alpha=0)
    lora = read_gguf_lora(convert(folder, base, tmp_path / "a.gguf"), shape_of(base))
    assert lora.alpha > 0
    assert all(not pair.b.any() for pair in lora.pairs.values())


def test_rows_are_turned_as_bases_turn_theirs_and_back():
    rows = np.arange(24, dtype=np.float32).reshape(24, 1)
    for heads in (1, 2, 3):
        assert np.array_equal(turn(rows, heads), permute(rows, heads))
        assert np.array_equal(turn_back(turn(rows, heads), heads), rows)


def test_attention_scores_are_equal_under_either_way_of_turning_pairs():
    generator = np.random.default_rng(3)
    heads, head_dim = 2, 8
    q_weight, k_weight = generator.standard_normal((2, heads * head_dim, 5), dtype=np.float32)
    x, y = generator.standard_normal((2, 5), dtype=np.float32)
    q, k = q_weight @ x, k_weight @ y
    q_turned, k_turned = (
        turn(weight, heads) @ vector for weight, vector in ((q_weight, x), (k_weight, y))
    )
    for head in range(heads):
        part = slice(head * head_dim, (head + 1) * head_dim)
        halves = turn_halves(q[part], 7) @ turn_halves(k[part], 3)
        neighbours = turn_neighbours(q_turned[part], 7) @ turn_neighbours(k_turned[part], 3)
        assert neighbours == pytest.approx(halves, rel=1e-5)


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
