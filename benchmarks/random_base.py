"""A base of random weights: it answers nonsense, at the speed of a trained one of its shape."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

LLAMA_2_7B: dict[str, int] = {
    "vocab_size": 32000,
    "hidden_size": 4096,
    "intermediate_size": 11008,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 32,
    "max_position_embeddings": 4096,
}
TINY: dict[str, int] = {
    "vocab_size": 64,
    "hidden_size": 64,  # bitsandbytes on a CPU wants no less
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
}
SEED = 7


def make_random_base(folder: Path, sizes: Mapping[str, float], device: str) -> Path:
    """Write a Hugging Face folder without a tokenizer, in bfloat16; one that is there is kept."""
    import torch
    from transformers import AutoConfig, LlamaForCausalLM
    from transformers.utils import logging as transformers_logging

    if (folder / "config.json").is_file():
        return folder
    transformers_logging.disable_progress_bar()
    config: Any = AutoConfig.for_model("llama", **sizes, tie_word_embeddings=False)
    torch.manual_seed(SEED)
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        with torch.device(device):
            model: Any = LlamaForCausalLM(config)
    finally:
        torch.set_default_dtype(default)
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    model.save_pretrained(unfinished)
    return unfinished.rename(folder)
