"""Small files in an adapter's folder that say which of its versions answers what."""

from pathlib import Path

from data.whole_file import remove_forgotten, whole_path


def read_pointer(path: str, most: int) -> str | None:
    """What it says, of at most so many bytes; None where there is none, or it cannot be read."""
    try:
        with open(path, "rb") as pointer:
            return pointer.read(most).decode("utf-8", "replace").strip()
    except OSError:
        return None


def write_pointer(path: Path, text: str) -> None:
    """Let it say this from now on: in one step, to survive a power cut."""
    remove_forgotten(path)
    with whole_path(path, lasting=True) as temporary:
        temporary.write_text(f"{text}\n", encoding="utf-8")
