"""A run's checkpoints as adapters that can be asked while it goes on: the best and the newest.

served/step-12/     an adapter's folder, whole, after so many steps
"""

import logging
import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

from data.whole_file import remove_whole
from data.wording import _

from .adapters.card import TRAINING_PRECISION_LOSS
from .adapters.files import TEMPLATE_FILE, WEIGHTS_FILE
from .prepared import Prepared
from .training.checkpoint import BEST_FILE, NEWEST_FILE, Progress
from .training.peft_model import save_settings
from .training.run import SERVED_FOLDER, Run
from .whole_folder import whole_folder

STEP = "step-"

logger = logging.getLogger(__name__)


class ServedCheckpoints:
    """Owns the folder of what one run serves."""

    def __init__(self, prepared: Prepared, run: Run, model: Any) -> None:
        self._prepared = prepared
        self._run = run
        self._model = model
        self._folder = run.folder / SERVED_FOLDER

    def update(self, checkpoint: Path, progress: Progress) -> None:
        """Serve what a new checkpoint has, and no longer what neither is the best nor the newest.

        What cannot be written is told: training goes on without it.
        """
        files = {progress.step: NEWEST_FILE}
        if progress.best_loss is not None:
            files[progress.best_step] = BEST_FILE
        try:
            for step, file in files.items():
                if not self._place(step).is_dir():
                    self._make(step, checkpoint / file)
            for place in self._folder.glob(f"{STEP}*"):
                if place not in map(self._place, files):
                    remove_whole(place)
        except OSError as error:
            told = _("The checkpoint after step {step} cannot be asked: {error}")
            logger.warning("%s", told.format(step=progress.step, error=error))

    def _place(self, step: int) -> Path:
        return self._folder / f"{STEP}{step}"

    def _make(self, step: int, weights: Path) -> None:
        with whole_folder(self._place(step)) as folder:
            _link(weights, folder / WEIGHTS_FILE)
            save_settings(self._model, folder, self._prepared.base.id)
            template = self._prepared.renderer.template
            (folder / TEMPLATE_FILE).write_text(template, encoding="utf-8")
            self._prepared.card(self._metrics(step)).write(folder)

    def _metrics(self, step: int) -> dict[str, float]:
        """What the run has told of a step."""
        for each in reversed(self._run.metrics()):
            if each.step == step:
                losses = {"training_loss": each.loss, TRAINING_PRECISION_LOSS: each.eval_loss}
                known = {name: loss for name, loss in losses.items() if loss is not None}
                return {"step": step, **known}
        return {"step": step}


def _link(source: Path, target: Path) -> None:
    """Give a file another name, or copy it where the disk knows no such names."""
    with suppress(OSError):
        os.link(source, target)
        return
    shutil.copyfile(source, target)
