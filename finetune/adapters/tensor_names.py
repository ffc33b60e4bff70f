"""The names of a LoRA's tensors: PEFT's usual ones, and those that say the same otherwise.

usual:   base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight
others:  no prefix; one doubled, or around a language model in a larger one; what FSDP, DDP and
         torch.compile put between; an adapter's name behind `lora_A`
"""

import re
from collections.abc import Iterable

from finetune.errors import AdapterInvalid

USUAL = re.compile(r"base_model\.model\.(?P<module>.+)\.lora_(?P<side>[AB])\.weight")
KNOWN = re.compile(
    r"(?:(?:base_model|model|language_model|text_model)\.)*"
    r"(?P<module>layers\.\d+\.(?:self_attn|mlp)\.\w+)\.lora_(?P<side>[AB])"
    r"(?:\.(?P<adapter>\w+))?\.weight"
)
BETWEEN = frozenset({"module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"})


def tensor_of(module: str, side: str) -> str:
    """The usual name of a module's A or B."""
    return f"base_model.model.{module}.lora_{side}.weight"


def usual_names(names: Iterable[str]) -> dict[str, str]:
    """Every name with the usual one for it; one that is not known stays as it is.

    Raises AdapterInvalid where two would have the same.
    """
    found = {name: _usual(name) for name in names}
    owners: dict[str, str] = {}
    for name, usual in found.items():
        if (other := owners.setdefault(usual, name)) != name:
            raise AdapterInvalid(
                f"{other} and {name} are the same tensor of two adapters. Save one of them alone."
            )
    return found


def _usual(name: str) -> str:
    plain = ".".join(part for part in name.split(".") if part not in BETWEEN)
    match = KNOWN.fullmatch(plain)
    return tensor_of(f"model.{match['module']}", match["side"]) if match else name
