"""All that is done with files: taken in, found, checked. Or why there are none here."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from service.errors import NotAllowed
from service.files.checks import FileChecks
from service.files.files import Files
from service.files.stored_file import StoredFile
from service.settings import ServiceSettings

from .upload import PURPOSE, FileIntake

NO_FILES = (
    "This server keeps no files: it has no database, or may not write to its home. Its operator "
    "can start one that has both."
)


class Filing:
    """What the routes work with. Its parts raise NotAllowed on a server that keeps no files."""

    def __init__(self, files: Files | None, settings: ServiceSettings) -> None:
        self._files = files
        if files is not None:
            self._intake = FileIntake(files, settings.file_limit, settings.max_files)
            self._checks = FileChecks(files, settings.check_bytes, settings.check_timeout)

    @property
    def files(self) -> Files:
        if self._files is None:
            raise NotAllowed(NO_FILES)
        return self._files

    @property
    def intake(self) -> FileIntake:
        _ = self.files
        return self._intake

    @property
    def checks(self) -> FileChecks:
        _ = self.files
        return self._checks

    def can_be_checked(self, file: StoredFile) -> bool:
        """Whether it is one to train on, is here, and is not about to be checked anyway."""
        is_waiting = file.status == "uploaded"
        return file.purpose == PURPOSE and not is_waiting and self.files.has_content(file)

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Checks run for as long as the block lasts."""
        if self._files is None:
            yield
            return
        async with self._checks.running():
            yield
