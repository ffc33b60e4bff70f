"""What the tokenizers and the templates of published models are known to do."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import AddedToken

from data.conversation import Message

FOLDER = Path(__file__).parent / "templates"


def eats_space(content: str) -> AddedToken:
    """As Phi-3's special tokens do, it swallows the white space that follows it."""
    return AddedToken(content, special=True, rstrip=True, normalized=False)


@dataclass(frozen=True, slots=True)
class Kind:
    special: tuple[str | AddedToken, ...]  # the BOS comes first
    eos: str
    end: str  # what closes an answer, and is trained with it
    before: str = ""  # what the template writes before an answer but not into the prompt
    trims: bool = False  # it strips what is said
    folds: bool = False  # it cannot be given a system message, or loses or moves it
    bos: str = "once"  # or "never", or "every question": before each one, after an EOS

    @property
    def names(self) -> tuple[str, ...]:
        """Of its special tokens, as texts."""
        return tuple(each if isinstance(each, str) else each.content for each in self.special)


CHATML = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
LLAMA = ("<s>", "</s>")
HEADERS = ("<|start_header_id|>", "<|end_header_id|>")
LLAMA3 = ("<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>", *HEADERS)
ROLES = tuple(map(eats_space, ("<|end|>", "<|system|>", "<|user|>", "<|assistant|>")))
PHI3 = ("<s>", "<|endoftext|>", *ROLES)
DEEPSEEK_END = "<｜end▁of▁sentence｜>"
DEEPSEEK = ("<｜begin▁of▁sentence｜>", DEEPSEEK_END, "<｜User｜>", "<｜Assistant｜>")
GEMMA = ("<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>")
KINDS = {
    "chatml": Kind(CHATML, "<|im_end|>", "<|im_end|>", bos="never"),
    "llama-2-chat": Kind(LLAMA, "</s>", " </s>", before=" ", trims=True, bos="every question"),
    "llama-3-instruct": Kind(LLAMA3, "<|end_of_text|>", "<|eot_id|>", trims=True),
    "llama-3.1-instruct": Kind(LLAMA3, "<|eot_id|>", "<|eot_id|>", trims=True),
    "mistral-instruct-v0.2": Kind(LLAMA, "</s>", "</s>", folds=True),
    "mistral-instruct-v0.3": Kind(
        (*LLAMA, "[INST]", "[/INST]"), "</s>", "</s>", before=" ", trims=True, folds=True
    ),
    "zephyr": Kind(LLAMA, "</s>", "</s>", bos="never"),
    "gemma-it": Kind(GEMMA, "<eos>", "<end_of_turn>", trims=True, folds=True),
    "qwen2.5-instruct": Kind(CHATML, "<|im_end|>", "<|im_end|>", bos="never"),
    "phi-3-instruct": Kind(PHI3, "<|endoftext|>", "<|end|>", bos="never"),
    "phi-3-instruct-first": Kind(PHI3, "<|endoftext|>", "<|end|>", folds=True),
    "deepseek-v2-chat": Kind(DEEPSEEK[:2], DEEPSEEK_END, DEEPSEEK_END, before=" "),
    "deepseek-v2.5": Kind(DEEPSEEK, DEEPSEEK_END, DEEPSEEK_END),
    "deepseek-r1-distill": Kind((*DEEPSEEK, "<think>"), DEEPSEEK_END, DEEPSEEK_END),
}
TRAINABLE = [name for name in KINDS if name != "deepseek-r1-distill"]


def template_of(name: str) -> str:
    return (FOLDER / f"{name}.jinja").read_text(encoding="utf-8")


def as_given(name: str, messages: Sequence[Message]) -> list[dict[str, str]]:
    """The messages that the template itself is given."""
    said = [{"role": m.role, "content": m.content} for m in messages]
    if KINDS[name].folds and said[0]["role"] == "system":
        said[1]["content"] = f"{said[0]['content']}\n\n{said[1]['content']}"
        return said[1:]
    return said


def sentencepiece_like(template: str, special: Sequence[str], eos: str, *, legacy: bool) -> Any:
    """As Llama-2's tokenizer: a space before the text, bytes for what it has no token for.

    A legacy one has a space behind each special token too.
    """
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    merges = [("▁", "<"), ("<", "/"), ("s", ">"), ("<", "|"), ("|", ">"), ("▁", "a"), ("i", "m")]
    letters = sorted({chr(code) for code in range(33, 127)} | set("▁失眠。，"))
    tokens = ["<unk>", *letters, *("".join(pair) for pair in merges)]
    tokens += [f"<0x{byte:02X}>" for byte in range(256)]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    inner = Tokenizer(
        models.BPE(vocabulary, merges, byte_fallback=True, fuse_unk=True, unk_token="<unk>")
    )
    if legacy:
        steps = [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
        inner.normalizer = normalizers.Sequence(steps)
    else:
        inner.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    inner.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        unk_token="<unk>",
        bos_token=special[0],
        eos_token=eos,
        additional_special_tokens=list(special),
        chat_template=template,
    )
