"""A file or a folder of files, made conversations; the one door through which data comes in."""

import difflib
from collections.abc import Callable
from functools import partial
from pathlib import Path

from .conversation import Conversation
from .dialogue import read_dialogue
from .encoding import decode
from .errors import Fault, InvalidData, UnreadableFile
from .records import read_csv, read_json, read_jsonl

READERS: dict[str, Callable[[str, str], list[Conversation]]] = {
    ".txt": read_dialogue,
    ".md": read_dialogue,
    ".jsonl": read_jsonl,
    ".json": read_json,
    ".csv": read_csv,
    ".tsv": partial(read_csv, delimiter="\t"),
}
SUPPORTED = ", ".join(READERS)


def read_conversations(path: Path) -> list[Conversation]:
    """Read a file, or every file of a folder and its subfolders in sorted order.

    Raises UnreadableFile if there is nothing to read or the one file is not text, and
    InvalidData, which carries every fault of every file, if what was read is malformed.
    """
    try:
        is_folder = path.is_dir()
        files = _list_folder(path) if is_folder else [_check_file(path)]
    except OSError as error:
        raise UnreadableFile(f"{path}: {error.strerror}; check the path and its rights") from error
    conversations: list[Conversation] = []
    faults: list[Fault] = []
    for file in files:
        try:
            conversations += _read_file(file)
        except InvalidData as error:
            faults += error.faults
        except UnreadableFile as error:
            if not is_folder:
                raise
            seen = str(error).removeprefix(f"{file}: ")
            faults.append(Fault(str(file), 1, "file", seen, "a readable text file"))
    if faults:
        raise InvalidData(f"{path}: faults in the data: {len(faults)}", faults)
    return conversations


def _read_file(file: Path) -> list[Conversation]:
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise UnreadableFile(f"{file}: {error.strerror}; check its rights") from error
    text = decode(raw, str(file))
    if not text.strip():
        raise UnreadableFile(f"{file}: is empty; write questions and answers into it")
    return READERS[file.suffix.lower()](text, str(file))


def _check_file(path: Path) -> Path:
    if not path.exists():
        raise UnreadableFile(f"{path}: there is no such file; {_suggest(path)}")
    if path.suffix.lower() not in READERS:
        suffix = repr(path.suffix) if path.suffix else "a name without a suffix"
        raise UnreadableFile(f"{path}: cannot read {suffix}; give it one of {SUPPORTED}")
    return path


def _suggest(path: Path) -> str:
    folder = path.parent
    if not folder.is_dir():
        return f"its folder {folder} does not exist either"
    names = sorted(each.name for each in folder.iterdir())
    similar = difflib.get_close_matches(path.name, names, n=1)
    return f"did you mean {folder / similar[0]}?" if similar else f"look into the folder {folder}"


def _list_folder(folder: Path) -> list[Path]:
    """Every file that is not hidden; one that no reader takes is an error, never left out."""
    files = sorted(
        file
        for file in folder.rglob("*")
        if file.is_file()
        and not any(part.startswith(".") for part in file.relative_to(folder).parts)
    )
    if not files:
        raise UnreadableFile(f"{folder}: holds no files; put files into it that end in {SUPPORTED}")
    unsupported = [str(file) for file in files if file.suffix.lower() not in READERS]
    if unsupported:
        raise UnreadableFile(
            f"{folder}: cannot read {', '.join(unsupported)}; "
            f"move them away or convert them to one of {SUPPORTED}"
        )
    return files
