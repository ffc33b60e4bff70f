"""Which engines serve a base, told from its configuration alone."""

from typing import Any

from data.wording import _

from .gguf_shape import ARCHITECTURES
from .shape import FAMILIES

ROPE_TYPES = ("default", "linear", "llama3", "yarn")  # that the torch engine computes
ACTIVATION = "silu"


def other_engines(config: Any) -> str | None:
    """Which engines serve the adapters of a base that the torch engine does not run; None for one
    that it runs. `config` is transformers'."""
    problem = _torch_problem(config)
    if problem is None:
        return None
    if _runs_in_llamacpp(config):
        told = _(
            "The torch engine does not serve this base: {problem}. Its adapters are served by "
            "llama.cpp on a GGUF file of the same model (`lora-chat serve --base MODEL.gguf`), and "
            "behind vLLM (`--engine vllm`)."
        )
    else:
        told = _(
            "Neither the torch engine nor llama.cpp's serves this base: {problem}. Its adapters "
            "are served behind vLLM (`lora-chat serve --engine vllm`)."
        )
    return told.format(problem=problem)


def _torch_problem(config: Any) -> str | None:
    if config.model_type not in FAMILIES:
        return _("its architecture is {kind!r}").format(kind=config.model_type)
    rope = (config.rope_parameters or {}).get("rope_type", "default")
    if rope not in ROPE_TYPES:
        return _("its RoPE scaling is {kind!r}").format(kind=rope)
    if config.hidden_act != ACTIVATION:
        return _("its activation is {kind!r}").format(kind=config.hidden_act)
    return None


def _runs_in_llamacpp(config: Any) -> bool:
    """Whether its adapters can be converted; llama.cpp fixes the activation of each family."""
    kind = config.model_type
    return kind in ARCHITECTURES and (kind not in FAMILIES or config.hidden_act == ACTIVATION)
