"""Where the tools' defaults end: the loss of rows that none has seen, by one measure for all."""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from .held_out import HeldOutJob, Precision
from .samples import Prepared, Sample
from .sitting import Measured, Part, RunKey, Sitting
from .task import Kept, Recipe, Task
from .tools import FACTORY, OURS, PEFT, TRL, Tool, Trained, held_out, train

BASE = "the base alone"
DEFAULTS, USUAL = "its defaults", "the usual recipe"
LORA_RATE, QLORA_EXAMPLE = "the rate of its LoRA example", "its QLoRA example"
LOSS, TRAINING_LOSS, SECONDS = "loss_fp32", "loss_nf4", "seconds"
# What tutorials of PEFT take.
USUAL_RECIPE = Recipe(
    rank=16,
    alpha=32,
    dropout=0.05,
    all_linear=True,
    double_quantization=True,
    checkpointing=False,
    learning_rate=2e-4,
    schedule="linear",
    epochs=3,
    micro_batch=8,
    accumulation=1,
)
# examples/train_qlora/qwen3_lora_sft_otfq.yaml of LLaMA-Factory's repository.
FACTORY_EXAMPLE = Recipe(
    rank=8,
    all_linear=True,
    compute="bf16",
    learning_rate=1e-4,
    schedule="cosine",
    warmup_ratio=0.1,
    epochs=3,
    micro_batch=1,
    accumulation=8,
)
# The example of TRL's trl/scripts/sft.py trains one epoch with rank 32; its defaults, three.
RECIPES = {
    OURS: {DEFAULTS: Recipe()},
    PEFT: {USUAL: USUAL_RECIPE},
    TRL: {DEFAULTS: Recipe(), LORA_RATE: Recipe(learning_rate=2e-4)},
    FACTORY: {DEFAULTS: Recipe(), QLORA_EXAMPLE: FACTORY_EXAMPLE},
}


@dataclass(frozen=True, slots=True)
class QualityRun:
    sitting: Sitting
    part: Part
    tool: Tool
    setting: str
    recipe: Recipe
    sample: Sample
    number: int
    seed: int

    @property
    def key(self) -> RunKey:
        return RunKey(
            part=self.part, tool=self.tool.name, setting=self.setting, sample=self.sample.name
        )

    def conduct(self) -> None:
        self.sitting.conduct(self.key, self.number, self._measure)

    def _measure(self) -> Measured:
        out = self.sitting.folder(self.key, self.number)
        shutil.rmtree(out, ignore_errors=True)
        prepared = self.sitting.prepare(self.sample, self.seed)
        trained = train(self.tool, self._task(prepared, out))
        measured = self._judge(trained)
        shutil.rmtree(out)
        return measured

    def _task(self, prepared: Prepared, out: Path) -> Task:
        return Task(
            base=self.sitting.base.folder,
            data=self.sample.path,
            rows=prepared.rows,
            out=out,
            seed=self.seed,
            recipe=self.recipe,
            max_steps=None if self.tool.name == OURS else self.sitting.max_steps,
            keeps_adapters=True,
        )

    def _judge(self, trained: Trained) -> Measured:
        """Every adapter in 4 bits, as all have trained; the last one in full precision as well."""
        kept = trained.outcome.kept
        adapters = [each.adapter for each in kept if each.adapter]
        wanted: list[tuple[Path | None, Precision]] = [(each, "nf4") for each in adapters]
        job = HeldOutJob(
            base=self.sitting.base.folder,
            data=self.sample.path,
            seed=self.seed,
            measured=((adapters[-1], "fp32"), *wanted),
        )
        last, *in_4_bits = held_out(job).losses
        found = {adapter: loss.per_token for adapter, loss in zip(adapters, in_4_bits, strict=True)}
        figures = {
            LOSS: last.per_token,
            TRAINING_LOSS: found[adapters[-1]],
            SECONDS: trained.outcome.step_ends[-1],
        }
        details = {
            **trained.outcome.facts,
            "held_out": last.model_dump(),
            "curve": [(each.step, each.seconds, _loss(each, found)) for each in kept],
            "num_steps": len(trained.outcome.step_ends),
            "seed": self.seed,
        }
        return Measured({**figures}, details)


def _loss(kept: Kept, found: dict[Path, float]) -> float | None:
    """Ours tells it as it goes: the same measure, and its adapters of then are gone."""
    return found[kept.adapter] if kept.adapter else kept.loss


def measure_quality(sitting: Sitting, seeds: Sequence[int]) -> None:
    for number, seed in enumerate(seeds):
        for sample in sitting.samples:
            _measure_base(sitting, sample, number, seed)
            for tool, setting, recipe in _recipes(sitting):
                QualityRun(
                    sitting, "quality", tool, setting, recipe, sample, number, seed
                ).conduct()


def _recipes(sitting: Sitting) -> Iterator[tuple[Tool, str, Recipe]]:
    for tool in sitting.tools:
        for setting, recipe in RECIPES[tool.name].items():
            if setting == USUAL:  # PEFT has no defaults of what to compute in
                yield tool, setting, replace(recipe, compute=sitting.compute)
            else:
                yield tool, setting, replace(recipe, epochs=1) if sitting.max_steps else recipe


def _measure_base(sitting: Sitting, sample: Sample, number: int, seed: int) -> None:
    def measure() -> Measured:
        job = HeldOutJob(
            base=sitting.base.folder,
            data=sample.path,
            seed=seed,
            measured=((None, "fp32"), (None, "nf4")),
        )
        full, in_4_bits = held_out(job).losses
        return Measured({LOSS: full.per_token, TRAINING_LOSS: in_4_bits.per_token}, {})

    key = RunKey(part="quality", tool=BASE, setting="", sample=sample.name)
    sitting.conduct(key, number, measure)
