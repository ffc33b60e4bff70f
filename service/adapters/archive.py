"""A .zip of an adapter, unpacked without trusting a word of it."""

import errno
import stat
import struct
import zipfile
import zlib
from pathlib import Path

from service.errors import InvalidRequest

from .staging import MAX_SHOWN, StagedFiles

END = struct.Struct("<4s4H2LH")  # the record that a .zip ends with, where it has no comment
END_SIGNATURE = b"PK\x05\x06"
ZIP64_LOCATOR, ZIP64_SIZE = b"PK\x06\x07", 20  # what stands before it in a large one
MAX_ENTRIES = 16
MAX_DIRECTORY = 1 << 16  # [bytes] of the list of entries
MAX_RATIO = 100  # unpacked to packed; weights are near 1, texts near 5
SMALL = 1 << 16  # [bytes] below which no ratio is a bomb
CHUNK = 1 << 20  # [bytes]
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    ValueError,
    struct.error,
    NotImplementedError,
    RuntimeError,
)


def unpack(archive: Path, staged: StagedFiles) -> None:
    """Unpack into the staged files, and remove the archive.

    Raises InvalidRequest, UploadTooLarge or DiskFull.
    """
    _check_directory(archive)
    try:
        with zipfile.ZipFile(archive) as opened:
            for name, entry in _choose(opened.infolist(), staged.limit).items():
                _unpack_file(opened, entry, name, staged)
    except DAMAGED as error:
        raise _refused(f"is damaged or of another kind ({error})") from error
    except OSError as error:
        if error.errno != errno.EINVAL:  # of an offset before the file's beginning
            raise
        raise _refused("is damaged") from error
    archive.unlink()


def _check_directory(archive: Path) -> None:
    """Look at the list's size before anything reads all of it into memory."""
    with archive.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - END.size - ZIP64_SIZE))
        tail = file.read()
    if len(tail) < END.size or tail[-END.size :][:4] != END_SIGNATURE:
        raise _refused("is no .zip file, or not all of it, or has a comment at its end")
    _, _, _, _, num_entries, directory, _, comment = END.unpack(tail[-END.size :])
    is_large = tail[: -END.size][-ZIP64_SIZE:].startswith(ZIP64_LOCATOR)
    if num_entries > MAX_ENTRIES or directory > MAX_DIRECTORY or is_large or comment:
        raise _refused(f"has more than {MAX_ENTRIES} entries, a comment, or Zip64's own list")


def _choose(entries: list[zipfile.ZipInfo], limit: int) -> dict[str, zipfile.ZipInfo]:
    """The files by name, without the one folder that they may all lie in."""
    files: dict[str, zipfile.ZipInfo] = {}
    tops: set[str] = set()
    for entry in entries:
        top, name = _place(entry)
        tops.add(top)
        if name in files:
            raise _refused(f"holds {_shown(entry)} twice")
        if name:
            _check(entry, limit)
            files[name] = entry
    if len(tops) > 1:
        raise _refused("holds files in several folders")
    return files


def _place(entry: zipfile.ZipInfo) -> tuple[str, str]:
    """Top folder and file; the file is empty for the folder itself."""
    parts = entry.filename.split("/")
    mode = entry.external_attr >> 16
    if entry.orig_filename != entry.filename or "\\" in entry.filename:
        raise _refused(f"holds {_shown(entry)}, which is no plain file name")
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise _refused(f"holds {_shown(entry)}, which is a link or a device")
    if len(parts) > 2 or any(part in (".", "..") for part in parts) or not parts[0]:
        raise _refused(f"holds {_shown(entry)}, which leads elsewhere or into a second folder")
    return ("", parts[0]) if len(parts) == 1 else (parts[0], parts[1])


def _check(entry: zipfile.ZipInfo, limit: int) -> None:
    if entry.flag_bits & 0x1:
        raise _refused(f"holds {_shown(entry)} encrypted")
    if entry.compress_type not in METHODS:
        raise _refused(f"holds {_shown(entry)} packed in a way other than deflate")
    is_bomb = entry.file_size > max(SMALL, MAX_RATIO * entry.compress_size)
    if is_bomb or entry.file_size > limit:
        raise _refused(
            f"unpacks {entry.compress_size} bytes to {entry.file_size} in {_shown(entry)}; at most "
            f"{limit}, and {MAX_RATIO} times as many, are unpacked"
        )


def _unpack_file(
    opened: zipfile.ZipFile, entry: zipfile.ZipInfo, name: str, staged: StagedFiles
) -> None:
    staged.begin(name)
    num_bytes = 0
    with opened.open(entry) as packed:
        while data := packed.read(CHUNK):
            num_bytes += len(data)
            staged.write(data)
    staged.end()
    if num_bytes != entry.file_size:
        raise _refused(f"holds {_shown(entry)} with another size than it says")


def _shown(entry: zipfile.ZipInfo) -> str:
    return repr(entry.filename[:MAX_SHOWN])


def _refused(problem: str) -> InvalidRequest:
    return InvalidRequest(f"The archive {problem}. Send a plain .zip of one adapter.", "file")
