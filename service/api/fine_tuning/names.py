"""The names of the adapters that jobs make, and whose they are."""

import re
from pathlib import PurePosixPath

from finetune.adapters.versions import NAME, check_has_versions, folder_names
from finetune.errors import AdapterInvalid
from service.accounts.caller import current_caller
from service.accounts.keys import Keys
from service.errors import InvalidRequest, NameTaken
from service.models import Models

MAX_LENGTH = 64
NAMELESS = "adapter"  # where a file's name has nothing that a name can have


class AdapterNames:
    """Every method reads files or asks the database, and so belongs into a thread."""

    def __init__(self, models: Models, keys: Keys, base: str) -> None:
        self._adapters = models.store.adapters
        self._keys = keys
        self._bases = (models.base_id, base)

    def choose(self, suffix: str | None, parent: str | None, filename: str) -> str:
        """The suffix, or else the adapter that the job goes on from, or else the file's stem.

        Raises InvalidRequest where there can be no version of that name.
        """
        name = suffix or parent or name_from(filename)
        if name in self._bases:
            raise InvalidRequest(
                f"{name!r} is the base model's name. Choose another one for the adapter.", "suffix"
            )
        try:
            check_has_versions(self._adapters, name)
        except AdapterInvalid as error:
            raise InvalidRequest(
                f"The adapter {name!r} has been copied in as it is, and takes no further versions. "
                "Choose another name.",
                "suffix",
            ) from error
        return name

    def is_new(self, name: str) -> bool:
        """Whether a name is to be the caller's from now on. Raises NameTaken where they may not
        use it, and it is there already or another key has it."""
        caller = current_caller.get()
        if caller.may_use(name):
            return False
        allowed = [key for key in self._keys.all() if name in (key.adapters or ())]
        holders = {key.id for key in allowed if key.revoked is None}
        if caller.owner in holders:  # since a moment ago
            return False
        if holders or name in folder_names(self._adapters):
            raise NameTaken(name)
        return True

    def give(self, name: str, key_id: str) -> None:
        """Let a key use an adapter by that name from now on."""
        self._keys.allow(key_id, name)


def name_from(filename: str) -> str:
    """An adapter's name that a file's name comes near."""
    stem = PurePosixPath(filename.removesuffix(".gz")).stem
    name = re.sub(r"[^\w.-]+", "-", stem).lstrip("-.")[:MAX_LENGTH].rstrip("-.")
    return name if NAME.fullmatch(name) else NAMELESS
