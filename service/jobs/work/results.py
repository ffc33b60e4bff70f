"""A job's result file: its steps as a table, with the columns that OpenAI's has."""

import csv
import io
from collections.abc import Iterable

from finetune.training.observer import StepMetrics

COLUMNS: tuple[str, ...] = (
    "step",
    "train_loss",
    "train_mean_token_accuracy",
    "valid_loss",
    "valid_mean_token_accuracy",
    "full_valid_loss",
    "full_valid_mean_token_accuracy",
)
FILE_NAME = "step_metrics.csv"


def write_results(metrics: Iterable[StepMetrics]) -> bytes:
    """The table in CSV. Accuracies are not measured: their cells are empty."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    for each in metrics:
        row = {"step": each.step, "train_loss": each.loss}
        if each.eval_loss is not None:
            row |= {"valid_loss": each.eval_loss, "full_valid_loss": each.eval_loss}
        writer.writerow(row)
    return text.getvalue().encode()
