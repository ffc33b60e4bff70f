"""A checkpoint as a transformers model, whole or not at all."""

from pathlib import Path
from typing import Any

from finetune.errors import BaseUnusable


def load_whole(folder: Path, **options: Any) -> Any:
    """Refuse a checkpoint that lacks weights: transformers fills them with random numbers."""
    from transformers import AutoModelForCausalLM

    loaded: Any = AutoModelForCausalLM.from_pretrained(
        folder, output_loading_info=True, ignore_mismatched_sizes=True, **options
    )
    model, loading = loaded
    misshaped = [name for name, *_ in loading["mismatched_keys"]]
    if unfit := sorted({*loading["missing_keys"], *misshaped}):
        raise BaseUnusable(
            f"{folder / options.get('gguf_file', '')} lacks or misshapes {len(unfit)} of the "
            f"model's weights, {unfit[0]} among them. Download it again."
        )
    return model
