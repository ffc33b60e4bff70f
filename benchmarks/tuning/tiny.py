"""A tiny base of random weights and a few rows, which train in a second: for rehearsals."""

from pathlib import Path
from typing import Any

from benchmarks.random_base import TINY, make_random_base

from .samples import Sample

BYTES = 256
TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] "
    "+ '<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}"
    "{{ '<|im_start|>assistant\n' }}{% endif %}"
)
SPECIAL = ("<|im_start|>", "<|im_end|>")
NUM_CONVERSATIONS = 12
SIZES = TINY | {"vocab_size": BYTES + len(SPECIAL), "max_position_embeddings": 2048}


def make_tiny_base(folder: Path, spread: float = 0.02) -> Path:
    """Make a base with a tokenizer of bytes; `spread` is the standard deviation of its weights."""
    base = make_random_base(folder, SIZES | {"initializer_range": spread}, "cpu")
    byte_tokenizer().save_pretrained(base)
    return base


def byte_tokenizer() -> Any:
    """One token a byte, and ChatML."""
    from transformers import PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=_bytes(), eos_token=SPECIAL[1], pad_token=SPECIAL[1]
    )
    tokenizer.chat_template = TEMPLATE
    return tokenizer


def first_conversations(sample: Sample, folder: Path) -> Sample:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / sample.path.name
    conversations = sample.path.read_text(encoding="utf-8").split("\n\n")
    path.write_text("\n\n".join(conversations[:NUM_CONVERSATIONS]), encoding="utf-8")
    return Sample(sample.name, path)


def _bytes() -> Any:
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {letter: number for number, letter in enumerate(alphabet)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in SPECIAL])
    return tokenizer
