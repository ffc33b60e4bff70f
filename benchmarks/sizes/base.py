"""A base of random weights, written a layer at a time: it is never in memory as a whole."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.random_base import SEED
from benchmarks.tuning.tiny import TEMPLATE, byte_tokenizer
from finetune.bases.base import find_base
from finetune.bases.projections import projection_sizes
from finetune.bases.shape import Shape
from finetune.defaults import DEFAULT_BASE

SPREAD = 0.02  # the standard deviation of weights, as before a training: activations stay sane
SMALLEST = 1000  # [tokens] of a vocabulary that is more than bytes

Tensors = dict[str, Any]


def make_sized_base(folder: Path, sizes: Mapping[str, int], home: Path) -> Path:
    """Write a Hugging Face folder in bfloat16, with a tokenizer; one that is there is kept."""
    from safetensors.torch import save_file
    from transformers import AutoConfig

    if (folder / "config.json").is_file():
        return folder
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    unfinished.mkdir(parents=True, exist_ok=True)
    tokenizer(sizes["vocab_size"], home).save_pretrained(unfinished)
    config: Any = AutoConfig.for_model("llama", **sizes, tie_word_embeddings=False)
    shape = Shape.of_config(config.to_dict())
    assert shape is not None
    places: dict[str, str] = {}
    for number, tensors in enumerate(_shards(shape)):
        name = f"model-{number + 1:05}-of-{shape.num_layers + 2:05}.safetensors"
        save_file(tensors, unfinished / name, metadata={"format": "pt"})
        places |= dict.fromkeys(tensors, name)
    index = {"metadata": {"total_size": 2 * shape.num_parameters}, "weight_map": places}
    text = json.dumps(index, indent=1)
    (unfinished / "model.safetensors.index.json").write_text(text, encoding="utf-8")
    config.dtype = "bfloat16"
    config.architectures = ["LlamaForCausalLM"]
    config.save_pretrained(unfinished)
    return unfinished.rename(folder)


def tokenizer(vocab_size: int, home: Path) -> Any:
    """The default base's, without the tokens that it learned last; of bytes, where few are
    wanted."""
    from transformers import PreTrainedTokenizerFast

    if vocab_size < SMALLEST:
        return byte_tokenizer()
    whole = json.loads(find_base(DEFAULT_BASE, home).tokenizer.backend_tokenizer.to_str())
    vocabulary = {token: at for token, at in whole["model"]["vocab"].items() if at < vocab_size}
    whole["model"]["vocab"] = vocabulary
    whole["model"]["merges"] = [
        pair for pair in whole["model"]["merges"] if "".join(pair) in vocabulary
    ]
    from tokenizers import Tokenizer

    shortened = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(whole)),
        eos_token="<|im_end|>",
        pad_token="<|im_end|>",
    )
    shortened.chat_template = TEMPLATE
    return shortened


def _shards(shape: Shape) -> Iterator[Tensors]:
    import torch

    draw = torch.Generator().manual_seed(SEED)

    def matrix(rows: int, columns: int) -> Any:
        values = torch.empty(rows, columns, dtype=torch.bfloat16)
        return values.normal_(0, SPREAD, generator=draw)

    def norm() -> Any:
        return torch.ones(shape.hidden_size, dtype=torch.bfloat16)

    table = shape.vocab_size, shape.hidden_size
    yield {"model.embed_tokens.weight": matrix(*table)}
    for number in range(shape.num_layers):
        prefix = f"model.layers.{number}."
        yield {
            **{
                f"{prefix}{name}.weight": matrix(*size)
                for name, size in projection_sizes(shape).items()
            },
            f"{prefix}input_layernorm.weight": norm(),
            f"{prefix}post_attention_layernorm.weight": norm(),
        }
    yield {"model.norm.weight": norm(), "lm_head.weight": matrix(*table)}
