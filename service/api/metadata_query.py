"""What a list is asked of metadata, as OpenAI's clients write it in a query."""

from collections.abc import Iterable

from service.errors import InvalidRequest

NO_METADATA = ("metadata", "null")  # asks for what has none


def wanted_metadata(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """What is wanted, written as metadata[key]=value. Raises InvalidRequest for another form."""
    wanted: dict[str, str] = {}
    for name, value in pairs:
        if name == "metadata" and (name, value) != NO_METADATA:
            raise InvalidRequest(
                "Write metadata[key]=value, or metadata=null for what has none.", "metadata"
            )
        if name.startswith("metadata[") and name.endswith("]"):
            key = name[len("metadata[") : -1]
            if wanted.setdefault(key, value) != value:
                raise InvalidRequest("metadata: a key can have one value.", "metadata")
    return wanted
