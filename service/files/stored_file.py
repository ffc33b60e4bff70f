"""A file as it stands in the database, and what it may be called."""

import unicodedata
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal, get_args

Purpose = Literal["fine-tune", "fine-tune-results"]
PURPOSES: tuple[Purpose, ...] = get_args(Purpose)
FileStatus = Literal["uploaded", "processed", "error"]
ID_PREFIX = "file-"
LONGEST = 200  # [bytes] of a name; systems allow 255
NO_NAME = "file"
SUFFIXES = 2  # of a name that are kept whole: .jsonl.gz
LONGEST_SUFFIX = 12  # [characters]; what is longer is none
NOT_IN_NAMES = '<>:"/\\|?*'  # on some system
DEVICES = {"CON", "PRN", "AUX", "NUL", *(f"{n}{i}" for n in ("COM", "LPT") for i in range(1, 10))}


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """One file. All times are Unix seconds."""

    id: str
    key_id: str  # whose it is; "": nobody's key
    place: str  # the home that has its content
    filename: str  # safe as a file's name on any system
    purpose: Purpose
    num_bytes: int
    status: FileStatus
    status_details: str | None = None  # what is wrong with it
    num_conversations: int | None = None  # None: not known, or not checked yet
    created: int
    expires: int | None = None


def safe_name(given: str) -> str:
    """A file's name without the folders that it came with, as every system can have it."""
    last = unicodedata.normalize("NFC", given).replace("\\", "/").rstrip("/").rpartition("/")[2]
    shown = "".join(each for each in last if each.isprintable())
    name = shown.translate(dict.fromkeys(map(ord, NOT_IN_NAMES), "_")).strip(". ")
    if not name or name == "-":
        return NO_NAME
    if name.partition(".")[0].upper().strip() in DEVICES:
        name = f"_{name}"
    suffix = "".join(PurePosixPath(name).suffixes[-SUFFIXES:])
    suffix = suffix if len(suffix) <= LONGEST_SUFFIX else ""
    stem = name.removesuffix(suffix).encode()[: LONGEST - len(suffix.encode())]
    return stem.decode(errors="ignore").rstrip(". ") + suffix
