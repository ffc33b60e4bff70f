"""The shape of a decoder of the LLaMA family, read from a Hugging Face folder."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finetune.bases.engines import other_engines
from finetune.bases.projections import projection_sizes
from serving.errors import EngineUnsupported

# Projections that share their input are computed together.
GROUPS = (
    ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    ("self_attn.o_proj",),
    ("mlp.gate_proj", "mlp.up_proj"),
    ("mlp.down_proj",),
)
QKV, OUTPUT, GATE_UP, DOWN = range(4)


@dataclass(frozen=True, slots=True)
class Architecture:
    """Sizes; the families' biases and norms are seen in the weights themselves."""

    config: Any  # transformers' own
    num_layers: int
    hidden_size: int
    intermediate_size: int
    num_heads: int
    num_kv_heads: int
    head_dim: int
    vocab_size: int
    norm_eps: float
    context_length: int  # [tokens]
    tied_embeddings: bool
    windows: tuple[int | None, ...]  # [tokens] that each layer attends to; None: all

    @property
    def projections(self) -> dict[str, tuple[int, int]]:
        """Each linear layer's name with its (out, in) features."""
        return projection_sizes(self)

    @property
    def num_parameters(self) -> int:
        """All but biases and norms."""
        layer = sum(rows * columns for rows, columns in self.projections.values())
        tables = 1 if self.tied_embeddings else 2
        return self.num_layers * layer + tables * self.vocab_size * self.hidden_size


def read_architecture(folder: Path) -> Architecture:
    """Raises EngineUnsupported for a base that this decoder would compute wrongly."""
    from transformers import AutoConfig

    config: Any = AutoConfig.from_pretrained(folder)
    if problem := other_engines(config):
        raise EngineUnsupported(problem)
    return Architecture(
        config=config,
        num_layers=config.num_hidden_layers,
        hidden_size=config.hidden_size,
        intermediate_size=config.intermediate_size,
        num_heads=config.num_attention_heads,
        num_kv_heads=config.num_key_value_heads,
        head_dim=getattr(config, "head_dim", None)
        or config.hidden_size // config.num_attention_heads,
        vocab_size=config.vocab_size,
        norm_eps=config.rms_norm_eps,
        context_length=config.max_position_embeddings,
        tied_embeddings=config.tie_word_embeddings,
        windows=_windows(config),
    )


def _windows(config: Any) -> tuple[int | None, ...]:
    """Mistral's window holds for every layer; qwen's configuration says which layers have one."""
    window = getattr(config, "sliding_window", None)
    if window is None or window >= config.max_position_embeddings:
        return (None,) * config.num_hidden_layers
    kinds = getattr(config, "layer_types", None) or ["sliding_attention"] * config.num_hidden_layers
    return tuple(window if kind == "sliding_attention" else None for kind in kinds)
