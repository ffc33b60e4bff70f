"""What is wrong with a file that is no JSON: what it is instead, or what JSON does not have."""

import json
import re

from data.wording import N_, _

POINTER = "version https://git-lfs.github.com/spec/"
MARKUP = re.compile(r"<(?:!doctype|html|head|body|\?xml|!--)", re.IGNORECASE)
EXCUSES = ("404: Not Found", "Entry not found", "Invalid username or password")
DOWNLOAD = N_("the data; download it again, by the link to the file itself")
NUM_SHOWN = 40  # [characters]
# What Python's decoder says, to be found in the catalogue.
PROBLEMS = (
    N_("Expecting value"),
    N_("Expecting ',' delimiter"),
    N_("Expecting ':' delimiter"),
    N_("Expecting property name enclosed in double quotes"),
    N_("Extra data"),
    N_("Unterminated string starting at"),
    N_("Invalid control character at"),
    N_("Invalid \\escape"),
)


def mistaken_for(text: str) -> tuple[str, str] | None:
    """What it is and what is expected instead; None of anything that may be JSON."""
    beginning = text[:1000].lstrip()
    shown = repr(beginning[:NUM_SHOWN])
    if beginning.startswith(POINTER):
        seen = _("a Git LFS pointer, and not the file it stands for")
        return seen, _("the data: run git lfs pull")
    if MARKUP.match(beginning):
        return _("a web page, which begins with {shown}").format(shown=shown), _(DOWNLOAD)
    if beginning.startswith(EXCUSES):
        return _("a server's message, {shown}").format(shown=shown), _(DOWNLOAD)
    return None


def explain(error: ValueError | RecursionError) -> str:
    """The error, with what people write and JSON does not have."""
    if not isinstance(error, json.JSONDecodeError):
        return str(error)
    before, after = error.doc[: error.pos].rstrip(), error.doc[error.pos :].lstrip()
    if after.startswith(("//", "/*", "#")):
        shown = after[:NUM_SHOWN].splitlines()[0]
        return _("a comment, which JSON does not have: {shown!r}").format(shown=shown)
    if before.endswith(",") and after[:1] in ("]", "}"):
        if after[0] == "]":
            return _("a comma behind the last of a list")
        return _("a comma behind the last of an object")
    if after.startswith("'") or before.endswith("'"):
        shown = after[:NUM_SHOWN]
        return _("single quotes, where JSON has double ones: {shown!r}").format(shown=shown)
    return _("{problem}: line {line} column {column} (char {position})").format(
        problem=_(error.msg), line=error.lineno, column=error.colno, position=error.pos
    )
