"""The files of a folder: which are read, which are no data and passed over, and which are named."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from data.errors import Fault, UnreadableFile
from data.reading.listing import first_of
from data.wording import N_, _

PACKED = ".gz"
NUM_NAMED = 8
# What lies beside data and is none: by the beginning of a name, by a name, by a suffix.
PAPERS = (
    "readme",
    "license",
    "licence",
    "copying",
    "notice",
    "citation",
    "changelog",
    "contributing",
)
NAMES = (
    *(
        "dataset_info.json",
        "dataset_infos.json",
        "dataset_dict.json",
        "state.json",
        "croissant.json",
    ),
    *("requirements.txt", "makefile", "dockerfile", "thumbs.db", "desktop.ini", "package.json"),
)
SUFFIXES = (
    *(".py", ".ipynb", ".sh", ".js", ".ts", ".css", ".lock", ".toml", ".cfg", ".ini", ".cff"),
    *(".png", ".jpg", ".jpeg", ".gif", ".webp", ".svg", ".bmp", ".ico"),
    *(".mp3", ".wav", ".flac", ".ogg", ".mp4", ".avi", ".mov"),
    *(".tmp", ".temp", ".bak", ".swp", ".part", ".crdownload", ".log.lock"),
)
LOCKS = ("~$", "~wr", ".~lock")  # Office's, of a file that is open
# What to do with kinds of data that no reader takes.
ADVICE = {
    **dict.fromkeys(
        (".zip", ".rar", ".7z", ".tar", ".tgz", ".bz2", ".xz", ".zst"), N_("unpack it first")
    ),
    **dict.fromkeys((".xls", ".xlsm", ".xlsb", ".ods", ".numbers"), N_("save it as .xlsx")),
    **dict.fromkeys((".doc", ".odt", ".rtf", ".pages"), N_("save it as .docx")),
    **dict.fromkeys(
        (".pkl", ".pickle", ".pt", ".npy", ".arrow", ".feather"), N_("write it as .jsonl")
    ),
    **dict.fromkeys((".db", ".sqlite", ".sqlite3", ".sql", ".mdb"), N_("export the table as .csv")),
    **dict.fromkeys((".ppt", ".pptx", ".epub", ".xml"), N_("copy its text into a .txt file")),
}


def suffix_of(path: Path) -> str:
    """A file's suffix in lower case; that of the file inside a packed one."""
    return Path(path.name.lower().removesuffix(PACKED)).suffix


def is_lock(path: Path) -> bool:
    """Office's own file beside one that is open."""
    return path.name.lower().startswith(LOCKS)


def list_folder(folder: Path, suffixes: Sequence[str]) -> tuple[list[Path], Fault | None]:
    """Every file that is not hidden, in order, and a warning of those that are passed over.

    One that looks like data and that no reader takes is an error. Raises UnreadableFile, and
    OSError where one cannot be seen.
    """
    files = sorted(_walk(folder, set()))
    passed = [path for path in files if _is_no_data(path)]
    data = [path for path in files if path not in passed]
    if not data:
        nothing = N_("holds no files; put files into it that end in {suffixes}")
        only = N_("holds no files but {files}; put files into it that end in {suffixes}")
        told = _(only if passed else nothing)
        raise UnreadableFile(
            folder, told.format(files=_show(passed, folder), suffixes=", ".join(suffixes))
        )
    unsupported = [path for path in data if suffix_of(path) not in suffixes]
    if unsupported:
        named = _(", ").join(f"{path}{_advice(path)}" for path in unsupported)
        told = _("cannot read {files}; move them away or convert them to one of {suffixes}")
        raise UnreadableFile(folder, told.format(files=named, suffixes=", ".join(suffixes)))
    return data, _warning(folder, passed) if passed else None


def advice_for(suffix: str) -> str | None:
    """What to do with a file of a kind that is not read."""
    advice = ADVICE.get(suffix)
    return _(advice) if advice else None


def _advice(path: Path) -> str:
    advice = advice_for(suffix_of(path))
    return f" ({advice})" if advice else ""


def _warning(folder: Path, passed: Sequence[Path]) -> Fault:
    seen = _("{count} passed over that hold no questions: {files}").format(
        count=len(passed), files=_show(passed, folder)
    )
    expected = _("data alone; give such a file by its own name to have it read")
    return Fault(str(folder), 1, _("files"), seen, expected, "warning", N_("passed over"))


def _show(paths: Sequence[Path], folder: Path) -> str:
    shown = (str(path.relative_to(folder)) for path in paths)
    return first_of(shown, len(paths), NUM_NAMED)


def _is_no_data(path: Path) -> bool:
    name = path.name.lower()
    stem = name.partition(".")[0]
    is_paper = any(stem == each or stem.startswith((f"{each}_", f"{each}-")) for each in PAPERS)
    is_prose = Path(name).suffix in ("", ".md", ".txt", ".rst", ".html", ".pdf", ".cff")
    return (is_paper and is_prose) or name in NAMES or name.endswith(SUFFIXES) or is_lock(path)


def _walk(folder: Path, seen: set[Path]) -> Iterator[Path]:
    """Every file that is not hidden, behind links too; raises OSError where one cannot be seen."""
    if folder.resolve() in seen:
        return
    seen.add(folder.resolve())
    for path in folder.iterdir():
        if path.name.startswith(".") or path.name == "__pycache__":
            continue
        if path.is_dir():
            yield from _walk(path, seen)
        else:
            path.stat()  # raises for a link that leads nowhere
            yield path
