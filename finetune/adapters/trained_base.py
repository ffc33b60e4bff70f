"""The base that an adapter was trained on, found again or recognised."""

from pathlib import Path

from finetune.bases.base import Base, find_base
from finetune.bases.gguf_base import GgufBase
from finetune.errors import BaseMismatch, BaseNotFound

from .card import AdapterCard, read_card
from .lora import read_lora


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
        raise BaseNotFound(f"{error} The adapter names it; say with --base where it is.") from error


def named_base(adapter: Path) -> str:
    """What an adapter's own files call its base. Raises BaseNotFound or AdapterInvalid."""
    card = read_card(adapter)
    named = card.base_spec if card else read_lora(adapter).base_model_name_or_path
    if not named:
        raise BaseNotFound(f"{adapter} does not say what its base is. Give it with --base.")
    return named


def check_base(adapter: object, card: AdapterCard | None, base: Base | GgufBase) -> None:
    """Raises BaseMismatch where the card says that the adapter was trained on another base."""
    if card and (found := card.base.fingerprint.differences(base.fingerprint)):
        raise BaseMismatch(
            f"The adapter {adapter} was trained on {card.base.id!r}, not on {base.id!r}: "
            f"{'; '.join(found)}. Give its own base with --base {card.base.id}."
        )
