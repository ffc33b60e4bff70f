"""The decoder's logits against transformers and PEFT: every position, every family, in float32.

The largest difference seen is 1.8e-5.
"""

from pathlib import Path
from typing import Any

import pytest
import torch

from serving.engine import Blend
from tests.serving.engines import alone, make_ref
from tests.serving.forcing import Forcing, Text
from tests.serving.peft_reference import logits_of, peft_model

TOLERANCE = 5e-5  # of a logit
LENGTHS = (61, 48, 33, 23)  # [tokens]; windows are 20, blocks 16
# How the texts are computed: whole, in chunks, or a prompt and then token by token.
STEPS = {"whole": [61], "chunks": [5] * 13, "decoding": [7] + [1] * 54}
FAMILIES = [
    "llama",
    "llama3",
    "llama-linear",
    "llama-yarn",
    "llama-biased",
    "mistral",
    "mistral-window",
    "qwen2",
    "qwen2-window",
    "qwen3",
]


def random_texts(blends: list[Blend]) -> list[Text]:
    generator = torch.Generator().manual_seed(3)
    return [
        Text(tuple(torch.randint(4, 300, (length,), generator=generator).tolist()), blend)
        for length, blend in zip(LENGTHS, blends, strict=True)
    ]


def differences(base: Path, texts: list[Text]) -> dict[str, float]:
    """The largest difference from the reference's logits, for each way to compute them."""
    expected = torch.cat(
        [logits_of(peft_model(base, text.blend), text.token_ids) for text in texts]
    )
    forcing = Forcing(base)
    return {
        name: float((torch.cat(forcing.logits(texts, counts)) - expected).abs().max())
        for name, counts in STEPS.items()
    }


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("family", FAMILIES)
def test_logits_are_those_of_transformers_and_peft(
    family: str, tied: bool, make_base: Any, make_adapter: Any, tmp_path: Path
):
    base = make_base(family, tied=tied)
    a = make_ref(make_adapter(base, tmp_path / "a", seed=1), "a")
    b = make_ref(make_adapter(base, tmp_path / "b", seed=2, r=6, use_rslora=True), "b")
    texts = random_texts([(), alone(a), alone(b), ((a, 0.7), (b, 0.3))])
    found = differences(base, texts)
    assert max(found.values()) < TOLERANCE, found


def test_mixed_ranks_and_modules_are_those_of_peft(
    make_base: Any, make_adapter: Any, tmp_path: Path
):
    base = make_base("qwen2")
    small = make_ref(make_adapter(base, tmp_path / "4", seed=1), "small")
    two_granules = make_ref(
        make_adapter(base, tmp_path / "24", seed=2, r=24, target_modules=["q_proj", "v_proj"]), "q"
    )
    four_granules = make_ref(
        make_adapter(base, tmp_path / "64", seed=3, r=64, target_modules=["down_proj", "up_proj"]),
        "mlp",
    )
    mixed = make_ref(
        make_adapter(
            base,
            tmp_path / "mixed",
            seed=4,
            rank_pattern={"layers.0.self_attn.k_proj": 20, "down_proj": 1},
            alpha_pattern={"layers.1.self_attn.k_proj": 3, "o_proj": 32},
        ),
        "mixed",
    )
    texts = random_texts(
        [
            ((small, 1.0), (two_granules, 1.0), (four_granules, 1.0), (mixed, 1.0)),
            alone(mixed),
            ((two_granules, -0.5), (four_granules, 1.5)),
            alone(four_granules),
        ]
    )
    found = differences(base, texts)
    assert max(found.values()) < TOLERANCE, found


@pytest.mark.parametrize(
    ("family", "plain"),
    [
        ("llama3", "llama"),
        ("llama-linear", "llama"),
        ("llama-yarn", "llama"),
        ("mistral-window", "mistral"),
        ("qwen2-window", "qwen2"),
    ],
)
def test_scalings_and_windows_decide_these_logits(family: str, plain: str, make_base: Any):
    """The weights are the same: what is proven above is not proven of nothing."""
    texts = random_texts([(), (), (), ()])
    own, other = (
        Forcing(make_base(name)).logits(texts, STEPS["whole"]) for name in (family, plain)
    )
    assert float((own[0] - other[0]).abs().max()) > 1.0
