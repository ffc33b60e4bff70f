"""Libraries that come with an extra alone: what to install, where one is missing."""

from collections.abc import Generator
from contextlib import contextmanager

from data.errors import UnreadableFile
from data.wording import _


@contextmanager
def needs(library: str, source: str) -> Generator[None]:
    """Raises UnreadableFile where the imports in it fail."""
    try:
        yield
    except ImportError as error:
        told = _(
            "reading it needs {library}; install it with "
            "pip install 'lora-chat[documents]', or save the text as .txt"
        )
        raise UnreadableFile(source, told.format(library=library)) from error
