"""Texts that a chat template has made of conversations."""

import pytest

from tests.data.reading.lines import faults, turns

TURNS = [("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d")]
TEXTS = {
    "chatml": "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\nb<|im_end|>\n"
    "<|im_start|>user\nc<|im_end|>\n<|im_start|>assistant\nd<|im_end|>\n",
    "llama 2": "<s>[INST] a [/INST] b </s><s>[INST] c [/INST] d </s>",
    "mistral": "<s>[INST] a [/INST]b</s>[INST] c [/INST]d</s>",
    "llama 3": "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\na<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\nb<|eot_id|>"
    "<|start_header_id|>user<|end_header_id|>\n\nc<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\nd<|eot_id|>",
    "gemma": "<bos><start_of_turn>user\na<end_of_turn>\n<start_of_turn>model\nb<end_of_turn>\n"
    "<start_of_turn>user\nc<end_of_turn>\n<start_of_turn>model\nd<end_of_turn>\n",
    "zephyr": "<|user|>\na</s>\n<|assistant|>\nb</s>\n<|user|>\nc</s>\n<|assistant|>\nd</s>\n",
    "guanaco": "### Human: a### Assistant: b### Human: c### Assistant: d",
    "guanaco in lines": "### Human: a\n### Assistant: b\n### Human: c\n### Assistant: d",
    "alpaca": "Below is an instruction that describes a task. Write a response that appropriately "
    "completes the request.\n\n### Instruction:\na\n\n### Response:\nb\n\n### Instruction:\nc\n\n"
    "### Response:\nd",
    "vicuna": "USER: a ASSISTANT: b</s>USER: c ASSISTANT: d</s>",
    "role words": "User: a\nAssistant: b\nUser: c\nAssistant: d",
    "paragraphs": "\n\nHuman: a\n\nAssistant: b\n\nHuman: c\n\nAssistant: d",
    "chinese": "问：a\n答：b\n问：c\n答：d",
}


@pytest.mark.parametrize("name", TEXTS)
def test_the_turns_of_a_known_template_are_read(name: str):
    assert turns({"text": TEXTS[name]}) == TURNS


@pytest.mark.parametrize(
    "text",
    [
        "<s>[INST] <<SYS>>\ns\n<</SYS>>\n\na [/INST] b </s>",
        "<|im_start|>system\ns<|im_end|>\n<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\nb",
        "<|system|>\ns</s>\n<|user|>\na</s>\n<|assistant|>\nb</s>",
        "### System:\ns\n### User:\na\n### Assistant:\nb",
        "s USER: a ASSISTANT: b</s>",
        "s\n\n### Human: a\n### Assistant: b",
        "System: s\nUser: a\nAssistant: b",
    ],
)
def test_what_stands_before_the_turns_is_the_system_prompt(text: str):
    assert turns({"text": text}) == [("system", "s"), *TURNS[:2]]


def test_alpacas_input_stands_below_its_instruction():
    text = "### Instruction:\na\n\n### Input:\nx\n\n### Response:\nb"
    assert turns({"text": text}) == [("user", "a\nx"), ("assistant", "b")]
    text = "### Instruction:\na\n\n### Input:\n\n\n### Response:\nb"
    assert turns({"text": text}) == TURNS[:2]


def test_marks_of_another_template_within_a_turn_are_its_text():
    text = "### Human: What is [INST]?### Assistant: A mark: ### Response: too."
    answer = "A mark: ### Response: too."
    assert turns({"text": text}) == [("user", "What is [INST]?"), ("assistant", answer)]


@pytest.mark.parametrize(
    "text",
    [
        "Heating and air conditioning: we do both.",
        "### Human: a",
        "<|im_start|>user\na<|im_end|>",
        "",
    ],
)
def test_text_without_turns_is_a_fault(text: str):
    [fault] = faults({"text": text})
    assert fault.startswith("a.jsonl:1: ")
    assert "text" in fault or "turn" in fault


def test_an_empty_turn_is_a_fault():
    [fault] = faults({"text": "### Human: a### Assistant: "})
    assert "text: an empty turn, number 2" in fault
