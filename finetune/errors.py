"""What can go wrong between a base model and a trained adapter.

FinetuneError
├── BaseNotFound       no such base model here, or the hub cannot be reached
├── BaseUnusable       the base was found and cannot be loaded
├── BaseMismatch       the adapter was trained on another base
├── GgufInvalid        a file is no GGUF file, not all of one, or lacks what it should hold
├── AdapterInvalid     an adapter is not there, damaged, misnamed or of a kind we cannot serve
├── ExportRefused      an export has no place to go
│   └── NotWritten     its disk is full, say
├── ConfigError        the configuration has faults; carries all of them
├── NotResumable       there is no run to resume, or it was another run
├── CheckpointFailed   a checkpoint cannot be written: the disk is full, say
└── TrainingStopped    training ended before its end; says how to go on
    ├── Interrupted    because somebody asked it to
    ├── OutOfRoom      because nothing can be written any more: the disk is full, say
    └── Hopeless       and going on with the same options would end in the same way
"""

import os
from pathlib import Path
from typing import Self

from data.wording import _


class FinetuneError(Exception):
    """Base of every error in fine-tuning."""


class AdapterFault(Exception):
    """What is wrong with an adapter: what BaseMismatch and AdapterInvalid share.

    `problem` begins with a verb: whoever shows it chooses the adapter's name, and with it whether
    to tell where it lies. Of no adapter, it is a whole sentence.
    """

    def __init__(self, problem: str, adapter: object = None, file: str = "") -> None:
        self.problem = problem
        self.adapter = adapter  # its folder, or what it is called
        self.file = file  # in it; empty: the adapter as a whole
        super().__init__(self.told(adapter))

    @classmethod
    def in_file(cls, path: Path, problem: str) -> Self:
        return cls(problem, path.parent, path.name)

    def told(self, adapter: object) -> str:
        """The same of the adapter by another name."""
        if self.adapter is None:
            return self.problem
        name = f"{adapter}{os.sep}{self.file}"
        told = "{name} {problem}" if self.file else _("The adapter {adapter} {problem}")
        return told.format(name=name, adapter=adapter, problem=self.problem)


class BaseNotFound(FinetuneError):
    """No such base model here, or the hub cannot be reached."""


class BaseUnusable(FinetuneError):
    """The base was found and cannot be loaded."""


class BaseMismatch(AdapterFault, FinetuneError):
    """The adapter was trained on another base."""


class GgufInvalid(FinetuneError):
    """A file is no GGUF file, not all of one, or lacks what it should hold."""


class AdapterInvalid(AdapterFault, FinetuneError):
    """An adapter is not there, damaged, misnamed or of a kind we cannot serve."""


class ExportRefused(FinetuneError):
    """An export has no place to go."""


class NotWritten(ExportRefused):
    """A file has no room; `reason` is the system's."""

    def __init__(self, path: Path, error: Exception) -> None:
        self.reason = getattr(error, "strerror", None) or str(error)
        told = _("{path} cannot be written: {reason}. Make room and try again.")
        super().__init__(told.format(path=path, reason=self.reason))


class ConfigError(FinetuneError):
    """The configuration has faults; `faults` holds all of them, each with its key."""

    def __init__(self, where: str, faults: list[str]) -> None:
        self.faults = faults
        head = _("{where}:").format(where=where)
        super().__init__("\n".join([head, *(f"  {fault}" for fault in faults)]))


class NotResumable(FinetuneError):
    """There is no run to resume, or it was another run."""


class CheckpointFailed(FinetuneError):
    """A checkpoint cannot be written."""


class TrainingStopped(FinetuneError):
    """Training ended before its end; the message says how to go on."""


class Interrupted(TrainingStopped):
    """Somebody asked it to stop, which is no fault; the message says what is kept."""


class OutOfRoom(TrainingStopped):
    """Nothing can be written any more; what was is kept. `reason` says what could not be."""

    def __init__(self, message: str, reason: Exception) -> None:
        self.reason = reason
        super().__init__(message)


class Hopeless(TrainingStopped):
    """Going on with the same options would end in the same way; the message says what to change."""
