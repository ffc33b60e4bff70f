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
from data.wording import N_, _
from service.client.drafting import drafting
from service.settings import ServiceSettings

LINE_EVERY = 10  # passages, where the output is no terminal
ABLE = {
    "Chinese": N_(
        "an instruct model of 1.5 billion parameters or more that was trained on Chinese, such as "
        "Qwen/Qwen2.5-1.5B-Instruct"
    ),
    "other": N_(
        "an instruct model of 1.5 billion parameters or more, such as Qwen/Qwen2.5-1.5B-Instruct"
    ),
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

    told = _("Starting {base}").format(base=server.base)
    console.print(told, highlight=False, markup=False)
    return serving_in_background(server)


def _try_out(generate: Generate, name: str, script: str, console: Console) -> None:
    """Raises DataError where the model does not draft what is of use."""
    console.print(_("Trying the model on a few known texts"), highlight=False)
    trial = hold_trial(generate, partial(prompt_for, count=1), script)
    if trial.is_passed:
        return
    told = _(
        "{model} cannot draft questions: of {total} known texts it made a question with a right "
        "answer of {usable}, and {needed} are needed. It wrote, for example: {example!r}. Give a "
        "larger base with --base, or a server that has one with --url: {able}. --untried drafts "
        "with this one all the same."
    ).format(
        model=name,
        total=trial.num_texts,
        usable=trial.num_usable,
        needed=NEEDED,
        example=trial.example,
        able=_(ABLE[script]),
    )
    raise DataError(told)


class _Course:
    """How many passages are done: a bar on a terminal, lines elsewhere."""

    def __init__(self, total: int, console: Console) -> None:
        self._console, self._total = console, total
        self._done = self._num_pairs = 0
        self._bar = Progress(
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TextColumn("{task.fields[told]}"),
            TimeRemainingColumn(compact=True),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("", total=total, told="")

    def __enter__(self) -> "_Course":
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def advance(self, num_pairs: int) -> None:
        """One passage is done, and gave so many questions."""
        self._done += 1
        self._num_pairs += num_pairs
        told = _("passages, {questions} questions").format(questions=self._num_pairs)
        self._bar.update(self._task, completed=self._done, told=told)
        is_due = self._done % LINE_EVERY == 0 or self._done == self._total
        if not self._console.is_terminal and is_due:
            told = _("{count} of {total} passages, {questions} questions")
            said = told.format(count=self._done, total=self._total, questions=self._num_pairs)
            self._console.print(said, highlight=False)
