"""Pickled weights to safetensors: a process of its own, for a file that nobody vouches for.

    python -P unpickle.py adapter_model.bin adapter_model.safetensors

torch's loader for weights alone makes nothing but tensors. Beside that the process may take four
times the file's size of memory, and has neither network nor other programs. It imports nothing
of ours.
"""

import os
import sys
from typing import Any

SPARE = 1 << 30  # [bytes] beyond what the file needs
FORBIDDEN = ("socket.", "subprocess.", "os.system", "os.exec", "os.fork", "os.posix_spawn")


def main(source: str, target: str) -> None:
    """Write the tensors of `source` to `target`."""
    import torch
    from safetensors.torch import save_file

    torch.set_num_threads(1)
    _limit_memory(4 * os.path.getsize(source) + SPARE)
    sys.addaudithook(_forbid)
    state: Any = torch.load(source, map_location="cpu", weights_only=True)
    if not isinstance(state, dict) or not all(map(torch.is_tensor, state.values())):
        raise ValueError("it holds something else than tensors by their names")
    tensors = {str(name): tensor.detach().clone().contiguous() for name, tensor in state.items()}
    save_file(tensors, target, metadata={"format": "pt"})


def _limit_memory(num_bytes: int) -> None:
    """Beyond what the process has by now; a system that cannot does not."""
    try:
        import resource

        with open("/proc/self/statm") as file:
            used = int(file.read().split()[0]) * resource.getpagesize()
        _, most = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (used + num_bytes, most))
    except (ImportError, OSError, ValueError):
        return


def _forbid(event: str, _: object) -> None:
    if event.startswith(FORBIDDEN):
        raise PermissionError(f"{event} is not for this process")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except Exception as error:  # noqa: BLE001 - the process's border
        said = " ".join(str(error).split())
        sys.exit(f"{type(error).__name__}: {said}")
