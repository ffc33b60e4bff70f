"""Feedback that was given elsewhere, read: Open WebUI's export, OpenAI's preferences, a table.

Open WebUI's is the JSON of its admin's page (/api/v1/evaluations/feedbacks/all/export): a list of
ratings, each with a snapshot of the chat. An answer that was edited there keeps what it was in
`originalContent`. A table has the columns question, answer, correction; or 问题, 回答, 更正.
"""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from data.errors import UnreadableFile
from data.reading.encoding import open_text
from data.wording import _

COLUMNS = {
    "question": ("question", "prompt", "问题", "提问"),
    "answer": ("answer", "response", "回答", "答案"),
    "correction": ("correction", "corrected", "更正", "修正", "正确答案"),
    "note": ("note", "comment", "备注", "说明"),
}
ROLES = ("system", "user", "assistant")
MOST = 1 << 28  # [bytes] of a file: JSON is read whole


@dataclass(frozen=True, slots=True)
class Brought:
    """What somebody has said elsewhere of an answer."""

    where: str  # in the file
    messages: list[dict[str, Any]]  # in OpenAI's shape, the answer left out
    answer: str
    model: str | None = None  # as it was called there
    rating: int | None = None
    correction: str | None = None
    reasons: list[str] = field(default_factory=list[str])
    note: str | None = None
    created: int | None = None  # [Unix seconds]

    @property
    def digest(self) -> str:
        """What it is known by when the file is brought again."""
        said = [self.messages, self.answer, self.rating, self.correction, self.note]
        text = json.dumps(said, ensure_ascii=False)
        return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True)
class LeftOut:
    where: str
    why: str


def is_said_of(adapter: str, model: str | None) -> bool:
    """Whether a model's name elsewhere means the adapter: alone, with a version, or behind the
    prefix of a connection. Where no model is named, it does."""
    own = (model or adapter).partition("@")[0].partition(":")[0]
    return own == adapter or own.endswith(f".{adapter}")


def read_feedback(path: Path) -> Iterator[Brought | LeftOut]:
    """Everything in a file, in its order. Raises UnreadableFile where it is none of the three."""
    try:
        if path.stat().st_size > MOST:
            told = _("is larger than {most} MiB; divide it").format(most=MOST >> 20)
            raise UnreadableFile(path, told)
        with path.open("rb") as raw, open_text(raw, str(path)) as file:
            text = file.read()
    except OSError as error:
        raise UnreadableFile(path, error.strerror or str(error)) from error
    if path.suffix.lower() in (".csv", ".tsv"):
        yield from _from_table(path, text)
    elif text.lstrip().startswith("["):
        yield from _from_open_webui(path, text)
    else:
        yield from _from_preferences(path, text)


def _from_open_webui(path: Path, text: str) -> Iterator[Brought | LeftOut]:
    try:
        entries: Any = json.loads(text)
    except ValueError as error:
        raise UnreadableFile(path, _("is no JSON: {error}").format(error=error)) from None
    for number, entry in enumerate(entries, start=1):
        where = _("entry {number}").format(number=number)
        try:
            yield _rated(where, entry)
        except (KeyError, TypeError, AttributeError, ValueError):
            yield LeftOut(where, _why_not(entry))


def _rated(where: str, entry: Mapping[str, Any]) -> Brought:
    data, meta = entry["data"], entry["meta"]
    chat = entry["snapshot"]["chat"]
    known: Mapping[str, Any] = chat.get("chat", chat)["history"]["messages"]
    rated = known[meta["message_id"]]
    given = rated.get("originalContent") or rated["content"]
    is_edited = given != rated["content"]
    _texts([{**rated, "content": given}, rated])  # both are text
    *before, _rated_itself = _branch(known, meta["message_id"])
    if rated["role"] != "assistant":
        raise ValueError
    rating = data.get("rating")
    reasons = [each for each in (data.get("reason"), *(data.get("tags") or ())) if each]
    return Brought(
        where,
        _texts(before),
        given,
        model=data.get("model_id") or rated.get("model"),
        rating=None if rating in (None, "") else max(-1, min(1, int(rating))),
        correction=rated["content"] if is_edited else None,
        reasons=[str(each)[:64] for each in dict.fromkeys(reasons)][:16],
        note=str(data.get("comment") or "")[:4000] or None,
        created=entry.get("created_at"),
    )


def _texts(messages: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Roles and texts; raises ValueError where there are none, or where they are no text."""
    found = [{"role": each["role"], "content": each["content"]} for each in messages]
    for each in found:
        is_text = isinstance(each["content"], str) and each["content"].strip()
        if each["role"] not in ROLES or not is_text:
            raise ValueError(each)
    if not found:
        raise ValueError(found)
    return found


def _branch(messages: Mapping[str, Any], last: str) -> list[Mapping[str, Any]]:
    """All from the first question to a message: a chat may have several branches."""
    found: list[Mapping[str, Any]] = []
    seen: set[str] = set()
    at: str | None = last
    while at is not None and at not in seen:
        seen.add(at)
        found.append(messages[at])
        at = messages[at].get("parentId")
    return found[::-1]


def _why_not(entry: Any) -> str:
    if not isinstance(entry, Mapping):
        return _("is no rating")
    if not entry.get("snapshot"):
        return _("has no snapshot of its chat, so the question is not known")
    return _("its snapshot does not hold the rated answer and its question as text")


def _from_preferences(path: Path, text: str) -> Iterator[Brought | LeftOut]:
    for number, line in enumerate(io.StringIO(text), start=1):
        if not line.strip():
            continue
        where = _("line {number}").format(number=number)
        try:
            row = json.loads(line)
            (better,), (worse,) = row["preferred_output"], row["non_preferred_output"]
            asked = _texts(row["input"]["messages"])
            good, bad = _texts([better, worse])
            yield Brought(where, asked, bad["content"], None, -1, good["content"])
        except (KeyError, TypeError, ValueError):
            told = _("is no row with input.messages, preferred_output and non_preferred_output")
            yield LeftOut(where, told)


def _from_table(path: Path, text: str) -> Iterator[Brought | LeftOut]:
    lines = [*io.StringIO(text, newline="")]
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    if lines and lines[0].count(";") > lines[0].count(delimiter):
        delimiter = ";"
    reader = csv.DictReader(lines, delimiter=delimiter)
    heads = {name.strip().lower(): name for name in reader.fieldnames or ()}
    named = {
        key: next((heads[name] for name in names if name in heads), None)
        for key, names in COLUMNS.items()
    }
    if missing := [key for key in ("question", "answer", "correction") if named[key] is None]:
        told = _("has no column {missing}; its columns: {heads}")
        listed = ", ".join(reader.fieldnames or ())
        raise UnreadableFile(path, told.format(missing=", ".join(missing), heads=listed))
    for row in reader:
        where = _("line {number}").format(number=reader.line_num)
        cells = {key: (row.get(name or "") or "").strip() for key, name in named.items()}
        if not (cells["question"] and cells["answer"] and cells["correction"]):
            yield LeftOut(where, _("question, answer or correction is empty"))
            continue
        asked = [{"role": "user", "content": cells["question"]}]
        is_good = cells["answer"] == cells["correction"]
        yield Brought(
            where,
            asked,
            cells["answer"],
            rating=1 if is_good else -1,
            correction=None if is_good else cells["correction"],
            note=cells["note"] or None,
        )
