"""The base that an adapter was trained on, found again or recognised."""

from pathlib import Path

from data.wording import _
from finetune.bases.base import Base, find_base
from finetune.bases.gguf_base import GgufBase
from finetune.errors import BaseMismatch, BaseNotFound

from .card import read_card
from .fit import Fit
from .lora import read_settings


def find_trained_base(adapter: Path, spec: str | None, home: Path) -> Base:
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


def named_base(adapter: Path) -> str:
    """What an adapter's own files call its base. Raises BaseNotFound or AdapterInvalid."""
    card = read_card(adapter)
    named = card.base_spec if card else read_settings(adapter).base_model_name_or_path
    if not named:
        told = _("{folder} does not say what its base is. Give it with --base.")
        raise BaseNotFound(told.format(folder=adapter))
    return named


def check_base(adapter: object, folder: Path, base: Base | GgufBase) -> None:
    """Raises BaseMismatch where the adapter's card, or without one its configuration, tells of
    another base."""
    card = read_card(folder)
    if card is None:
        Fit(base).check_name(adapter, read_settings(folder).base_model_name_or_path)
    elif found := card.base.fingerprint.differences(base.fingerprint):
        trained = _(
            "The adapter {adapter} was trained on {own!r}, not on {base!r}: {differences}. Give "
            "its own base with --base {own}."
        )
        imported = _(
            "The adapter {adapter} was imported for {own!r}, not for {base!r}: {differences}. Give "
            "its own base with --base {own}."
        )
        told = (imported if card.imported else trained).format(
            adapter=adapter, own=card.base.id, base=base.id, differences=_("; ").join(found)
        )
        raise BaseMismatch(told)
