"""Where data comes from: a file, packed or not, every file of a folder, or standard input."""

import difflib
import gzip
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, cast

from data.errors import Fault, UnreadableFile
from data.wording import _

from .files.folder import PACKED, advice_for, is_lock, list_folder, suffix_of
from .files.kinds import HEAD
from .files.llama_factory import columns_of
from .files.tabbed import is_tab_table
from .shapes import find_shape

STDIN = "-"
IN_MEMORY = 64 << 20  # [bytes] of standard input, before it goes to a temporary file


@dataclass(frozen=True, slots=True)
class Source:
    """`suffix` says how it is read, in lower case; `open` gives a file that can be rewound;
    `columns` are what fields are called in it, where a file beside it says so."""

    name: str
    suffix: str
    open: Callable[[], BinaryIO]
    columns: Mapping[str, str] = field(default_factory=dict[str, str])


def find_sources(path: str | Path, suffixes: Sequence[str]) -> list[Source | Fault]:
    """Find the sources of one path, with a warning of what was passed over; raises UnreadableFile
    where there is nothing, or something else."""
    if str(path) == STDIN:
        return [_standard_input()]
    path = Path(path)
    try:
        if path.is_dir():
            files, passed = list_folder(path, suffixes)
            return [*([passed] if passed else []), *map(_source, files)]
        return [_source(_check_file(path, suffixes))]
    except OSError as error:
        told = _("{reason}; check the path and its rights")
        raise UnreadableFile(path, told.format(reason=error.strerror)) from error


def _source(path: Path) -> Source:
    suffix, columns = suffix_of(path), columns_of(path)

    def open_file() -> BinaryIO:
        is_packed = path.name.lower().endswith(PACKED)
        return cast(BinaryIO, gzip.open(path)) if is_packed else path.open("rb")

    if suffix == ".txt" and not path.name.lower().endswith(PACKED):
        with path.open("rb") as file:
            suffix = ".tsv" if is_tab_table(file.read(HEAD)) else suffix
    return Source(str(path), suffix, open_file, columns)


def _standard_input() -> Source:
    """All of it, since reading it needs more than one look; what it is, its beginning says."""
    file = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 - its readers close it
    try:
        shutil.copyfileobj(sys.stdin.buffer, file)
    except BaseException:
        file.close()
        raise
    file.seek(0)
    suffix = guess_suffix(file.read(1 << 16))
    file.seek(0)
    return Source("standard input", suffix, lambda: cast(BinaryIO, file))


def guess_suffix(head: bytes) -> str:
    """What a file without a name would be called, by its beginning."""
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    first, _, more = text.partition(b"\n")
    for signature, suffix in {
        b"PK\x03\x04": ".xlsx",
        b"PAR1": ".parquet",
        b"%PDF-": ".pdf",
    }.items():
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
        told = _("there is no such file; {advice}")
        raise UnreadableFile(path, told.format(advice=_suggest(path)))
    if is_lock(path):
        raise UnreadableFile(path, _("is Office's lock of a file that is open; give that file"))
    suffix = suffix_of(path)
    if suffix not in suffixes:
        shown = repr(suffix) if suffix else _("a name without a suffix")
        usual = _("give it one of {suffixes}").format(suffixes=", ".join(suffixes))
        told = _("cannot read {shown}; {advice}")
        advice = advice_for(suffix) or usual
        raise UnreadableFile(path, told.format(shown=shown, advice=advice))
    return path


def _suggest(path: Path) -> str:
    folder = path.parent
    if not folder.is_dir():
        return _("its folder {folder} does not exist either").format(folder=folder)
    names = sorted(each.name for each in folder.iterdir())
    similar = difflib.get_close_matches(path.name, names, n=1)
    if similar:
        return _("did you mean {path}?").format(path=folder / similar[0])
    return _("look into the folder {folder}").format(folder=folder)
