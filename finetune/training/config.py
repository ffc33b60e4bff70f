"""What a training run is told: every option, its default and the names it is also known by."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from data.reading.dialogues.role_words import Part
from data.reading.faulty import Faulty
from data.reading.reader import ReadOptions
from data.wording import N_, _
from data.writing.plain_marks import OnMarks
from finetune.adapters.card import SamplingDefaults
from finetune.defaults import DEFAULT_BASE
from finetune.errors import ConfigError
from finetune.wrong_values import place, sentence

from .config_file import parse_assignments, read_pairs, unknown_key

# The names that lora-scripts and PEFT users know.
ALIASES = {
    "train_data_dir": "data",
    "base_model": "base",
    "pretrained_lora": "from_adapter",
    "lora_rank": "rank",
    "lora_alpha": "alpha",
    "lora_dropout": "dropout",
    "max_length": "max_tokens",
    "save_name": "name",
}


# none: how likely base and adapter find held-out answers; short: and a few answers side by side;
# full: and what was forgotten, and what is known by heart.
Depth = Literal["none", "short", "full"]
# What is learned from: examples alone (sft); then pairs of answers (dpo) or ratings (kto), too.
Method = Literal["auto", "sft", "dpo", "kto"]


class TrainConfig(BaseModel):
    """One training run. None means: chosen by the size of the data or of the model."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    task_type: Literal["text-generation"] = "text-generation"
    data: Path | None = None
    roles: dict[str, Part] = {}  # by name in a dialogue
    columns: dict[str, str] = {}  # what question, answer and others are called in a table
    faulty: Faulty = "stop"  # what becomes of conversations with faults
    validation: Path | None = None  # to hold out; then all of `data` is trained on
    replay: Path | None = None  # older data to mix in, of which old adapters were made
    replay_ratio: float = Field(0.1, ge=0, le=10)  # replayed conversations for each new one
    general_mix: float = Field(0.0, ge=0, le=1)  # everyday conversations for each new one
    redact: bool = False  # replace phone numbers, e-mails and the like
    plain_marks: OnMarks = "refuse"  # in texts, of a template's that are no tokens; or defuse
    base: str = DEFAULT_BASE
    name: str | None = None  # the file's stem
    from_adapter: str | None = None
    output_dir: Path | None = None  # the run folder; under home if None
    promote: bool = True

    method: Method = "auto"  # by how many pairs and ratings there are
    beta: float = Field(0.1, gt=0, le=2)  # how closely preferences keep to what examples taught

    rank: int = Field(16, ge=1, le=512)
    alpha: float | None = Field(None, gt=0)  # 2 × rank
    dropout: float | None = Field(None, ge=0, lt=1)
    target_modules: Literal["all-linear"] | list[str] = "all-linear"
    use_rslora: bool = False
    quantize: Literal["nf4", "int8", "none"] = "nf4"

    learning_rate: float | None = Field(None, gt=0, lt=1)
    learning_rate_multiplier: float = Field(1.0, gt=0, allow_inf_nan=False)  # of what else it is
    epochs: int | None = Field(None, ge=1)
    batch_size: int | None = Field(None, ge=1)  # [conversations] per optimizer step
    micro_batch_tokens: int = Field(1024, ge=16)  # packed into one forward pass
    max_tokens: int = Field(2048, ge=16)  # per conversation; older turns are cut
    max_training_tokens: int | None = Field(None, ge=1)  # over all epochs
    warmup_ratio: float = Field(0.03, ge=0, le=1)
    weight_decay: float = Field(0.0, ge=0)
    max_grad_norm: float = Field(1.0, gt=0)
    prompt_loss_weight: float = Field(0.0, ge=0, le=1)  # of a token that is no answer's
    gradient_checkpointing: bool | None = None  # on a GPU
    seed: int = Field(42, ge=0, lt=2**32)

    holdout: float = Field(0.1, gt=0, le=0.5)
    evals_per_epoch: int = Field(2, ge=1)
    patience: int = Field(3, ge=1)  # evaluations without a better one
    save_steps: int | None = Field(None, ge=1)  # at each evaluation if None
    serve_checkpoints: bool = False  # the best and the newest, as adapters in the run's folder
    report: Depth = "full"  # at the end of the run
    report_samples: int = Field(4, ge=0)  # answers of either side shown in the report
    report_tokens: int | None = Field(None, ge=1)  # of each; by the references' lengths if None

    system: str | None = None
    disclaimer: str | None = None
    sampling: SamplingDefaults = SamplingDefaults()

    @field_validator("target_modules", mode="before")
    @classmethod
    def _all_or_named(cls, value: object) -> object:
        names: list[object] = value if isinstance(value, list) else []
        if value != "all-linear" and not (names and all(isinstance(each, str) for each in names)):
            told = _("should be all-linear, or a list of names such as [q_proj, v_proj]")
            raise ValueError(told)
        return value

    @field_validator("task_type", mode="before")
    @classmethod
    def _text_only(cls, value: object) -> object:
        if isinstance(value, str) and value.startswith("image"):
            raise ValueError(
                _(
                    "lora-chat trains text models only; for images use an image LoRA trainer. "
                    "Write task_type: text-generation, or leave it out"
                )
            )
        return value

    @property
    def reading(self) -> ReadOptions:
        """How its data is read."""
        roles: dict[str, Part] = {name.lower(): role for name, role in self.roles.items()}
        return ReadOptions(roles, self.columns, self.faulty, self.method in ("auto", "kto"))

    def is_checkpointed(self, device: str) -> bool:
        chosen = self.gradient_checkpointing
        return chosen if chosen is not None else device == "cuda"

    def dump(self) -> str:
        """The resolved options as YAML that `load_config` reads back."""
        values = self.model_dump(mode="json", exclude_none=True)
        return yaml.safe_dump(values, allow_unicode=True, sort_keys=False)

    @property
    def effective_alpha(self) -> float:
        return self.alpha if self.alpha is not None else 2.0 * self.rank


