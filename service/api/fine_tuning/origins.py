"""What a job begins with: the base, or an adapter that it goes on from."""

from dataclasses import dataclass

from service.errors import MAX_SHOWN, InvalidRequest
from service.models import Models
from service.running import named_base

FINE_TUNED = "ft:"  # names in OpenAI's form begin with it


@dataclass(frozen=True, slots=True)
class Origin:
    model: str  # the base's id, or name@version
    base: str  # as runs are told it
    adapter: str | None = None  # the name of the one that a job goes on from


class Origins:
    def __init__(self, models: Models, base: str) -> None:
        self._models = models
        self._base = base  # as the server was told it

    def find(self, model: str) -> Origin:
        """What `model` means for the caller. Reads files.

        Raises ModelNotFound, AdapterRefused or InvalidRequest.
        """
        asked = self._models.base_id if model == self._base else model
        base = named_base(self._base)
        entries = self._models.find_entries(asked)
        if not entries:
            return Origin(self._models.base_id, base)
        first, name = entries[0], self._models.plain_name(asked)
        is_alone = name in (first.name, str(first)) or name.startswith(FINE_TUNED)
        if not is_alone or not first.number.isdecimal():
            raise InvalidRequest(
                f"A job goes on from one version of one adapter, as it is, and not from "
                f"{model[:MAX_SHOWN]!r}. Name it alone, as in tcm or tcm@3.",
                "model",
            )
        return Origin(str(first), base, first.name)
