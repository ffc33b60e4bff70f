"""A disk that has no room, or that may only be read, told as what cannot be done for it."""

import errno
from collections.abc import Generator
from contextlib import contextmanager

from data.whole_file import NO_ROOM
from service.errors import DiskFull, NotAllowed

READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM)


@contextmanager
def room_needed(full: str, read_only: str) -> Generator[None]:
    """Raises DiskFull or NotAllowed, each in these words, where the system says that there is no
    room, or none for us."""
    try:
        yield
    except OSError as error:
        if error.errno in READ_ONLY:
            raise NotAllowed(read_only) from error
        if error.errno in NO_ROOM:
            raise DiskFull(full) from error
        raise
