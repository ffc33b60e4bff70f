"""GGUF bases in other quantizations, by llama.cpp's own quantizer."""

import logging
import math
from pathlib import Path
from typing import Literal

from data.free_space import check_space
from data.whole_file import whole_path
from data.wording import _
from finetune.bases.gguf_base import GgufBase
from serving.errors import QuantizationFailed

from .binding import load_binding

logger = logging.getLogger(__name__)

Quantization = Literal["q4_0", "q8_0", "q4_k_m"]
FLOATS = ("F32", "F16", "BF16")


def quantize(base: GgufBase, to: Quantization, path: Path) -> None:
    """Write the base in another quantization; it appears whole or not at all.

    Raises QuantizationFailed, NoRoom, EngineUnsupported where llama.cpp is not installed.
    """
    binding = load_binding()
    functions = binding.functions
    if path.exists():
        told = _("{path} is there already. Remove it, or choose another --out.")
        raise QuantizationFailed(told.format(path=path))
    kinds = sorted({t.kind.name for t in base.gguf.tensors.values()} - set(FLOATS))
    if kinds:
        told = _(
            "{file} is quantized already ({kinds}): what that has lost does not come back. "
            "Quantize its 16-bit form if you have it."
        )
        logger.warning("%s", told.format(file=base.path.name, kinds=", ".join(kinds)))
    path.parent.mkdir(parents=True, exist_ok=True)
    num_weights = sum(math.prod(tensor.shape) for tensor in base.gguf.tensors.values())
    most = num_weights * 5 // 4  # [bytes]; q8_0 has 34 for 32 weights, and norms stay wide
    check_space(most, path.parent, _("Quantizing"), _("choose another disk with --out"))
    params = functions.llama_model_quantize_default_params()
    params.ftype = getattr(functions, f"LLAMA_FTYPE_MOSTLY_{to.upper()}")
    params.allow_requantize = True
    with whole_path(path) as temporary:
        code = functions.llama_model_quantize(
            str(base.path).encode(), str(temporary).encode(), params
        )
        if code != 0:
            told = _(
                "llama.cpp cannot quantize {path}: {reason}. If the disk is full, make room and "
                "try again."
            )
            raise QuantizationFailed(told.format(path=base.path, reason=binding.reason()))
