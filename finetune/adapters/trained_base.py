"""The base that an adapter was trained on, found again or recognised."""

from pathlib import Path

from data.wording import _
from finetune.bases.base import Base, find_base
from finetune.bases.gguf_base import GgufBase
from finetune.errors import BaseNotFound

from .fit import Fit
from .version import AdapterVersion


def find_trained_base(adapter: AdapterVersion, spec: str | None, home: Path) -> Base:
    """What `spec` means, or without one what the adapter's own files name.

    Raises BaseNotFound, BaseUnusable or AdapterInvalid.
    """
    if spec is not None:
        return find_base(spec, home)
    named = named_base(adapter)
    try:
        return find_base(named, home)
    except BaseNotFound as error:
        told = _("{error} The adapter names it; say with --base where it is.")
        raise BaseNotFound(told.format(error=error)) from error


def named_base(adapter: AdapterVersion) -> str:
    """What an adapter's own files call its base. Raises BaseNotFound or AdapterInvalid."""
    card = adapter.card
    named = card.base_spec if card else adapter.settings.base_model_name_or_path
    if not named:
        told = _("{folder} does not say what its base is. Give it with --base.")
        raise BaseNotFound(told.format(folder=adapter))
    return named


def check_base(adapter: AdapterVersion, base: Base | GgufBase) -> None:
    """Raises BaseMismatch where the adapter's card, or without one its configuration, tells of
    another base."""
    if adapter.card is None:
        Fit(base).check_name(adapter, adapter.settings.base_model_name_or_path)
    else:
        adapter.card.check_base(adapter, base.fingerprint, repr(base.id))
