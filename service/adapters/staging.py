"""An adapter's files while they come in: by name, counted, and nowhere but in one folder."""

from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import BinaryIO

from finetune.adapters.files import CONFIG_FILE, FILES, PICKLED_FILE, WEIGHTS_FILE
from service.errors import InvalidRequest, UploadTooLarge
from service.uploads import room as uploads

ARCHIVE = "adapter.zip"  # as it is called while it lies here
TEXT_LIMIT = 1 << 20  # [bytes] of each file but the weights
MAX_SHOWN = 80  # [characters] of a file's name in a message


class StagedFiles:
    """Writes one file after the other; what is too large or called otherwise is refused."""

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder = folder
        self.limit = limit  # [bytes] of all files together, and of an archive
        self.archive = folder / ARCHIVE
        self._num_bytes = 0
        self._name = ""
        self._left = 0  # [bytes] that the file may still take
        self._file: BinaryIO | None = None

    def begin(self, name: str) -> None:
        """Raises InvalidRequest for a name that no adapter has, or that came before."""
        if name not in FILES:
            pickled = name == PICKLED_FILE
            raise InvalidRequest(
                f"The upload holds {name[:MAX_SHOWN]!r}. An adapter's files are "
                f"{', '.join(FILES)}: send those, without folders."
                f"{' `lora-chat adapters import` converts a .bin.' if pickled else ''}",
                "file",
            )
        if (self.folder / name).exists():
            raise InvalidRequest(f"The upload holds {name} twice.", "file")
        self._open(name, self.limit if name == WEIGHTS_FILE else min(self.limit, TEXT_LIMIT))

    def begin_archive(self) -> None:
        if self.archive.exists():
            raise InvalidRequest("The upload holds two archives. Send one.", "file")
        self._open(ARCHIVE, self.limit)

    def write(self, data: bytes | memoryview) -> None:
        """Raises UploadTooLarge or DiskFull."""
        if self._file is None:
            raise RuntimeError("no file has been begun")
        self._left -= len(data)
        if self._name != ARCHIVE:  # what is in it counts once it is unpacked
            self._num_bytes += len(data)
        if self._left < 0 or self._num_bytes > self.limit:
            raise UploadTooLarge(
                f"{self._name} is too large: the weights, and all files together, may have "
                f"{self.limit} bytes (the server's setting upload_limit), others {TEXT_LIMIT}."
            )
        with room_needed():
            self._file.write(data)

    def end(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            with room_needed():
                file.close()

    def close(self) -> None:
        """Whatever has happened: no file stays open."""
        file, self._file = self._file, None
        if file is not None:
            with suppress(
                OSError
            ):  # what is left in the buffer has no room; the folder goes anyway
                file.close()

    def check_complete(self) -> None:
        """Raises InvalidRequest where a file is missing that every adapter has."""
        missing = [n for n in (CONFIG_FILE, WEIGHTS_FILE) if not (self.folder / n).is_file()]
        if missing:
            raise InvalidRequest(
                f"The upload lacks {' and '.join(missing)}. Send both files of a PEFT adapter, or "
                "one .zip of them.",
                "file",
            )

    def _open(self, name: str, limit: int) -> None:
        self._name, self._left = name, limit
        with room_needed():
            self._file = (self.folder / name).open("xb")


def room_needed() -> AbstractContextManager[None]:
    """Raises DiskFull or NotAllowed where the system says that there is no room, or none for us."""
    return uploads.room_needed(
        "The server's disk has no room for this adapter; nothing of it was kept. Remove adapters "
        "that nobody needs, or ask the server's operator for room.",
        "This server may only read its adapters: none can be changed or come in.",
    )
