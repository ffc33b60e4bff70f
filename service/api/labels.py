"""What every answer to one request is labelled with."""

import time
from dataclasses import dataclass
from uuid import uuid4

from service.models import ResolvedModel

from .protocol import Chunk


@dataclass(frozen=True, slots=True)
class Labels:
    id: str
    model: str  # as the request names it
    pinned: str  # the exact versions that answer
    disclaimer: str | None
    ending: str  # that is put behind the text of each answer
    created: int

    def head(self, kind: str) -> Chunk:
        """What every chunk of a stream begins with."""
        return {
            "id": self.id,
            "object": kind,
            "created": self.created,
            "model": self.model,
            "system_fingerprint": self.pinned,
        }


def new_labels(prefix: str, model: str, resolved: ResolvedModel, ending: str) -> Labels:
    return Labels(
        f"{prefix}-{uuid4().hex}",
        model,
        resolved.pinned,
        resolved.disclaimer,
        ending,
        int(time.time()),
    )
