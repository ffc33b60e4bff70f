"""Whether two names can mean one base model: words alone, no model is looked at.

An adapter that was made elsewhere says what it was trained on by a name. The rules:

- Of a path or a hub id the last part counts, and not whose it is: mirrors keep a model's name. In
  a hub's cache (`models--owner--name/snapshots/…`) that part is the repository's.
- Case and separators do not count, except between digits: `Qwen2.5-1.5B` is `qwen2_5-1___5b`,
  and not `Qwen2.5-15B`.
- Nor does what a name ends in to say how the weights are stored (`-bnb-4bit`, `-GPTQ-Int4`,
  `.Q4_K_M.gguf`, `-fp16`) or for which library (`-hf`, `-ms`, `-mlx`), nor `Meta-` before `Llama`.
- All else counts: version, size, `chat`, `Instruct`, `it`, `Base`, the name of a fine-tune.
- `OURS` and `MIRRORS` are other names of the same weights.
- What names no certain model can be any: nothing, a hash, a path or a word without a size
  (`./base`, `run/checkpoint-500`, `/models/llama`).
"""

import re
from collections.abc import Iterable

from finetune.defaults import DEFAULT_BASE

OURS = {DEFAULT_BASE: "HuggingFaceTB/SmolLM2-135M-Instruct"}  # by exactly these names
MIRRORS = {  # in lower case, without how they are stored
    "unsloth/mistral-7b": "mistralai/Mistral-7B-v0.1",
    "unsloth/solar-10.7b": "upstage/SOLAR-10.7B-v1.0",
    "unsloth/tinyllama": "TinyLlama/TinyLlama-1.1B-intermediate-step-1431k-3T",
    "unsloth/tinyllama-chat": "TinyLlama/TinyLlama-1.1B-Chat-v1.0",
    "unsloth/zephyr-sft": "HuggingFaceH4/mistral-7b-sft-beta",
}
STORED = re.compile(
    r"[-_. ]+("
    r"unsloth|dynamic|block|ud|i1|"
    r"bnb|nf4|gguf|ggml|gptq(model)?|awq|hqq|exl[23]|aqlm|marlin|quant(ized)?|w\d+a\d+|\d+g|"
    r"[1-8][-_ ]?bits?|i?q[1-8](_[0-9a-z]+)*|(int|fp|f|bf)(4|8|16|32)|"
    r"hf|ms|mlx|onnx|safetensors|"
    r"[0-9a-f]{12}"  # of the folder that a GGUF base is converted into here
    r")$"
)
META = re.compile(r"^meta[-_ ]+(?=llama)")
SIZE = re.compile(r"(?<![^\W_])(\d+x)?\d+([._]\d+)?[bm](?![^\W_])")
HUB_ID = re.compile(r"(\w[\w.-]*)/(\w[\w.-]*)")
CACHED = "models--"  # how a repository's folder begins in a hub's cache
FOLDER = re.compile(  # what a folder is called, and no hub's account or model
    r"(base|checkpoint|model|output|result|run|save|weight)s?|(base|pretrained)[-_]?models?|"
    r"checkpoint-\d+|final|merged|main|llms?|cache|content|data|home|mnt|root|tmp|workspace"
)


def can_be_same(named: str | None, known: Iterable[str]) -> bool:
    """Whether `named` can mean the base that has all the `known` names."""
    known = tuple(known)
    if not named or named in known or not _is_certain(named):
        return True
    certain = [name for name in known if _is_certain(name)]
    return not certain or any(is_same(named, name) for name in certain)


def is_same(one: str, other: str) -> bool:
    """Whether two names that each name a certain model name the same."""
    return _what_counts(one) == _what_counts(other)


def _is_certain(name: str) -> bool:
    if name in OURS or CACHED in name:
        return True
    hub_id = HUB_ID.fullmatch(name.strip().lower())
    if hub_id and not FOLDER.fullmatch(hub_id[1]):
        return FOLDER.fullmatch(hub_id[2]) is None
    return SIZE.search(_last_part(name).lower()) is not None


def _what_counts(name: str) -> str:
    name = OURS.get(name, name)
    name = MIRRORS.get(_without_storage(name.strip().lower()), name)
    plain = META.sub("", _without_storage(_last_part(name).lower()))
    words = re.findall(r"[^\W_]+", plain)
    return re.sub(r"(?<=\d)\|(?=\d)", ".", "|".join(words)).replace("|", "")


def _without_storage(name: str) -> str:
    while (shorter := STORED.sub("", name)) != name:
        name = shorter
    return name


def _last_part(name: str) -> str:
    parts = [part for part in re.split(r"[/\\]+", name.strip()) if part.strip(".")]
    repository = next((part for part in parts if part.startswith(CACHED)), None)
    if repository:
        return repository.rpartition("--")[2]
    return parts[-1] if parts else ""
