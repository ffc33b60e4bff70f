"""The sizes of a decoder of the LLaMA family, and how many parameters follow from them."""

from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from .projections import projection_sizes

Family = Literal["llama", "mistral", "qwen2", "qwen3"]
FAMILIES: tuple[Family, ...] = get_args(Family)
BIASED = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")  # in qwen2


class Shape(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    family: Family
    num_layers: int = Field(gt=0)
    hidden_size: int = Field(gt=0)
    intermediate_size: int = Field(gt=0)
    num_heads: int = Field(gt=0)
    num_kv_heads: int = Field(gt=0)
    head_dim: int = Field(gt=0)
    vocab_size: int = Field(gt=0)
    is_tied: bool  # whether the product with the vocabulary is the embedding itself

    @classmethod
    def of_config(cls, config: dict[str, Any]) -> "Shape | None":
        """The shape of a Hugging Face `config.json`; None for another family."""
        kind = config.get("model_type")
        family: Family | None = next((each for each in FAMILIES if each == kind), None)
        if family is None:
            return None
        heads, hidden = config["num_attention_heads"], config["hidden_size"]
        return cls(
            family=family,
            num_layers=config["num_hidden_layers"],
            hidden_size=hidden,
            intermediate_size=config["intermediate_size"],
            num_heads=heads,
            num_kv_heads=config.get("num_key_value_heads") or heads,
            head_dim=config.get("head_dim") or hidden // heads,
            vocab_size=config["vocab_size"],
            is_tied=bool(config.get("tie_word_embeddings")),
        )

    @property
    def projections(self) -> dict[str, tuple[int, int]]:
        """Each linear layer's name in its layer with its (out, in) features."""
        return projection_sizes(self)

    @property
    def num_projected(self) -> int:
        """Weights of all layers' projections: what is quantized."""
        return self.num_layers * sum(rows * columns for rows, columns in self.projections.values())

    @property
    def table_size(self) -> int:
        """Weights of the embedding, and as many of the product with the vocabulary."""
        return self.vocab_size * self.hidden_size

    @property
    def num_tables(self) -> int:
        return 1 if self.is_tied else 2

    @property
    def num_parameters(self) -> int:
        """All of them: norms and biases, too."""
        layer = 2 * self.hidden_size  # its two norms
        if self.family == "qwen2":
            layer += sum(self.projections[name][0] for name in BIASED)
        if self.family == "qwen3":
            layer += 2 * self.head_dim  # norms of queries and of keys
        tables = self.num_tables * self.table_size
        return self.num_projected + self.num_layers * layer + self.hidden_size + tables
