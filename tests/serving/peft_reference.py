"""What transformers and PEFT compute: slow, and what the engine is measured by."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

from serving.engine import Blend


def peft_model(base: Path, blend: Blend) -> Any:
    """PEFT's exact blend: `cat` sums the adapters' products."""
    return with_blend(AutoModelForCausalLM.from_pretrained(base), blend)


def with_blend(model: Any, blend: Blend) -> Any:
    if not blend:
        return model.eval()
    (first, _), *rest = blend
    wrapped = PeftModel.from_pretrained(model, str(first.folder), adapter_name=first.name)
    for ref, _ in rest:
        wrapped.load_adapter(str(ref.folder), adapter_name=ref.name)
    if len(blend) == 1 and blend[0][1] == 1.0:
        return wrapped.eval()
    names, scales = [ref.name for ref, _ in blend], [scale for _, scale in blend]
    wrapped.add_weighted_adapter(names, scales, "blend", combination_type="cat")
    wrapped.set_adapter("blend")
    return wrapped.eval()


def logits_of(model: Any, ids: Sequence[int]) -> torch.Tensor:
    """[tokens, vocabulary], all positions at once."""
    with torch.no_grad():
        return model(torch.tensor([list(ids)])).logits[0]


def greedy(model: Any, prompt: Sequence[int], num_tokens: int) -> tuple[list[int], list[float]]:
    """Greedy tokens without a cache, and by how much each was ahead of the next best."""
    ids, margins = list(prompt), list[float]()
    for _ in range(num_tokens):
        best = logits_of(model, ids)[-1].topk(2)
        margins.append(float(best.values[0] - best.values[1]))
        ids.append(int(best.indices[0]))
    return ids[len(prompt) :], margins
