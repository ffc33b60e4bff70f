"""A conversation in the terminal: what was said, what is asked next, and its file."""

import json
from pathlib import Path

from data.whole_file import whole_file
from data.wording import _

Turn = dict[str, str]
LABELS = {"system": "System", "user": "User", "assistant": "Assistant"}
ROWS = ".jsonl"  # a row for training


class TerminalConversation:
    """A question is part of it as soon as it has an answer, or the beginning of one."""

    def __init__(self) -> None:
        self.system = ""
        self._turns: list[Turn] = []
        self._before: list[Turn] = []  # the last question
        self._question: str | None = None
        self._saved: set[Path] = set()

    @property
    def is_empty(self) -> bool:
        return not self._turns

    @property
    def question(self) -> str | None:
        """The last one, answered or not."""
        return self._question

    def ask(self, question: str) -> list[Turn]:
        """What is to be sent."""
        self._before, self._question = self._turns, question
        return self.ask_again()

    def ask_again(self) -> list[Turn]:
        """What is to be sent for the last question; its answer stays until another comes."""
        return [*self._system(), *self._before, *self._last()]

    def take_answer(self, text: str) -> None:
        self._turns = [*self._before, *self._last(), {"role": "assistant", "content": text}]

    def forget(self) -> None:
        """All but the system prompt."""
        self._turns, self._before, self._question = [], [], None

    def save(self, path: Path) -> None:
        """Write the conversation as a row of messages where the name ends in .jsonl, else as text.

        Raises FileExistsError for a file that is not of this conversation, and OSError.
        """
        whole = path.expanduser().absolute()
        if whole.exists() and whole not in self._saved:
            told = _("{path} is there already. Name another file.")
            raise FileExistsError(told.format(path=path))
        turns = [*self._system(), *self._turns]
        with whole_file(whole, newline="\n") as file:
            file.write(_row(turns) if whole.suffix == ROWS else _text(turns))
        self._saved.add(whole)

    def _last(self) -> list[Turn]:
        return [] if self._question is None else [{"role": "user", "content": self._question}]

    def _system(self) -> list[Turn]:
        return [{"role": "system", "content": self.system}] if self.system else []


def _row(turns: list[Turn]) -> str:
    return json.dumps({"messages": turns}, ensure_ascii=False) + "\n"


def _text(turns: list[Turn]) -> str:
    return "".join(f"{LABELS[turn['role']]}: {turn['content'].strip()}\n" for turn in turns)
