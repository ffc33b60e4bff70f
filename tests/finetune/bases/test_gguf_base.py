"""GGUF files as bases: recognised as the base that they were made from."""

from pathlib import Path
from typing import Any

import pytest

from finetune.bases.base import Base, find_base
from finetune.bases.gguf_base import find_gguf_base
from finetune.defaults import DEFAULT_BASE
from finetune.errors import BaseNotFound, BaseUnusable
from tests.gguf_files import write_gguf


@pytest.mark.parametrize("family", ["llama", "mistral", "qwen2", "qwen3", "gemma2", "gemma3_text"])
def test_a_gguf_file_is_the_same_base_as_the_folder_it_was_made_from(
    family: str, make_base: Any, tmp_path: Path
):
    folder = make_base(family, tied=family.startswith("gemma"))
    found = find_gguf_base(str(write_gguf(folder, tmp_path / "tiny.gguf")), tmp_path).fingerprint
    trained_on = Base("tiny", folder).fingerprint
    if family not in (
        "llama",
        "mistral",
        "qwen3",
    ):  # the others' tokenizers are made for larger ones
        found = found.model_copy(update={"vocabulary": trained_on.vocabulary})
    assert trained_on.differences(found) == []
    other = make_base(family, tied=family.startswith("gemma"), seed=1)
    assert Base("other", other).fingerprint.differences(found)


def test_only_its_tokenizer_is_made_of_a_gguf_file(make_base: Any, tmp_path: Path):
    folder = make_base("llama")
    home, path = tmp_path / "home", write_gguf(folder, tmp_path / "tiny.gguf")
    base = find_gguf_base(str(path), home)
    assert base.id == "tiny"
    text = "患者：失眠 chain 12"
    assert base.tokenizer.encode(text) == Base("", folder).tokenizer.encode(text)
    (made,) = (home / "bases").iterdir()
    assert made.name.endswith("-tokenizer")
    assert not list(made.glob("*.safetensors"))
    whole = find_base(str(path), home)
    again = find_gguf_base(str(path), home)
    assert again.tokenizer.name_or_path == str(whole.folder)


def test_the_default_base_is_the_one_that_its_converted_folder_is(default_home: Path):
    base = find_gguf_base(DEFAULT_BASE, default_home)
    assert base.id == DEFAULT_BASE
    assert find_base(DEFAULT_BASE, default_home).fingerprint.differences(base.fingerprint) == []


def test_a_kept_file_is_found_by_its_name(make_base: Any, tmp_path: Path):
    path = write_gguf(make_base("llama"), tmp_path / "bases" / "tiny-q8_0.gguf")
    assert find_gguf_base("tiny-q8_0", tmp_path).path == path
    assert find_base("tiny-q8_0", tmp_path).id == "tiny-q8_0"


def test_what_is_no_gguf_base_is_refused_with_a_way_out(make_base: Any, tmp_path: Path):
    for spec in (str(make_base("llama")), "org/model", str(tmp_path / "none.gguf")):
        with pytest.raises(BaseNotFound, match="--engine torch"):
            find_gguf_base(spec, tmp_path)
    broken = write_gguf(make_base("llama"), tmp_path / "broken.gguf")
    broken.write_bytes(broken.read_bytes()[:-5])
    with pytest.raises(BaseUnusable, match="not copied whole"):
        find_gguf_base(str(broken), tmp_path)


def test_other_architectures_are_refused_by_name(tmp_path: Path):
    from gguf import GGUFWriter

    writer = GGUFWriter(tmp_path / "other.gguf", "falcon")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(BaseUnusable, match="'falcon'"):
        find_gguf_base(str(tmp_path / "other.gguf"), tmp_path)
