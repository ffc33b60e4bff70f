"""What is wrong with a file that is no JSON: what it is instead, or what JSON does not have."""

import json
import re

POINTER = "version https://git-lfs.github.com/spec/"
MARKUP = re.compile(r"<(?:!doctype|html|head|body|\?xml|!--)", re.IGNORECASE)
EXCUSES = ("404: Not Found", "Entry not found", "Invalid username or password")
DOWNLOAD = "the data; download it again, by the link to the file itself"
NUM_SHOWN = 40  # [characters]


def mistaken_for(text: str) -> tuple[str, str] | None:
    """What it is and what is expected instead; None of anything that may be JSON."""
    beginning = text[:1000].lstrip()
    shown = repr(beginning[:NUM_SHOWN])
    if beginning.startswith(POINTER):
        return "a Git LFS pointer, and not the file it stands for", "the data: run git lfs pull"
    if MARKUP.match(beginning):
        return f"a web page, which begins with {shown}", DOWNLOAD
    if beginning.startswith(EXCUSES):
        return f"a server's message, {shown}", DOWNLOAD
    return None


def explain(error: ValueError | RecursionError) -> str:
    """The error, with what people write and JSON does not have."""
    if not isinstance(error, json.JSONDecodeError):
        return str(error)
    before, after = error.doc[: error.pos].rstrip(), error.doc[error.pos :].lstrip()
    if after.startswith(("//", "/*", "#")):
        return f"a comment, which JSON does not have: {after[:NUM_SHOWN].splitlines()[0]!r}"
    if before.endswith(",") and after[:1] in ("]", "}"):
        return f"a comma behind the last of {'a list' if after[0] == ']' else 'an object'}"
    if after.startswith("'") or before.endswith("'"):
        return f"single quotes, where JSON has double ones: {after[:NUM_SHOWN]!r}"
    return str(error)
