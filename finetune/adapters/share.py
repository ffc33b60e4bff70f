"""A version that answers a share of the requests for its name, before it is promoted or not.

adapters/<name>/shared    that version, the promoted one beside it, and the share in percent
"""

import os
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from .pointer import read_pointer, write_pointer

SHARED_FILE = "shared"
MAX_RECORD = 192  # [bytes] that two versions' numbers and a share can take
WHOLE = 100  # [percent]


@dataclass(frozen=True, slots=True)
class Share:
    version: str
    beside: str  # the promoted version, without which the share means nothing
    percent: int  # of the requests for the bare name, 1 to 99

    def takes(self, asker: str, said: str) -> bool:
        """Whether a request belongs to it: the same one always does, or never."""
        digest = sha256(f"{self.version}\0{asker}\0{said}".encode("utf-8", "surrogatepass"))
        return int.from_bytes(digest.digest()[:8]) % WHOLE < self.percent


def read_share(folder: str) -> Share | None:
    """What is recorded in a name's folder, be it so still or not."""
    told = (read_pointer(f"{folder}{os.sep}{SHARED_FILE}", MAX_RECORD) or "").split()
    if len(told) != 3 or not told[2].isascii() or not told[2].isdecimal():
        return None
    percent = int(told[2])
    return Share(told[0], told[1], percent) if 0 < percent < WHOLE else None


def write_share(folder: Path, share: Share) -> None:
    """Let a version have its share from now on: in one step, to survive a power cut."""
    write_pointer(folder / SHARED_FILE, f"{share.version} {share.beside} {share.percent}")


def remove_share(folder: Path) -> None:
    (folder / SHARED_FILE).unlink(missing_ok=True)
