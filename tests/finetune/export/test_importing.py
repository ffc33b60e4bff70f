"""Adapters from elsewhere become PEFT's usual ones, with the tensors that they had."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from finetune.adapters.card import read_card
from finetune.adapters.files import CONFIG_FILE, WEIGHTS_FILE
from finetune.adapters.lora import read_lora
from finetune.bases.base import Base
from finetune.errors import AdapterInvalid, BaseMismatch
from finetune.export.importing import import_adapter
from tests.foreign_adapters import (
    REFUSED,
    SOUND,
    TO_IMPORT,
    divided,
    lora_tensors,
    pickled,
    write_adapter,
)

NOTES = {  # what an import says of each form, beside names
    "pickled": "read from adapter_model.bin",
    "parts": "read from 2 parts",
    "checkpoints": "the last one was taken of checkpoint-5, checkpoint-10.",
}


@pytest.fixture(scope="module")
def base(make_base: Any) -> Base:
    return Base("smollm2-135m", make_base("llama"))


def take(source: Path, base: Base, **options: Any) -> Path:
    """The folder of the imported version."""
    return import_adapter(source, "new", base, source.parent / "adapters", **options).folder


def refusal(source: Path, base: Base) -> str:
    """What an import says that is refused and leaves nothing behind."""
    with pytest.raises((AdapterInvalid, BaseMismatch)) as caught:
        take(source, base)
    assert list((source.parent / "adapters").iterdir()) == []
    return str(caught.value)


def assert_equal_tensors(folder: Path, expected: dict[str, torch.Tensor]) -> None:
    found = load_file(folder / WEIGHTS_FILE)
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor), name


@pytest.mark.parametrize("form", TO_IMPORT)
def test_other_forms_have_the_usual_ones_names_and_tensors(form: str, base: Base, tmp_path: Path):
    write, _ = TO_IMPORT[form]
    folder = take(write(tmp_path / "source"), base)
    assert_equal_tensors(folder, load_file(write_adapter(tmp_path / "usual") / WEIGHTS_FILE))
    card = read_card(folder)
    assert card is not None
    assert card.imported is not None
    told = "8 tensors got their usual names"
    assert NOTES.get(form, told) in " ".join(card.imported.notes)
    assert card.changed_files(folder) == []


@pytest.mark.parametrize("form", SOUND)
def test_usual_adapters_are_copied_byte_for_byte(form: str, base: Base, tmp_path: Path):
    source = SOUND[form](tmp_path / "source")
    folder = take(source, base)
    for name in (CONFIG_FILE, WEIGHTS_FILE):
        assert (folder / name).read_bytes() == (source / name).read_bytes()
    card = read_card(folder)
    assert card is not None
    assert card.imported is not None
    assert (card.base.id, card.imported.notes) == ("smollm2-135m", ())
    assert {path.name for path in folder.iterdir()} <= {
        *(CONFIG_FILE, WEIGHTS_FILE, "lora-chat.json", "README.md")
    }


@pytest.mark.parametrize("form", REFUSED)
def test_what_cannot_be_served_is_not_imported_either(form: str, base: Base, tmp_path: Path):
    write, said = REFUSED[form]
    assert said in refusal(write(tmp_path / "source"), base)


def test_pickled_parts_are_put_together_and_keep_their_types(base: Base, tmp_path: Path):
    source = write_adapter(tmp_path / "source")
    halves = {k: v.to(torch.bfloat16) for k, v in load_file(source / WEIGHTS_FILE).items()}
    (source / WEIGHTS_FILE).unlink()
    for part in (0, 1):
        name = f"adapter_model-{part + 1:05}-of-00002.bin"
        torch.save({key: halves[key] for key in sorted(halves)[part::2]}, source / name)
    assert_equal_tensors(take(source, base), halves)


def test_another_base_is_taken_where_that_is_accepted_and_remembered(base: Base, tmp_path: Path):
    write, _ = REFUSED["other base"]
    folder = take(write(tmp_path / "source"), base, accept_base=True, spec="smollm2-135m")
    card = read_card(folder)
    assert card is not None
    assert card.imported is not None
    assert card.imported.named_base == "meta-llama/Llama-2-7b-chat-hf"
    assert (card.base.id, card.base_spec) == ("smollm2-135m", "smollm2-135m")
    assert card.base.fingerprint.differences(base.fingerprint) == []


def test_an_imported_adapter_is_bound_to_its_base_from_then_on(
    base: Base, make_base: Any, tmp_path: Path
):
    folder = take(write_adapter(tmp_path / "source"), base)
    other = Base("smollm2-135m", make_base("llama", seed=9))
    with pytest.raises(BaseMismatch, match="imported for 'smollm2-135m', not for 'smollm2-135m'"):
        import_adapter(folder, "again", other, tmp_path / "home")


def test_added_tokens_are_remembered(base: Base, tmp_path: Path):
    source = write_adapter(tmp_path / "source", files={"added_tokens.json": '{"<PAT>": 320}'})
    card = read_card(take(source, base))
    assert card is not None
    assert card.imported is not None
    assert card.imported.added_tokens == ("<PAT>",)


class Runs:
    """Unpickled without care it makes a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (self._folder,)


