"""GGUF headers: read as the gguf package reads them, and never trusted."""

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from finetune.bases.gguf_file import Long, read_gguf
from finetune.errors import GgufInvalid
from tests.gguf_files import write_gguf


@pytest.fixture(scope="module")
def path(make_base: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_gguf(make_base("llama"), tmp_path_factory.mktemp("gguf") / "tiny.gguf")


def test_it_tells_what_the_gguf_package_tells(path: Path):
    from gguf import GGUFReader

    reader, own = GGUFReader(path), read_gguf(path)
    fields = {n: f for n, f in reader.fields.items() if not n.startswith("GGUF.")}
    assert own.metadata.keys() == fields.keys()
    for name, found in own.metadata.items():
        right: Any = fields[name].contents()
        if isinstance(found, Long):
            assert found.length == len(right)
        else:
            assert found == (tuple(right) if isinstance(right, list) else right)
    assert own.tensors.keys() == {tensor.name for tensor in reader.tensors}
    for tensor in reader.tensors:
        assert np.array_equal(own.read(tensor.name), tensor.data)


@pytest.mark.parametrize("kind", ["Q8_0", "Q4_0", "F16", "BF16"])
def test_quantized_tensors_are_read_as_float32(kind: str, tmp_path: Path):
    from gguf import GGMLQuantizationType, GGUFWriter
    from gguf.quants import dequantize, quantize

    values = np.random.default_rng(1).standard_normal((4, 64), np.float32)
    stored = quantize(values, GGMLQuantizationType[kind])
    writer = GGUFWriter(tmp_path / "one.gguf", "llama")
    raw = stored.view(np.uint8) if kind in ("F16", "BF16") else stored
    writer.add_tensor("weight", raw, raw_dtype=GGMLQuantizationType[kind])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    found = read_gguf(tmp_path / "one.gguf").read("weight")
    assert found.dtype == np.float32
    assert np.array_equal(found, dequantize(stored, GGMLQuantizationType[kind]))


def test_a_file_that_ends_early_is_refused_wherever_it_ends(path: Path, tmp_path: Path):
    content = path.read_bytes()
    broken = tmp_path / "broken.gguf"
    for end in [*range(0, 2000, 37), *range(2000, len(content), 7919), len(content) - 1]:
        broken.write_bytes(content[:end])
        with pytest.raises(GgufInvalid):
            read_gguf(broken)


def test_changed_bytes_are_refused_or_read_and_nothing_else(path: Path, tmp_path: Path):
    content, chance = path.read_bytes(), random.Random(5)
    header = min(tensor.offset for tensor in read_gguf(path).tensors.values())
    broken = tmp_path / "broken.gguf"
    num_refused = 0
    for _ in range(300):
        changed = bytearray(content)
        for _ in range(chance.choice([1, 4])):
            changed[chance.randrange(header)] = chance.choice([0, 1, 127, 255])
        broken.write_bytes(changed)
        try:
            read_gguf(broken)
        except GgufInvalid:
            num_refused += 1
    assert num_refused > 20


def test_numbers_of_another_kind_are_refused_by_their_names(path: Path):
    gguf = read_gguf(path)
    for ask in (gguf.count, gguf.number, gguf.text):
        with pytest.raises(GgufInvalid, match=r"no such\.key"):
            ask("such.key")
    with pytest.raises(GgufInvalid, match=r"no tensor output_norm\.bias"):
        gguf.read("output_norm.bias")
