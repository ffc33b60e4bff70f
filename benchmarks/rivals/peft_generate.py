"""One batch of rows with different adapters through PEFT: a job on stdin, its result on stdout."""

import sys
import time
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

WARM_UP = 2  # [tokens]


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PeftRow(Frozen):
    adapter: str | None  # None: the base
    prompt_ids: tuple[int, ...]


class PeftJob(Frozen):
    base: Path
    adapters: dict[str, Path]
    rows: tuple[PeftRow, ...]
    num_tokens: int  # that every row answers, whatever it says
    threads: int


class PeftResult(Frozen):
    seconds: float  # prefill included
    answers: tuple[tuple[int, ...], ...]  # token ids of each row

    @property
    def tokens_per_second(self) -> float:
        return sum(map(len, self.answers)) / self.seconds


def run(job: PeftJob) -> PeftResult:
    import torch

    torch.set_num_threads(job.threads)
    model = _load(job)
    inputs = _inputs(job.rows)
    with torch.inference_mode():
        _generate(model, inputs, WARM_UP)
        start = time.perf_counter()
        generated = _generate(model, inputs, job.num_tokens)
        seconds = time.perf_counter() - start
    answers = generated[:, inputs["input_ids"].shape[1] :].tolist()
    return PeftResult(seconds=seconds, answers=answers)


def _load(job: PeftJob) -> Any:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    model: Any = AutoModelForCausalLM.from_pretrained(job.base, dtype=torch.float32)
    for number, (name, folder) in enumerate(job.adapters.items()):
        if number == 0:
            model = PeftModel.from_pretrained(model, str(folder), adapter_name=name)
        else:
            model.load_adapter(str(folder), name)
    return model.eval()


def _inputs(rows: tuple[PeftRow, ...]) -> dict[str, Any]:
    """Prompts of different lengths, padded on the left."""
    import torch

    longest = max(len(row.prompt_ids) for row in rows)
    gaps = [longest - len(row.prompt_ids) for row in rows]
    ids = [[0] * gap + list(row.prompt_ids) for gap, row in zip(gaps, rows, strict=True)]
    mask = [[0] * gap + [1] * (longest - gap) for gap in gaps]
    return {
        "input_ids": torch.tensor(ids),
        "attention_mask": torch.tensor(mask),
        "adapter_names": [row.adapter or "__base__" for row in rows],
    }


def _generate(model: Any, inputs: dict[str, Any], num_tokens: int) -> Any:
    return model.generate(
        **inputs, do_sample=False, min_new_tokens=num_tokens, max_new_tokens=num_tokens
    )


if __name__ == "__main__":
    result = run(PeftJob.model_validate_json(sys.stdin.read()))
    sys.stdout.write(result.model_dump_json())
