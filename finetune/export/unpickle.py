"""Pickled weights to safetensors: a process of its own, for a file that nobody vouches for.

    python -P unpickle.py FOLDER adapter_model.bin ...

Each file's tensors go to FOLDER/0.safetensors and so on. torch's loader for weights alone makes
nothing but tensors; beside that the process may take four times the files' size of memory, and has
neither network nor other programs. It imports nothing of ours.
"""

import os
import pickle
import sys
from typing import Any

SPARE = 1 << 30  # [bytes] beyond what the file needs
FORBIDDEN = ("socket.", "subprocess.", "os.system", "os.exec", "os.fork", "os.posix_spawn")


def main(folder: str, *sources: str) -> None:
    """Write the tensors of each source into `folder`."""
    import torch

    torch.set_num_threads(1)
    _limit_memory(4 * sum(map(os.path.getsize, sources)) + SPARE)
    sys.addaudithook(_forbid)
    for number, source in enumerate(sources):
        _convert(source, os.path.join(folder, f"{number}.safetensors"))


def _convert(source: str, target: str) -> None:
    import torch
    from safetensors.torch import save_file

    state: Any = torch.load(source, map_location="cpu", weights_only=True)
    if not isinstance(state, dict) or not all(map(torch.is_tensor, state.values())):
        raise ValueError("it holds something else than tensors by their names")
    tensors = {str(name): tensor.detach().clone().contiguous() for name, tensor in state.items()}
    save_file(tensors, target, metadata={"format": "pt"})


def _limit_memory(num_bytes: int) -> None:
    """Beyond what the process has by now, where the system can."""
    if sys.platform != "linux":
        return
    import resource

    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            used = int(file.read().split()[0]) * resource.getpagesize()
        _, most = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (used + num_bytes, most))
    except (OSError, ValueError):  # a closed /proc, or less than that allowed
        return


def _forbid(event: str, _: object) -> None:
    if event.startswith(FORBIDDEN):
        raise PermissionError(f"{event} is not for this process")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except pickle.UnpicklingError:  # whose message says how to load it all the same
        sys.exit("it is damaged or holds more than tensors")
    except Exception as error:  # noqa: BLE001 - the process's border
        sys.exit(f"{type(error).__name__}, {' '.join(str(error).split())}")
