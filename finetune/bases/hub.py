"""Base models from the model hub: downloaded once, and what to do where the hub is out of reach."""

import os
from collections.abc import Mapping
from pathlib import Path

from data.wording import N_, _
from finetune.errors import BaseNotFound

PATTERNS = ["*.json", "*.safetensors", "*.model", "*.jinja", "tokenizer*"]
ENDPOINT = "HF_ENDPOINT"  # huggingface_hub's: the address of another hub
OFFLINE = "HF_HUB_OFFLINE"  # and whether it may ask for anything
MIRROR = "https://hf-mirror.com"  # one that many use
BY_HAND = N_(
    "or download the model's folder where you can, carry it here, and give its path: --base DIR (a "
    ".gguf file will do, too)."
)


def download(hub_id: str, *, only_here: bool = False) -> Path:
    """The folder of a hub id, as huggingface_hub keeps it. Raises BaseNotFound."""
    import httpx
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
    )

    try:
        return Path(snapshot_download(hub_id, allow_patterns=PATTERNS, local_files_only=only_here))
    except GatedRepoError as error:
        told = _(
            "{hub_id} is gated: accept its licence on its hub page, then set HF_TOKEN to your "
            "access token and try again (mirrors want it, too); {or_by_hand}"
        )
        raise BaseNotFound(told.format(hub_id=hub_id, or_by_hand=_(BY_HAND))) from error
    except (
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        httpx.HTTPError,
        OSError,
    ) as error:
        told = _("{hub_id} cannot be had from the model hub ({error}). {way_out}").format(
            hub_id=hub_id, error=type(error).__name__, way_out=way_out(os.environ)
        )
        raise BaseNotFound(told) from error


def way_out(environment: Mapping[str, str]) -> str:
    """What to try, by what the environment says of the hub."""
    if environment.get(OFFLINE, "").upper() in {"1", "ON", "YES", "TRUE"}:
        return _(
            "{variable} is set, so it was looked for on this machine alone: unset it and check the "
            "name and the network; {or_by_hand}"
        ).format(variable=OFFLINE, or_by_hand=_(BY_HAND))
    if address := environment.get(ENDPOINT):
        return _(
            "{variable} names the hub {address}: check that address, the name and the network; "
            "{or_by_hand}"
        ).format(variable=ENDPOINT, address=address, or_by_hand=_(BY_HAND))
    return _(
        "Check the name and the network. Where the hub is out of reach, name a mirror of it in the "
        "environment (one that many use: {variable}={mirror}) and try again; {or_by_hand}"
    ).format(variable=ENDPOINT, mirror=MIRROR, or_by_hand=_(BY_HAND))