Origins = dict[str, str]  # where each key that was set was set


def load_config(
    path: Path | None, options: Mapping[str, object], assignments: Iterable[str] = ()
) -> TrainConfig:
    """What `resolve_config` gives, without the origins."""
    return resolve_config(path, options, assignments)[0]


def resolve_config(
    path: Path | None, options: Mapping[str, object], assignments: Iterable[str] = ()
) -> tuple[TrainConfig, Origins]:
    """Merge a YAML file, `key=value` assignments and options that are not None, later ones first.

    Raises ConfigError with every fault of them together.
    """
    values, faults = _read(path) if path else ({}, [])
    assigned, more = _parse(assignments)
    chosen = {ALIASES.get(k, k): value for k, value in options.items() if value is not None}
    origins = dict.fromkeys(values, path.name if path else "") | dict.fromkeys(assigned, "--set")
    origins |= dict.fromkeys(chosen, N_("option"))
    values = {**values, **assigned, **chosen}
    faults += more
    faults += [_unknown(key) for key in values if key not in TrainConfig.model_fields]
    known = {key: value for key, value in values.items() if key in TrainConfig.model_fields}
    try:
        config = TrainConfig.model_validate(known)
    except ValidationError as error:
        faults += [_describe(item) for item in error.errors()]
        raise ConfigError(_where(path), faults) from None
    if faults:
        raise ConfigError(_where(path), faults)
    return config, origins


def _read(path: Path) -> tuple[dict[str, Any], list[str]]:
    pairs, repeated = read_pairs(path)
    values, faults = _by_one_name(pairs)
    return values, repeated + faults


def _parse(assignments: Iterable[str]) -> tuple[dict[str, Any], list[str]]:
    pairs, faults = parse_assignments(assignments)
    values, more = _by_one_name(pairs)
    return values, faults + more


def _by_one_name(pairs: Iterable[tuple[str, Any]]) -> tuple[dict[str, Any], list[str]]:
    """Every option under its own name, and the faults of those set under two names."""
    values: dict[str, Any] = {}
    names: dict[str, str] = {}
    faults: list[str] = []
    for written, value in pairs:
        key = ALIASES.get(written, written)
        if names.setdefault(key, written) != written:
            told = _("{written}: {key} is set twice, under two of its names")
            faults.append(told.format(written=written, key=key))
        values[key] = value
    return values, faults


def _unknown(key: str) -> str:
    known = [*TrainConfig.model_fields, *ALIASES]
    known += [f"sampling.{name}" for name in SamplingDefaults.model_fields]
    return unknown_key(key, known)


def _describe(item: Any) -> str:
    path = place(item)
    if item["type"] == "extra_forbidden":
        return _unknown(path)
    told = _("{key}: {fault} (found {value!r})")
    return told.format(key=path, fault=sentence(item), value=item["input"])


def _where(path: Path | None) -> str:
    if path is None:
        return _("The options have faults")
    return _("The configuration in {path} has faults").format(path=path)
