"""Checkpoints of a run: everything needed to go on as if it had never stopped.

    checkpoints/step-000012/adapter.safetensors    the trained weights
                            best.safetensors       the best so far, by evaluation
                            optimizer.pt           AdamW's moments
                            state.json             progress

Random state needs no saving: the order of rows and the dropout of a step are functions of the
seed and the step's number.
"""

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from .errors import CheckpointFailed, NotResumable

KEPT = 2


class Progress(BaseModel):
    """How far a run has come."""

    model_config = ConfigDict(extra="forbid")

    step: int = 0  # optimizer steps done
    tokens: int = 0  # trained on so far, prompts included
    best_loss: float | None = None  # held-out, per token
    best_step: int = 0
    evals_without_gain: int = 0
    first_losses: list[float] = []  # training losses of the first steps, in nats
    last_losses: list[float] = []  # and of as many last ones

    def note_loss(self, loss: float, num_kept: int) -> None:
        if len(self.first_losses) < num_kept:
            self.first_losses = [*self.first_losses, loss]
        self.last_losses = [*self.last_losses, loss][-num_kept:]


def save_checkpoint(
    run: Path, progress: Progress, weights: dict[str, Any], best: dict[str, Any], optimizer: Any
) -> Path:
    """Write a checkpoint whole, then drop the oldest beyond the last two.

    Raises CheckpointFailed where it cannot be written; those before it stay.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    folder = run / "checkpoints"
    folder.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=".new-", dir=folder))
    target = folder / f"step-{progress.step:06d}"
    try:
        save_file(weights, temporary / "adapter.safetensors")
        save_file(best, temporary / "best.safetensors")
        torch.save(optimizer.state_dict(), temporary / "optimizer.pt")
        (temporary / "state.json").write_text(progress.model_dump_json())
        if target.is_dir():
            shutil.rmtree(target)
        os.rename(temporary, target)
    except (OSError, RuntimeError, SafetensorError) as error:  # the latter two from a full disk
        raise CheckpointFailed(f"The checkpoint {target} cannot be written: {error}.") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    for old in list_checkpoints(run)[:-KEPT]:
        shutil.rmtree(old)
    return target


def list_checkpoints(run: Path) -> list[Path]:
    """The run's checkpoints, oldest first."""
    return sorted((run / "checkpoints").glob("step-*"))


def load_checkpoint(run: Path) -> tuple[Progress, dict[str, Any], dict[str, Any], Any]:
    """The newest checkpoint: progress, weights, best weights, optimizer state."""
    import torch
    from safetensors.torch import load_file

    found = list_checkpoints(run)
    if not found:
        raise NotResumable(f"The run in {run} has no checkpoint yet. Start it anew.")
    folder = found[-1]
    try:
        progress = Progress.model_validate_json((folder / "state.json").read_bytes())
        optimizer = torch.load(folder / "optimizer.pt", weights_only=True)
        weights = load_file(folder / "adapter.safetensors")
        return progress, weights, load_file(folder / "best.safetensors"), optimizer
    except (OSError, ValidationError, RuntimeError) as error:
        raise NotResumable(f"The checkpoint in {folder} cannot be read: {error}") from error
