"""docs/bases.md lists what the catalogue holds, with sizes by the same formulas."""

from pathlib import Path

from finetune.bases.catalogue import KnownBase, read_catalogue
from finetune.bases.spelling import MUCH
from finetune.cost import Conditions, RunCost
from finetune.hardware import Precision
from finetune.training.config import TrainConfig
from serving.torch.cost import serving_bytes
from serving.torch.forms.build import TorchEngineConfig

PAGE = (Path(__file__).parents[1] / "docs" / "bases.md").read_text(encoding="utf-8")
GIB = 1 << 30
CONDITIONS = (  # a GPU with 24 GB, a CPU with 32
    Conditions("cuda", "bf16", 24 * 10**9),
    Conditions("cpu", "fp32", 32 * 10**9),
)
SERVED: tuple[tuple[Precision, str], ...] = (
    ("nf4", "cuda"),
    ("bf16", "cuda"),
    ("int8", "cpu"),
    ("int4", "cpu"),
)
CONTEXT = 4096
DEFAULTS = TrainConfig.model_validate({})


def row(base: KnownBase) -> str:
    training = (RunCost(base.shape, DEFAULTS, each).run_bytes for each in CONDITIONS)
    serving = (
        serving_bytes(
            base.shape,
            base.context_length,
            precision,
            TorchEngineConfig(device=device, context_length=CONTEXT),
        )
        for precision, device in SERVED
    )
    sizes = " | ".join(f"{size / GIB:.1f}" for size in (*training, *serving))
    licence = base.licence + (", gated" if base.is_gated else "")
    chinese = "yes" if base.speaks_chinese else "no"
    return f"| {base.spec} | {base.stated} | {licence} | {chinese} | {sizes} |"


def test_the_page_has_a_row_for_each_base():
    table = PAGE.partition("| base |")[2].partition("\n\n")[0]
    assert table.splitlines()[2:] == [row(base) for base in read_catalogue().bases]


def test_the_page_says_what_tokenizers_spend_and_what_is_much():
    for value in read_catalogue().spelling.values():
        assert value is None or f"| {value:.2f} |" in PAGE
    assert f"warn from {MUCH} on" in PAGE
