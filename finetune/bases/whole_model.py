"""A checkpoint as a transformers model, whole or not at all."""

from pathlib import Path
from typing import Any

from data.wording import _
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
        told = _(
            "{path} lacks or misshapes {count} of the model's weights, {one} among them. Download "
            "it again."
        )
        path = folder / options.get("gguf_file", "")
        raise BaseUnusable(told.format(path=path, count=len(unfit), one=unfit[0]))
    return model
