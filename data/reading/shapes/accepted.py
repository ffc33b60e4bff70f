"""What a row may hold, in words, and how to say which of its keys is what."""

from collections.abc import Iterable, Mapping
from typing import Any

from data.reading import proposals
from data.wording import _

from .advice import advise


def accepted(fields: Mapping[str, Any]) -> str:
    """What a row may hold instead of these fields, and how to say which of them is what."""
    return advise(fields) or proposals.accepted([fields])


def show_keys(keys: Iterable[str]) -> str:
    if not keys:
        return _("no keys")
    return _("the keys {keys}").format(keys=", ".join(map(repr, keys)))
