"""Many adapters without many gigabytes: each differs, all load, none stays."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from benchmarks.adapters import make_adapters
from benchmarks.process import ProgramFailed
from benchmarks.serving.pool import Pool, adapter_pool
from benchmarks.serving.scaling import PowerLaw
from finetune.adapters.files import WEIGHTS_FILE
from service.bench.load import Target
from serving.adapters.notation import Part
from serving.adapters.store import AdapterStore


@pytest.fixture
def template(tmp_path: Path, make_base: Any) -> Path:
    return make_adapters(tmp_path, make_base("llama"), count=1, rank=4)["a1"]


def test_every_adapter_differs_in_b_alone(tmp_path: Path, template: Path):
    original = load_file(template / WEIGHTS_FILE)
    with adapter_pool(tmp_path, template, 3) as pool:
        pool.fill()
        variants = [load_file(pool.adapter(number) / WEIGHTS_FILE) for number in (1, 2, 3)]
    assert not pool.folder.exists()
    for name, tensor in original.items():
        for variant in variants:
            assert np.array_equal(np.abs(variant[name]), np.abs(tensor.astype(np.float16)))
        assert np.array_equal(variants[0][name], variants[1][name]) == (".lora_A." in name)


def test_a_registered_adapter_is_one_of_the_homes_with_its_own_hash(tmp_path: Path, template: Path):
    home = tmp_path / "home"
    (home / "adapters").mkdir(parents=True)
    store = AdapterStore(home / "adapters")
    with adapter_pool(tmp_path, template, 2) as pool:
        pool.fill()
        assert [pool.register(number, home) for number in (1, 2, 2)] == [True, True, False]
        pool.forget(1)
        refs = [store.pin(store.entry(Part(name))) for name in store.names()]
    assert [ref.name for ref in refs] == ["n1", "n2"]
    assert len({ref.sha256 for ref in refs}) == 2


def test_a_disk_that_is_too_small_is_noticed_first(tmp_path: Path, template: Path):
    pool = Pool(tmp_path, template, count=1 << 40)
    with pytest.raises(ProgramFailed, match="Ask for fewer"):
        pool.check_disk(num_bytes=1 << 60)


def test_the_first_adapters_are_asked_most_and_warm_up_alone():
    registered = tuple(Target(f"n{number}") for number in range(1, 101))
    load = PowerLaw("http://x", registered[:2], num_requests=5000, registered=registered)
    counts = Counter(target.model for target in load.chosen_targets())
    assert counts["n1"] > 1.5 * counts["n2"] > counts["n4"] > counts["n40"]
    assert load.chosen_targets() == load.chosen_targets()
