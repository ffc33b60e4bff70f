"""Checkpoints of a run: everything needed to go on as if it had never stopped.

    checkpoints/step-000012/adapter.safetensors    the trained weights
                            best.safetensors       the best so far, by evaluation
                            optimizer.pt           AdamW's moments
                            state.json             progress
    preferences/step-000003/                       the same of the second stage, if there is one

Random state needs no saving: the order of rows and the dropout of a step are functions of the
seed and the step's number.
"""

import logging
import os
import shutil
from contextlib import suppress
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError

from data.free_space import check_space
from data.whole_file import make_lasting, write_through
from data.wording import _
from finetune.errors import CheckpointFailed, NotResumable
from finetune.wrong_values import told

from .observer import Stage

CHECKPOINTS: dict[Stage, str] = {"examples": "checkpoints", "preferences": "preferences"}
NEWEST_FILE, BEST_FILE = "adapter.safetensors", "best.safetensors"
KEPT = 2
MOMENTS = 2  # that AdamW keeps of each weight
REST = 16_000_000  # [bytes] for log, events and report
UNFINISHED = ".new-"
FINISH_FILE = "finish"  # beside the checkpoints: train no further
UNREADABLE = (OSError, EOFError, ValidationError, RuntimeError, UnpicklingError, SafetensorError)

logger = logging.getLogger(__name__)


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


def ask_to_finish(run: Path) -> None:
    """Let whoever trains there, now or after a restart, end with the best so far."""
    run.mkdir(parents=True, exist_ok=True)
    (run / FINISH_FILE).touch()


def is_to_finish(run: Path) -> bool:
    return (run / FINISH_FILE).exists()


def save_checkpoint(
    run: Path,
    progress: Progress,
    weights: dict[str, Any],
    best: dict[str, Any],
    optimizer: Any,
    stage: Stage = "examples",
) -> Path:
    """Write a checkpoint whole, then drop the oldest beyond the last two.

    Raises CheckpointFailed where it cannot be written; those before it stay.
    """
    import torch
    from safetensors.torch import save_file

    folder = run / CHECKPOINTS[stage]
    target = folder / f"step-{progress.step:06d}"
    if target.is_dir():  # of the same step, so of the same content
        return target
    temporary = folder / f"{UNFINISHED}{progress.step:06d}"
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        make_lasting(folder)
        temporary.mkdir()
        for name, tensors in ((NEWEST_FILE, weights), (BEST_FILE, best)):
            save_file(tensors, temporary / name, metadata={"format": "pt"})  # as PEFT does
        torch.save(optimizer.state_dict(), temporary / "optimizer.pt")
        (temporary / "state.json").write_text(progress.model_dump_json(), encoding="utf-8")
        course = [each for each in run.iterdir() if each.is_file()]  # what it tells of these steps
        write_through(*course, *temporary.iterdir(), temporary)
        os.rename(temporary, target)
        write_through(folder)
    except (OSError, RuntimeError, SafetensorError) as error:  # the latter two from a full disk
        said = _("The checkpoint {path} cannot be written: {error}.")
        raise CheckpointFailed(said.format(path=target, error=error)) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    for old in (*list_checkpoints(run, stage)[:-KEPT], *folder.glob(f"{UNFINISHED}*")):
        shutil.rmtree(old)
    return target


def check_room(run: Path, weights: dict[str, Any]) -> None:
    """Raises NoRoom where the checkpoints to come, and an adapter of such weights, do not fit."""
    size = sum(tensor.nbytes for tensor in weights.values())
    missing = KEPT + 1 - len(list_checkpoints(run))
    check_space(
        missing * (2 + MOMENTS) * size + size + REST,
        run,
        _("Training"),
        _("choose another disk with --home, or for the run alone with --set output_dir=FOLDER"),
    )


def list_checkpoints(run: Path, stage: Stage = "examples") -> list[Path]:
    """The checkpoints of a run's stage, oldest first."""
    return sorted((run / CHECKPOINTS[stage]).glob("step-*"))


def has_saved(run: Path) -> bool:
    """Whether there is something to go on from, in a run or in one of a sweep's."""
    return any((run / "checkpoints").glob("step-*")) or any(run.glob("*/checkpoints/step-*"))


def read_progress(run: Path, stage: Stage = "examples") -> Progress | None:
    """How far the newest checkpoint that can be read has come; None where there is none."""
    for folder in reversed(list_checkpoints(run, stage)):
        with suppress(OSError, ValidationError):
            return _read_progress(folder)
    return None


def count_tokens(run: Path) -> int:
    """The tokens that a run has trained on so far, prompts included."""
    found = (read_progress(run, stage) for stage in CHECKPOINTS)
    return sum(each.tokens for each in found if each is not None)


def _read_progress(folder: Path) -> Progress:
    return Progress.model_validate_json((folder / "state.json").read_bytes())


def load_checkpoint(
    run: Path, stage: Stage = "examples"
) -> tuple[Progress, dict[str, Any], dict[str, Any], Any]:
    """The newest checkpoint that is whole: progress, weights, best weights, optimizer state.

    Raises NotResumable where there is none.
    """
    found = list_checkpoints(run, stage)
    if not found:
        said = _("The run in {folder} has no checkpoint yet. Start it anew.")
        raise NotResumable(said.format(folder=run))
    faults: list[str] = []
    for folder in reversed(found):
        try:
            return _load(folder)
        except UNREADABLE as error:
            faults.append(f"{folder.name}: {told(error)}")
            said = _("The checkpoint in {folder} cannot be read: {error}")
            logger.warning("%s", said.format(folder=folder, error=told(error)))
    said = _("No checkpoint of {folder} can be read: {faults}. Start anew.")
    raise NotResumable(said.format(folder=run, faults=_("; ").join(faults)))


def _load(folder: Path) -> tuple[Progress, dict[str, Any], dict[str, Any], Any]:
    import torch
    from safetensors.torch import load_file

    progress = _read_progress(folder)
    optimizer = torch.load(folder / "optimizer.pt", weights_only=True, map_location="cpu")
    weights = load_file(folder / NEWEST_FILE)
    return progress, weights, load_file(folder / BEST_FILE), optimizer