def test_code_in_a_pickle_is_not_run(base: Base, tmp_path: Path):
    source = pickled(write_adapter(tmp_path / "source"))
    harm = tmp_path / "harm"
    torch.save({"a": torch.ones(1), "b": Runs(harm)}, source / "adapter_model.bin")
    assert "is not taken: it is damaged or holds more than tensors. Have it" in refusal(
        source, base
    )
    assert not harm.exists()


def test_a_pickle_of_something_else_is_refused_by_its_path(base: Base, tmp_path: Path):
    source = pickled(write_adapter(tmp_path / "source"))
    torch.save([torch.ones(2)], source / "adapter_model.bin")
    message = refusal(source, base)
    assert str(source / "adapter_model.bin") in message
    assert "Have it saved as adapter_model.safetensors." in message


def test_a_part_or_a_tensor_that_is_missing_is_named(base: Base, tmp_path: Path):
    source = divided(write_adapter(tmp_path / "source"))
    index = source / f"{WEIGHTS_FILE}.index.json"
    listed = json.loads(index.read_text())
    listed["weight_map"]["one.more"] = "adapter_model-00001-of-00002.safetensors"
    index.write_text(json.dumps(listed))
    assert "lack 1 tensors of their index, one.more" in refusal(source, base)
    (source / "adapter_model-00002-of-00002.safetensors").unlink()
    assert "lacks adapter_model-00002-of-00002.safetensors, a part" in refusal(source, base)


def test_two_adapters_in_one_file_are_not_guessed_at(base: Base, tmp_path: Path):
    names = (".policy", ".reference")
    tensors = {k: v for name in names for k, v in lora_tensors(suffix=name).items()}
    source = write_adapter(tmp_path / "source", tensors)
    assert "the same tensor of two adapters" in refusal(source, base)


def test_no_numbers_are_refused(base: Base, tmp_path: Path):
    tensors = lora_tensors()
    tensors[min(tensors)][0, 0] = np.nan
    assert "no numbers" in refusal(write_adapter(tmp_path / "source", tensors), base)


def test_a_name_of_a_bare_folder_has_no_room_for_an_import(base: Base, tmp_path: Path):
    bare = divided(write_adapter(tmp_path / "adapters" / "new"))
    with pytest.raises(AdapterInvalid, match="Choose another name"):
        import_adapter(bare, "new", base, tmp_path / "adapters")
    assert import_adapter(bare, "other", base, tmp_path / "adapters").number == "1"


def test_imports_of_one_name_that_end_together_each_tell_their_own_version(
    base: Base, tmp_path: Path
):
    alphas = [*range(1, 9)]
    sources = [write_adapter(tmp_path / str(alpha), lora_alpha=alpha) for alpha in alphas]
    with ThreadPoolExecutor(len(sources)) as pool:
        adapters = tmp_path / "adapters"
        versions = pool.map(lambda source: import_adapter(source, "new", base, adapters), sources)
        assert [read_lora(version.folder).lora_alpha for version in versions] == alphas


def test_the_weights_file_means_its_folder(base: Base, tmp_path: Path):
    source = write_adapter(tmp_path / "source")
    assert import_adapter(source / WEIGHTS_FILE, "new", base, tmp_path / "a").number == "1"
