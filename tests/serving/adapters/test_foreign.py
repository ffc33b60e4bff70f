"""Adapters from elsewhere in the adapters' folder: which are listed, what is said of the others."""

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from finetune.adapters.files import CONFIG_FILE
from finetune.adapters.fit import Fit
from finetune.bases.base import Base
from serving.adapters.notation import Part
from serving.adapters.store import AdapterStore
from serving.errors import AdapterRefused, ModelNotFound
from tests.foreign_adapters import REFUSED, SOUND, TO_IMPORT, lora_tensors, pickled, write_adapter

SAID = {form: said for forms in (TO_IMPORT, REFUSED) for form, (_, said) in forms.items()}
WRITE = {form: write for forms in (TO_IMPORT, REFUSED) for form, (write, _) in forms.items()}


@pytest.fixture(scope="module")
def base(make_base: Any) -> Base:
    return Base("smollm2-135m", make_base("llama"))


@pytest.fixture
def store(base: Base, tmp_path: Path) -> AdapterStore:
    return AdapterStore(tmp_path / "adapters", base.fingerprint, Fit(base))


def listed(store: AdapterStore) -> list[str]:
    return [entry.name for entry in store.entries()]


@pytest.mark.parametrize("form", SOUND)
def test_a_sound_one_is_listed(form: str, store: AdapterStore):
    SOUND[form](store.adapters / "it")
    assert listed(store) == ["it"]
    store.examine(store.entry(Part("it")))
    assert listed(store) == ["it"]


@pytest.mark.parametrize("form", WRITE)
def test_one_that_cannot_answer_is_not_listed_and_says_why(
    form: str, store: AdapterStore, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.WARNING)
    WRITE[form](store.adapters / "it")
    assert listed(store) == listed(store) == []
    with pytest.raises(AdapterRefused) as caught:
        store.resolve("it")
    assert SAID[form] in str(caught.value)
    assert str(store.adapters) not in str(caught.value)
    assert [record.message for record in caplog.records] == [
        f"The adapter it is not listed: {caught.value}"
    ]


def test_a_version_in_another_form_is_told_from_one_that_is_not_there(store: AdapterStore):
    pickled(write_adapter(store.adapters / "it" / "1"))
    for reference in ("it", "it@1"):
        with pytest.raises(AdapterRefused, match="older PEFT adapter"):
            store.resolve(reference)
    with pytest.raises(ModelNotFound):
        store.resolve("it@2")
    write_adapter(store.adapters / "it" / "2")
    assert store.entry(Part("it")).number == "2"


def test_a_folder_of_something_else_is_no_adapter(
    store: AdapterStore, caplog: pytest.LogCaptureFixture
):
    (store.adapters / "notes").mkdir(parents=True)
    (store.adapters / "notes" / "read.me").write_text("x")
    assert listed(store) == []
    with pytest.raises(ModelNotFound):
        store.resolve("notes")
    assert caplog.records == []


def test_other_names_are_taken_where_that_is_accepted(base: Base, store: AdapterStore):
    WRITE["other base"](store.adapters / "it")
    WRITE["other ranks"](store.adapters / "wrong")
    lenient = AdapterStore(store.adapters, base.fingerprint, Fit(base, accepts_names=True))
    assert listed(lenient) == ["it"]


def test_what_was_refused_is_looked_at_again_once_it_has_changed(store: AdapterStore):
    path = WRITE["other base"](store.adapters / "it") / CONFIG_FILE
    assert listed(store) == []
    right = json.loads(path.read_text()) | {"base_model_name_or_path": "smollm2-135m"}
    path.write_text(json.dumps(right))
    assert listed(store) == ["it"]


def test_one_without_numbers_is_left_out_once_it_has_been_read(store: AdapterStore):
    tensors = lora_tensors()
    tensors[min(tensors)][0, 0] = np.inf
    write_adapter(store.adapters / "it", tensors)
    with pytest.raises(AdapterRefused, match="no numbers"):
        store.examine(store.entry(Part("it")))
    assert listed(store) == []
    with pytest.raises(AdapterRefused, match="no numbers"):
        store.resolve("it")
