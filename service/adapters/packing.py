"""A version's files as one .zip, which is made while it is sent."""

import zipfile
from collections.abc import Iterator

from finetune.adapters.files import FILES
from finetune.adapters.version import AdapterVersion

CHUNK = 1 << 20  # [bytes]


class Outgoing:
    """What an archive has written and nobody has sent yet."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """Nothing is held open."""

    def take(self) -> bytes:
        taken, self._parts = b"".join(self._parts), []
        return taken


def pack(version: AdapterVersion) -> Iterator[bytes]:
    """The files that move with an adapter, in one folder; `POST /v1/adapters` takes them so."""
    outgoing = Outgoing()
    with zipfile.ZipFile(outgoing, "w") as archive:
        for name in FILES:
            if (version.folder / name).is_file():
                yield from _add(archive, outgoing, version, name)
    yield outgoing.take()


def _add(
    archive: zipfile.ZipFile, outgoing: Outgoing, version: AdapterVersion, name: str
) -> Iterator[bytes]:
    path = version.folder / name
    entry = zipfile.ZipInfo.from_file(path, f"{version.name}-{version.number}/{name}")
    with path.open("rb") as source, archive.open(entry, "w") as packed:
        while data := source.read(CHUNK):
            packed.write(data)
            yield outgoing.take()
