"""What a run takes, reckoned from a base's shape."""

from pathlib import Path

import pytest

from finetune.bases.catalogue import read_catalogue
from finetune.cost import Conditions, RunCost
from finetune.training.config import TrainConfig, load_config

GIB = 1 << 30
CONFIGS = Path(__file__).parents[2] / "configs"
BASES = {base.spec: base for base in read_catalogue().bases}
SMALL = BASES["smollm2-135m"].shape
SEVEN = BASES["meta-llama/Llama-2-7b-chat-hf"].shape
CPU = Conditions("cpu", "bf16", 24 * GIB)
GPU = Conditions("cuda", "bf16", 80 * GIB)
DEFAULTS = TrainConfig.model_validate({})


def test_the_default_base_is_reckoned_as_it_was_measured():
    """1.84 GiB for micro-batches of 1024 tokens (benchmarks/results/2026-11-25-finetune.md)."""
    assert RunCost(SMALL, DEFAULTS, CPU).training_bytes / GIB == pytest.approx(1.84, rel=0.2)


def test_an_adapter_has_as_many_weights_as_plain_lora():
    """Of LLaMA-2-7B, 2.4986 million for each rank."""
    assert RunCost(SEVEN, DEFAULTS, GPU).num_adapted == 16 * 2_498_560
    queries = TrainConfig.model_validate({"target_modules": ["q_proj"]})
    assert RunCost(SEVEN, queries, GPU).num_adapted == 32 * 16 * 2 * 4096


@pytest.mark.parametrize(
    "options",
    [
        {"quantize": "int8"},
        {"quantize": "none"},
        {"micro_batch_tokens": 4096},
        {"rank": 64},
        {"gradient_checkpointing": False},
    ],
    ids=str,
)
def test_what_takes_more_is_reckoned_to_take_more(options: dict[str, object]):
    more = TrainConfig.model_validate(options)
    assert RunCost(SEVEN, more, GPU).training_bytes > RunCost(SEVEN, DEFAULTS, GPU).training_bytes


def test_a_run_takes_what_its_hungriest_part_takes():
    for shape in (SMALL, SEVEN):
        cost = RunCost(shape, DEFAULTS, GPU)
        assert cost.run_bytes == max(cost.training_bytes, cost.comparing_bytes)


def test_a_larger_base_trains_slower_and_a_faster_machine_faster():
    rates = [RunCost(shape, DEFAULTS, CPU).training_rate(1e11) for shape in (SMALL, SEVEN)]
    assert rates[0] > 30 * rates[1]
    assert RunCost(SMALL, DEFAULTS, CPU).training_rate(2e11) == pytest.approx(2 * rates[0])
    again = TrainConfig.model_validate({"gradient_checkpointing": True})
    assert RunCost(SMALL, again, CPU).training_rate(1e11) < rates[0]


@pytest.mark.parametrize("size", [8, 16, 24])
def test_a_shipped_configuration_fits_into_the_gpu_that_it_is_named_for(size: int):
    [path] = CONFIGS.glob(f"qwen2.5-*-{size}gb.yaml")
    config = load_config(path, {})
    gpu = Conditions("cuda", "bf16", size * 10**9)
    needed = RunCost(BASES[config.base].shape, config, gpu).run_bytes
    assert needed < 0.92 * size * 1e9
    assert f"{needed / GIB:.1f} GiB" in path.read_text(encoding="utf-8")


def test_the_shipped_configuration_for_a_cpu_fits_into_eight_gigabytes():
    path = CONFIGS / "qwen2.5-0.5b-cpu.yaml"
    config = load_config(path, {})
    cpu = Conditions("cpu", "fp32", 8 * 10**9)
    needed = RunCost(BASES[config.base].shape, config, cpu).run_bytes
    assert needed < 0.85 * 8e9
    assert f"{needed / GIB:.1f} GiB" in path.read_text(encoding="utf-8")


def test_a_base_too_large_to_be_compared_in_full_is_compared_in_4_bits():
    small = Conditions("cuda", "bf16", 16 * 10**9)
    assert RunCost(SEVEN, DEFAULTS, GPU).comparing_bytes > 2 * SEVEN.num_parameters
    assert RunCost(SEVEN, DEFAULTS, small).comparing_bytes < SEVEN.num_parameters
