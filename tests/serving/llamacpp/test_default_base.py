"""The default base as its package carries it, in 4 bits, beside what PEFT computes of it.

llama.cpp rounds what goes into each product with quantized weights to 8 bits, in blocks of 32
values (Q8_0 and Q8_1 of ggml-quants.c), on every processor; instruction sets differ in the order
in which they add up, and so in which values fall on the other side of a step. How much that moves
a log probability is measured here: PEFT computes with inputs rounded in the same way, several
times, each with the steps shifted by less than a hundredth. The largest deviation of all tokens
from the exact value, twice, is the tolerance: llama.cpp's is one more draw of the same noise.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from finetune.bases.base import find_base
from finetune.bases.gguf_base import find_gguf_base
from finetune.defaults import DEFAULT_BASE
from serving.engine import Blend, Delta, Request, Sampling
from serving.llamacpp.engine import LlamaCppEngine, LlamaEngineConfig
from tests.serving.engines import alone, collect_all, logprobs, make_ref, needs_llamacpp, token_ids
from tests.serving.peft_reference import logits_of, peft_model

pytestmark = needs_llamacpp

QUESTION = "What is a bicycle?"
BLOCK = 32  # values that share a scale
SHIFT = 0.01  # of the scales, at most
DRAWS = 3
LEAST_DIFFERENCE = 2  # times the tolerance, by which another blend's answers are off


def told_by(model: Any, prompt: tuple[int, ...], ids: Sequence[int]) -> torch.Tensor:
    """The log probabilities of an answer's tokens, [tokens]."""
    known = logits_of(model, (*prompt, *ids)).log_softmax(-1)[len(prompt) - 1 : -1]
    return known.gather(1, torch.tensor(ids)[:, None])[:, 0]


def tolerance_of(model: Any, prompt: tuple[int, ...], ids: Sequence[int]) -> float:
    """Twice what rounding of the base's inputs moves one of these log probabilities by, at most."""
    exact, chance = told_by(model, prompt, ids), torch.Generator().manual_seed(0)

    def rounded(module: Any, inputs: tuple[Any, ...]) -> tuple[torch.Tensor]:
        blocks = inputs[0].unflatten(-1, (-1, BLOCK))
        shift = 1 + SHIFT * (2 * torch.rand(blocks.shape[:-1], generator=chance) - 1)
        scale = blocks.abs().amax(-1, keepdim=True).clamp_min(1e-12) / 127 * shift[..., None]
        return ((blocks / scale).round().mul(scale).flatten(-2),)

    linears = [
        module
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and "lora_" not in name
    ]
    hooks = [linear.register_forward_pre_hook(rounded) for linear in linears]
    moved = [(told_by(model, prompt, ids) - exact).abs().max() for _ in range(DRAWS)]
    for hook in hooks:
        hook.remove()
    return 2 * float(torch.stack(moved).max())


async def test_base_adapter_and_blend_are_what_peft_computes(
    default_home: Path, make_adapter: Any, tmp_path: Path, all_cores: None
):
    folder = find_base(DEFAULT_BASE, default_home).folder
    base = find_gguf_base(DEFAULT_BASE, default_home)
    a, b = (
        make_ref(make_adapter(folder, tmp_path / name, seed=seed, std=0.07), name)
        for seed, name in enumerate("ab", 1)
    )
    blends: list[Blend] = [(), alone(a), ((a, 0.6), (b, -0.4))]
    prompt = tuple(
        base.tokenizer.apply_chat_template(
            [{"role": "user", "content": QUESTION}], add_generation_prompt=True, return_dict=False
        )
    )
    sampling = Sampling(max_tokens=12, temperature=0, top_logprobs=0, ignore_eos=True)
    requests = [Request(str(i), prompt, (), blend, sampling) for i, blend in enumerate(blends)]
    engine = LlamaCppEngine(base, LlamaEngineConfig())
    await engine.start()
    answers = await collect_all(engine, requests)
    await engine.stop()
    assert "bicycle" in base.tokenizer.decode(token_ids(answers[0]))
    assert len({tuple(token_ids(answer)) for answer in answers}) == len(blends)
    models = [peft_model(folder, blend).float() for blend in blends]
    for own, (model, answer) in enumerate(zip(models, answers, strict=True)):
        ids, found = token_ids(answer), told(answer)
        tolerance = tolerance_of(model, prompt, ids)
        off = [float((told_by(each, prompt, ids) - found).abs().max()) for each in models]
        assert off[own] < tolerance
        assert min(each for other, each in enumerate(off) if other != own) > (
            LEAST_DIFFERENCE * tolerance
        ), (off, tolerance)


def told(answer: Sequence[Delta]) -> torch.Tensor:
    return torch.tensor([logprob.logprob for logprob in logprobs(answer)])
