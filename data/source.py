"""Where data comes from: a file, packed or not, every file of a folder, or standard input."""

import difflib
import gzip
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from .errors import UnreadableFile

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
    signatures = {b"PK\x03\x04": ".xlsx", b"PAR1": ".parquet", b"{": ".jsonl", b"[{": ".json"}
    for signature, suffix in signatures.items():
        if text.startswith(signature):
            return suffix
    if text.startswith(b"[") and text[1:].lstrip().startswith(b"{"):
        return ".json"
    first, _, rest = text.partition(b"\n")
    for delimiter, suffix in ((b"\t", ".tsv"), (b",", ".csv")):
        num_cells = first.count(delimiter)
        if num_cells and rest and rest.split(b"\n")[0].count(delimiter) >= num_cells:
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


def _list_folder(folder: Path, suffixes: Sequence[str]) -> list[Path]:
    """Every file that is not hidden; one that no reader takes is an error, never left out."""
    files = sorted(
        file
        for file in folder.rglob("*")
        if file.is_file()
        and not any(part.startswith(".") for part in file.relative_to(folder).parts)
    )
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
