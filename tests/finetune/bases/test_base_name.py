"""Which names can mean one base: real ones of hubs, mirrors, tools and disks."""

import pytest

from finetune.bases.base_name import can_be_same, is_same

SMOL = "HuggingFaceTB/SmolLM2-135M-Instruct"
LLAMA2, LLAMA2_CHAT = "meta-llama/Llama-2-7b-hf", "meta-llama/Llama-2-7b-chat-hf"
LLAMA31 = "meta-llama/Llama-3.1-8B-Instruct"
QWEN = "Qwen/Qwen2.5-1.5B-Instruct"
MISTRAL = "mistralai/Mistral-7B-Instruct-v0.2"
HASH = "f5db02db724555f92da89c216ac04704f23d4590"

SAME = [
    (SMOL, "smollm2-135m"),
    ("smollm2-135m", SMOL),
    ("smollm2-135m", "/home/me/models/SmolLM2-135M-Instruct"),
    ("unsloth/SmolLM2-135M-Instruct", "smollm2-135m"),
    ("unsloth/SmolLM2-135M-Instruct-bnb-4bit", "smollm2-135m"),
    ("bartowski/SmolLM2-135M-Instruct-GGUF", "smollm2-135m"),
    ("SmolLM2-135M-Instruct", "smollm2-135m"),
    ("/data/models/SmolLM2-135M-Instruct/", "smollm2-135m"),
    ("smollm2-135m", "SmolLM2-135M-Instruct.Q4_1-q8_0"),
    (SMOL, "/root/.lora-chat/bases/SmolLM2-135M-Instruct.Q4_1-0a1b2c3d4e5f"),
    ("NousResearch/Llama-2-7b-chat-hf", LLAMA2_CHAT),
    ("daryl149/llama-2-7b-chat-hf", LLAMA2_CHAT),
    ("modelscope/Llama-2-7b-chat-ms", LLAMA2_CHAT),
    ("shakechen/Llama-2-7b-chat-hf", LLAMA2_CHAT),
    ("meta-llama/Llama-2-7b-chat", LLAMA2_CHAT),
    ("unsloth/llama-2-7b-chat-bnb-4bit", LLAMA2_CHAT),
    ("TheBloke/Llama-2-7B-Chat-GPTQ", LLAMA2_CHAT),
    ("TheBloke/Llama-2-7B-Chat-AWQ", LLAMA2_CHAT),
    ("TheBloke/Llama-2-7B-chat-fp16", LLAMA2_CHAT),
    ("llama-2-7b-chat.Q4_K_M.gguf", LLAMA2_CHAT),
    ("llama2_7b_chat_hf", LLAMA2_CHAT),
    ("../models/Llama-2-7b-chat-hf", LLAMA2_CHAT),
    ("D:\\models\\Llama-2-7b-chat-hf", LLAMA2_CHAT),
    ("https://huggingface.co/meta-llama/Llama-2-7b-chat-hf", LLAMA2_CHAT),
    (f"/hub/models--meta-llama--Llama-2-7b-chat-hf/snapshots/{HASH}", LLAMA2_CHAT),
    (LLAMA2_CHAT, f"/hub/models--NousResearch--Llama-2-7b-chat-hf/snapshots/{HASH}"),
    ("unsloth/llama-2-7b", LLAMA2),
    ("meta-llama/Meta-Llama-3.1-8B-Instruct", LLAMA31),
    ("unsloth/Meta-Llama-3.1-8B-Instruct-unsloth-bnb-4bit", LLAMA31),
    ("unsloth/Llama-3.1-8B-Instruct-FP8-Dynamic", LLAMA31),
    ("LLM-Research/Meta-Llama-3___1-8B-Instruct", LLAMA31),
    ("hugging-quants/Meta-Llama-3.1-8B-Instruct-AWQ-INT4", LLAMA31),
    ("neuralmagic/Meta-Llama-3.1-8B-Instruct-quantized.w4a16", LLAMA31),
    ("mlx-community/Meta-Llama-3.1-8B-Instruct-4bit", LLAMA31),
    ("unsloth/llama-3-8b-Instruct-bnb-4bit", "meta-llama/Meta-Llama-3-8B-Instruct"),
    ("Llama_3_8B_Instruct", "meta-llama/Meta-Llama-3-8B-Instruct"),
    ("unsloth/Qwen2.5-1.5B-Instruct-unsloth-bnb-4bit", QWEN),
    ("Qwen/Qwen2.5-1.5B-Instruct-GPTQ-Int4", QWEN),
    ("/cache/modelscope/hub/models/Qwen/Qwen2___5-1___5B-Instruct", QWEN),
    ("qwen2_5-1_5b-instruct", QWEN),
    ("unsloth/mistral-7b-instruct-v0.2-bnb-4bit", MISTRAL),
    ("TheBloke/Mistral-7B-Instruct-v0.2-GGUF", MISTRAL),
    ("unsloth/mistral-7b-bnb-4bit", "mistralai/Mistral-7B-v0.1"),
    ("unsloth/mistral-7b-v0.2", "alpindale/Mistral-7B-v0.2-hf"),
    ("unsloth/tinyllama-chat-bnb-4bit", "TinyLlama/TinyLlama-1.1B-Chat-v1.0"),
    ("unsloth/tinyllama", "TinyLlama/TinyLlama-1.1B-intermediate-step-1431k-3T"),
    ("unsloth/zephyr-sft-bnb-4bit", "HuggingFaceH4/mistral-7b-sft-beta"),
    ("unsloth/codellama-7b", "codellama/CodeLlama-7b-hf"),
    ("unsloth/Qwen3-0.6B-unsloth-bnb-4bit", "Qwen/Qwen3-0.6B"),
    ("unsloth/gemma-2-2b-it", "google/gemma-2-2b-it"),
    ("unsloth/Mixtral-8x7B-v0.1", "mistralai/Mixtral-8x7B-v0.1"),
]
OTHER = [
    (LLAMA2_CHAT, "smollm2-135m"),
    ("HuggingFaceTB/SmolLM2-135M", "smollm2-135m"),
    ("unsloth/SmolLM2-135M-bnb-4bit", "smollm2-135m"),
    ("SmolLM2-135M", "smollm2-135m"),
    ("/data/models/SmolLM2-135M", "smollm2-135m"),
    ("HuggingFaceTB/SmolLM-135M-Instruct", "smollm2-135m"),
    ("HuggingFaceTB/SmolLM2-360M-Instruct", "smollm2-135m"),
    ("HuggingFaceTB/SmolLM2-1.7B-Instruct", "smollm2-135m"),
    ("/root/output/SmolLM2-135M-Instruct-medical", "smollm2-135m"),
    (LLAMA2, LLAMA2_CHAT),
    ("NousResearch/Llama-2-7b-hf", LLAMA2_CHAT),
    ("unsloth/llama-2-7b-bnb-4bit", LLAMA2_CHAT),
    ("/models/Llama-2-7b-hf", LLAMA2_CHAT),
    ("meta-llama/Llama-2-13b-chat-hf", LLAMA2_CHAT),
    ("meta-llama/Meta-Llama-3-8B-Instruct", LLAMA2_CHAT),
    ("lmsys/vicuna-7b-v1.5", LLAMA2_CHAT),
    ("togethercomputer/Llama-2-7B-32K-Instruct", LLAMA2_CHAT),
    ("FlagAlpha/Llama2-Chinese-7b-Chat", LLAMA2_CHAT),
    ("meta-llama/Meta-Llama-3-8B-Instruct", LLAMA31),
    ("meta-llama/Llama-3.1-8B", LLAMA31),
    ("deepseek-ai/DeepSeek-R1-Distill-Llama-8B", LLAMA31),
    ("mistralai/Mistral-7B-Instruct-v0.1", MISTRAL),
    ("mistralai/Mistral-7B-Instruct-v0.3", MISTRAL),
    ("mistralai/Mistral-7B-v0.1", MISTRAL),
    ("HuggingFaceH4/zephyr-7b-beta", MISTRAL),
    ("teknium/OpenHermes-2.5-Mistral-7B", MISTRAL),
    ("Qwen/Qwen2.5-1.5B", QWEN),
    ("Qwen/Qwen2-1.5B-Instruct", QWEN),
    ("Qwen/Qwen2.5-15B-Instruct", QWEN),
    ("Qwen/Qwen2.5-0.5B-Instruct", QWEN),
    ("Qwen/Qwen2.5-Coder-1.5B-Instruct", QWEN),
    ("Qwen/Qwen3-4B-Base", "Qwen/Qwen3-4B"),
    ("google/gemma-2-2b", "google/gemma-2-2b-it"),
    ("google/gemma-2b-it", "google/gemma-2-2b-it"),
    ("mistralai/Mixtral-8x7B-v0.1", "mistralai/Mistral-7B-v0.1"),
    ("microsoft/phi-2", LLAMA2_CHAT),
    ("gpt-org/my-own", LLAMA2_CHAT),
    (f"/hub/models--meta-llama--Llama-2-7b-hf/snapshots/{HASH}", LLAMA2_CHAT),
]
NO_CERTAIN_NAME = [
    None,
    "",
    "./base",
    "model",
    "/content/drive/model",
    "/models/llama",
    "run/checkpoint-500",
    "models/final",
    "outputs/merged",
    f"/hub/snapshots/{HASH}",
    HASH,
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_names_of_one_model_are_the_same(one: str, other: str):
    assert is_same(one, other)
    assert can_be_same(one, [other])
    assert can_be_same(other, [one])


@pytest.mark.parametrize(("one", "other"), OTHER)
def test_names_of_other_models_are_told_apart(one: str, other: str):
    assert not is_same(one, other)
    assert not can_be_same(one, [other])
    assert not can_be_same(other, [one])


@pytest.mark.parametrize("name", NO_CERTAIN_NAME)
def test_what_names_no_certain_model_can_be_any(name: str | None):
    for known in (SMOL, LLAMA2_CHAT, "smollm2-135m"):
        assert can_be_same(name, [known])
        assert name is None or can_be_same(known, [name])


def test_a_base_has_all_its_names():
    known = ("my-base", "/models/Llama-2-7b-chat-hf")
    assert can_be_same("NousResearch/Llama-2-7b-chat-hf", known)
    assert can_be_same("my-base", known)
    assert not can_be_same(LLAMA2, known)
