"""What TRL's own code makes of a few random logits, as JSON.

    pip install torch trl==1.10.0    in an environment of its own
    PYTHON tests/finetune/preference/trl_values.py > tests/finetune/preference/trl.json

The functions are the trainers' own; what they ask their trainer is answered here.
"""

import json
import sys
from collections import defaultdict
from importlib.metadata import version
from types import SimpleNamespace
from typing import Any

import torch

ROWS, TOKENS, WORDS = 4, 7, 5
STARTS, ENDS = (2, 3, 2, 4), (7, 6, 5, 7)  # of the answers


class Logits:
    """A model that says the same of the same rows, whatever it is asked with."""

    training = True

    def __init__(self, by_ids: list[tuple[Any, Any]]) -> None:
        self._by_ids = by_ids

    def __call__(self, input_ids: Any, **_: Any) -> Any:
        logits = next(own for ids, own in self._by_ids if torch.equal(ids, input_ids))
        return SimpleNamespace(logits=logits)


def trainer(**own: Any) -> Any:
    same = SimpleNamespace(
        device="cpu", gather=lambda value: value, gather_for_metrics=lambda value: value
    )
    common = {
        "model": SimpleNamespace(training=True),
        "accelerator": same,
        "precompute_ref_logps": True,
        "aux_loss_enabled": False,
        "use_liger_kernel": False,
        "_metrics": {"train": defaultdict(list)},
        "_total_train_tokens": 0,
    }
    return SimpleNamespace(**common, **own)


def draw(seed: int) -> tuple[Any, Any, Any]:
    """Ids [rows, tokens], logits [rows, tokens, words], and which tokens are answers'."""
    torch.manual_seed(seed)
    ids = torch.randint(WORDS, (ROWS, TOKENS))
    logits = torch.randn(ROWS, TOKENS, WORDS, dtype=torch.float64).requires_grad_()
    places = torch.arange(TOKENS)
    pairs = zip(STARTS, ENDS, strict=True)
    mask = torch.stack([(places >= start) & (places < end) for start, end in pairs]).long()
    return ids, logits, mask


def dpo(seed: int, loss_types: list[str], beta: float) -> dict[str, Any]:
    from trl import DPOTrainer  # pyright: ignore[reportMissingImports] - in an environment of its own

    ids, logits, mask = draw(seed)
    reference = -torch.rand(ROWS, dtype=torch.float64) * 12
    own = trainer(
        ld_alpha=None,
        f_divergence_type="reverse_kl",
        loss_types=loss_types,
        loss_weights=[1.0] * len(loss_types),
        beta=beta,
        label_smoothing=0.0,
        use_weighting=False,
    )
    inputs = {
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
        "completion_mask": mask,
        "ref_chosen_logps": reference[: ROWS // 2],
        "ref_rejected_logps": reference[ROWS // 2 :],
    }
    loss: Any = DPOTrainer._compute_loss(own, Logits([(ids, logits)]), inputs, False)
    loss.backward()
    return {
        "loss_types": loss_types,
        "beta": beta,
        **_told(ids, logits, mask, reference, loss),
    }


def kto(seed: int, labels: list[bool], beta: float, weights: tuple[float, float]) -> dict[str, Any]:
    from trl import KTOTrainer  # pyright: ignore[reportMissingImports] - see above

    ids, logits, mask = draw(seed)
    others, other_logits, other_mask = draw(seed + 100)
    reference = -torch.rand(ROWS, dtype=torch.float64) * 12
    other_reference = -torch.rand(ROWS, dtype=torch.float64) * 4 - 8
    own = trainer(
        beta=beta,
        loss_type="kto",
        calculate_KL=True,
        desirable_weight=weights[0],
        undesirable_weight=weights[1],
    )
    own._compute_kl_logps = lambda model, batch: KTOTrainer._compute_kl_logps(own, model, batch)
    inputs = {
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
        "completion_mask": mask,
        "KL_input_ids": others,
        "KL_attention_mask": torch.ones_like(others),
        "KL_completion_mask": other_mask,
        "label": torch.tensor(labels),
        "ref_logps": reference,
        "ref_KL_logps": other_reference,
    }
    model = Logits([(ids, logits), (others, other_logits)])
    loss: Any = KTOTrainer._compute_loss(own, model, inputs, False)
    loss.backward()
    return {
        "labels": labels,
        "beta": beta,
        "weights": weights,
        **_told(ids, logits, mask, reference, loss),
        "mismatched": {
            "ids": others.tolist(),
            "logits": other_logits.tolist(),
            "mask": other_mask.tolist(),
            "reference": other_reference.tolist(),
        },
    }


def _told(ids: Any, logits: Any, mask: Any, reference: Any, loss: Any) -> dict[str, Any]:
    return {
        "ids": ids.tolist(),
        "logits": logits.tolist(),
        "mask": mask.tolist(),
        "reference": reference.tolist(),
        "loss": loss.item(),
        "gradient": logits.grad.tolist(),
    }


def main() -> None:
    found = {
        "trl": version("trl"),
        "dpo": [
            dpo(1, ["sigmoid"], 0.1),
            dpo(2, ["sigmoid", "sft"], 0.1),
            dpo(3, ["sigmoid_norm", "sft"], 0.3),
        ],
        "kto": [
            kto(4, [True, False, True, False], 0.1, (1.0, 1.0)),
            kto(5, [True, False, False, False], 0.3, (1.5, 1.0)),
            kto(6, [True, True, True, True], 0.1, (1.0, 1.0)),
        ],
    }
    json.dump(found, sys.stdout)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
