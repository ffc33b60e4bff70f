"""Where data comes from: a file, packed or not, every file of a folder, or standard input."""

import difflib
import gzip
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from data.errors import UnreadableFile

from .shapes import find_shape

STDIN = "-"
PACKED = ".gz"
IN_MEMORY = 64 << 20  # [bytes] of standard input, before it goes to a temporary file


@dataclass(frozen=True, slots=True)
class Source:
    """`suffix` says how it is read, in lower case; `open` gives a file that can be rewound."""

    name: str
    suffix: str
    open: Callable[[], BinaryIO]


def find_sources(path: str | Path, suffixes: Sequence[str]) -> list[Source]:
    """Of one path; raises UnreadableFile where there is nothing, or something else."""
    if str(path) == STDIN:
        return [_standard_input()]
    path = Path(path)
    try:
        if path.is_dir():
            return [_source(file) for file in _list_folder(path, suffixes)]
        return [_source(_check_file(path, suffixes))]
    except OSError as error:
        raise UnreadableFile(f"{path}: {error.strerror}; check the path and its rights") from error


def suffix_of(path: Path) -> str:
    """In lower case; that of the file inside a packed one."""
    name = path.name.lower().removesuffix(PACKED)
    return Path(name).suffix


def _source(path: Path) -> Source:
    if path.name.lower().endswith(PACKED):
        return Source(str(path), suffix_of(path), lambda: cast(BinaryIO, gzip.open(path)))
    return Source(str(path), suffix_of(path), lambda: path.open("rb"))


def _standard_input() -> Source:
    """All of it, since reading it needs more than one look; what it is, its beginning says."""
    file = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 - its readers close it
    shutil.copyfileobj(sys.stdin.buffer, file)
    file.seek(0)
    suffix = _guess_suffix(file.read(1 << 16))
    file.seek(0)
    return Source("standard input", suffix, lambda: cast(BinaryIO, file))


def _guess_suffix(head: bytes) -> str:
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    first, _, more = text.partition(b"\n")
    for signature, suffix in {b"PK\x03\x04": ".xlsx", b"PAR1": ".parquet"}.items():
        if text.startswith(signature):
            return suffix
    if text.startswith(b"{"):
        return ".jsonl" if more.strip() and first.rstrip().endswith(b"}") else ".json"
    if text.startswith(b"[") and text[1:].lstrip().startswith(b"{"):
        return ".json"
    header = first.decode("utf-8", "replace")
    for delimiter, suffix in (("\t", ".tsv"), (",", ".csv")):
        names = [name.strip(' "\r') for name in header.split(delimiter)]
        if len(names) > 1 and (find_shape(names) or all(name.isidentifier() for name in names)):
            return suffix
    return ".txt"


def _check_file(path: Path, suffixes: Sequence[str]) -> Path:
    if not path.exists():
        raise UnreadableFile(f"{path}: there is no such file; {_suggest(path)}")
    if suffix_of(path) not in suffixes:
        suffix = repr(suffix_of(path)) if suffix_of(path) else "a name without a suffix"
        raise UnreadableFile(f"{path}: cannot read {suffix}; give it one of {', '.join(suffixes)}")
    return path


def _suggest(path: Path) -> str:
    folder = path.parent
    if not folder.is_dir():
        return f"its folder {folder} does not exist either"
    names = sorted(each.name for each in folder.iterdir())
    similar = difflib.get_close_matches(path.name, names, n=1)
    return f"did you mean {folder / similar[0]}?" if similar else f"look into the folder {folder}"


def _walk(folder: Path, seen: set[Path]) -> Iterator[Path]:
    """Every file that is not hidden, behind links too; raises OSError where one cannot be seen."""
    if folder.resolve() in seen:
        return
    seen.add(folder.resolve())
    for path in folder.iterdir():
        if path.name.startswith("."):
            continue
        if path.is_dir():
            yield from _walk(path, seen)
        else:
            path.stat()  # raises for a link that leads nowhere
            yield path


def _list_folder(folder: Path, suffixes: Sequence[str]) -> list[Path]:
    """Every file that is not hidden; one that no reader takes is an error, never left out."""
    files = sorted(_walk(folder, set()))
    listed = ", ".join(suffixes)
    if not files:
        raise UnreadableFile(f"{folder}: holds no files; put files into it that end in {listed}")
    unsupported = [str(file) for file in files if suffix_of(file) not in suffixes]
    if unsupported:
        raise UnreadableFile(
            f"{folder}: cannot read {', '.join(unsupported)}; "
            f"move them away or convert them to one of {listed}"
        )
    return files
