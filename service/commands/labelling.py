"""What `lora-chat data label` does: try the model, draft, and show how far it is."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from data.errors import DataError
from data.label import (
    Drafted,
    Generate,
    draft,
    prompt_for,
    read_drafts,
    read_passages,
    script_of_most,
)
from data.trial import NEEDED, hold_trial
from service.client.drafting import drafting
from service.settings import ServiceSettings

LINE_EVERY = 10  # passages, where the output is no terminal
ABLE = {
    "Chinese": "an instruct model of 1.5 billion parameters or more that was trained on Chinese, "
    "such as Qwen/Qwen2.5-1.5B-Instruct",
    "other": "an instruct model of 1.5 billion parameters or more, such as "
    "Qwen/Qwen2.5-1.5B-Instruct",
}


def label_documents(
    documents: Sequence[str],
    out: Path,
    server: str | ServiceSettings,
    model: str | None,
    key: str | None,
    count: int,
    console: Console,
    *,
    is_tried: bool,
) -> Drafted:
    """Draft what `out` does not have yet, by a server or one that is started for it.

    Raises DataError, also for a model that cannot do it, and ServiceError.
    """
    passages = read_passages(documents)
    missing = read_drafts(out).missing(passages)
    if not missing:
        return draft(passages, _never, out, count)
    name = model or (server if isinstance(server, str) else server.base)
    with _serving(server, console) as url, drafting(url, model, key) as generate:
        if is_tried:
            _try_out(generate, name, script_of_most(missing), console)
        with _Course(len(missing), console) as course:
            return draft(passages, generate, out, count, on_passage=course.advance)


def _never(prompt: str) -> str:
    raise AssertionError(prompt)


def _serving(server: str | ServiceSettings, console: Console) -> AbstractContextManager[str]:
    if isinstance(server, str):
        return nullcontext(server)
    from service.server import serving_in_background

    console.print(f"Starting {server.base}", highlight=False, markup=False)
    return serving_in_background(server)


def _try_out(generate: Generate, name: str, script: str, console: Console) -> None:
    """Raises DataError where the model does not draft what is of use."""
    console.print("Trying the model on a few known texts", highlight=False)
    trial = hold_trial(generate, partial(prompt_for, count=1), script)
    if trial.is_passed:
        return
    raise DataError(
        f"{name} cannot draft questions: of {trial.num_texts} known texts it made a question with "
        f"a right answer of {trial.num_usable}, and {NEEDED} are needed. It wrote, for example: "
        f"{trial.example!r}. Give a larger base with --base, or a server that has one with --url: "
        f"{ABLE[script]}. --untried drafts with this one all the same."
    )


class _Course:
    """How many passages are done: a bar on a terminal, lines elsewhere."""

    def __init__(self, total: int, console: Console) -> None:
        self._console, self._total = console, total
        self._done = self._num_pairs = 0
        self._bar = Progress(
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TextColumn("passages, {task.fields[num_pairs]} questions"),
            TimeRemainingColumn(compact=True),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("", total=total, num_pairs=0)

    def __enter__(self) -> "_Course":
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def advance(self, num_pairs: int) -> None:
        """One passage is done, and gave so many questions."""
        self._done += 1
        self._num_pairs += num_pairs
        self._bar.update(self._task, completed=self._done, num_pairs=self._num_pairs)
        is_due = self._done % LINE_EVERY == 0 or self._done == self._total
        if not self._console.is_terminal and is_due:
            said = f"{self._done} of {self._total} passages, {self._num_pairs} questions"
            self._console.print(said, highlight=False)
