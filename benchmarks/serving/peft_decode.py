"""How fast PEFT decodes the same batch: `generate` with an adapter named for every row."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from finetune.bases.base import Base, load_model

from .decode import Lengths, Place


class PeftDecoder:
    """The base and all adapters, the adapters in the base's own 16 bits."""

    def __init__(self, place: Place, adapters: Mapping[str, Path], lengths: Lengths) -> None:
        import torch
        from peft import PeftModel

        self._place = place
        self._lengths = lengths
        self._names = list(adapters)
        base: Any = load_model(Base(place.folder.name, place.folder), place.precision, place.device)
        self._vocab_size: int = base.config.vocab_size
        model: Any = base
        for name, folder in adapters.items():
            if model is base:
                model = PeftModel.from_pretrained(base, str(folder), adapter_name=name)
            else:
                model.load_adapter(str(folder), name, torch_device=place.device)
        if place.device == "cuda":
            for name, parameter in model.named_parameters():
                if "lora_" in name:
                    parameter.data = parameter.data.to(torch.bfloat16)
        self._model = model.eval()

    def tokens_per_second(self, num_adapters: int, num_rows: int) -> float:
        """What one token takes, subtracted from what one and `steps` more take."""
        self._seconds(num_adapters, num_rows, 1 + self._lengths.warm_up)
        steps = self._lengths.steps
        prefill = self._seconds(num_adapters, num_rows, 1)
        whole = self._seconds(num_adapters, num_rows, 1 + steps)
        return num_rows * steps / max(whole - prefill, 1e-9)

    def _seconds(self, num_adapters: int, num_rows: int, num_tokens: int) -> float:
        import torch

        prompts = self._lengths.prompts(num_rows, self._vocab_size)
        ids = torch.tensor(prompts, device=self._place.device)
        with torch.inference_mode():
            self._place.finish()
            begin = time.perf_counter()
            self._model.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                adapter_names=[self._names[row % num_adapters] for row in range(num_rows)],
                do_sample=False,
                use_cache=True,
                min_new_tokens=num_tokens,
                max_new_tokens=num_tokens,
            )
            self._place.finish()
            return time.perf_counter() - begin
