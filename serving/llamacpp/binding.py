"""llama.cpp through the low-level functions of llama-cpp-python, which is an extra."""

import importlib
import importlib.util
import logging
from functools import cache
from typing import Any

from finetune.hardware import cpu_features
from serving.errors import EngineUnsupported

logger = logging.getLogger(__name__)

INSTALL = 'CMAKE_ARGS="-DLLAVA_BUILD=OFF" pip install "lora-chat[llamacpp]"'
WITHOUT_AMX = "CFLAGS=-mno-amx-int8 CXXFLAGS=-mno-amx-int8 "
ERROR = 4  # of ggml's log levels


def is_installed() -> bool:
    return importlib.util.find_spec("llama_cpp") is not None


def install_command() -> str:
    """What to type where it is not installed, or not as it should be, on this machine."""
    return f"{WITHOUT_AMX if 'amx_int8' in cpu_features() else ''}{INSTALL}"


@cache
def load_binding() -> "Binding":
    """Raises EngineUnsupported where it is not installed, or its library cannot be loaded."""
    try:
        functions = importlib.import_module("llama_cpp.llama_cpp")
    except (ImportError, OSError, RuntimeError) as error:
        raise EngineUnsupported(
            f"The llama.cpp engine needs llama-cpp-python ({error}). Install it: "
            f"{install_command()} (it is compiled on the spot, which takes some minutes and a C++ "
            "compiler), or serve with --engine torch."
        ) from error
    return Binding(functions)


class Binding:
    """The library's functions, and what it said last of its failures."""

    def __init__(self, functions: Any) -> None:
        self.functions = functions
        self._said: list[str] = []
        self._callback = functions.llama_log_callback(self._hear)  # kept: C calls it
        functions.llama_log_set(self._callback, None)
        functions.llama_backend_init()

    @property
    def repacks_safely(self) -> bool:
        """Whether weights may be held as the processor likes them best.

        Built by GCC, llama.cpp's code for AMX kills the process at its first product: the compiler
        drops the tiles' configuration (seen with GCC 12; ggml-org/llama.cpp, pull request 26954).
        """
        return b"AMX_INT8 = 1" not in self.functions.llama_print_system_info()

    def reason(self) -> str:
        """What went wrong, in the library's words, since this was last asked."""
        said, self._said = self._said, []
        return " ".join(said[-3:]) or "llama.cpp does not say why"

    def _hear(self, level: int, text: bytes, _: Any) -> None:
        line = text.decode("utf-8", "replace").strip()
        if not line:
            return
        if level == ERROR:
            self._said = [*self._said[-9:], line]
        logger.debug("llama.cpp: %s", line)
