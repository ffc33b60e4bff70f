"""A request on its way, as the scheduler sees it: tokens, how many are computed, which blocks."""

import collections.abc
from hashlib import blake2b

from serving.engine import Blend, Request

BLOCK = 16  # [tokens] whose keys and values lie together
Tenant = tuple[str, ...]


def namespace(blend: Blend) -> str:
    """What keys and values depend on besides the tokens: adapter versions and scales."""
    return ";".join(sorted(f"{ref.sha256}*{scale!r}" for ref, scale in blend))


def root_digest(namespace: str) -> bytes:
    return blake2b(namespace.encode(), digest_size=16).digest()


def next_digest(parent: bytes, token_ids: collections.abc.Sequence[int]) -> bytes:
    """The digest of a full block, given that of the block before it."""
    content = b"".join(token_id.to_bytes(4, "little") for token_id in token_ids)
    return blake2b(parent + content, digest_size=16).digest()


class Sequence:
    def __init__(self, request: Request) -> None:
        self.request = request
        self.token_ids = list(request.prompt_ids)  # prompt and answer
        self.num_computed = 0  # tokens whose keys and values are in the cache
        self.num_cached = 0  # prompt tokens that were found there at the first admission
        self.was_preempted = False
        self.blocks: list[int] = []
        self._digests = [root_digest(namespace(request.blend))]  # [0]: before any block

    @property
    def tenant(self) -> Tenant:
        """Whom fairness is between: the adapters by name, whatever version or scale."""
        return tuple(sorted(ref.name for ref, _ in self.request.blend))

    @property
    def num_answered(self) -> int:
        return len(self.token_ids) - len(self.request.prompt_ids)

    @property
    def num_missing(self) -> int:
        """Tokens to compute before the next one can be chosen."""
        return len(self.token_ids) - self.num_computed

    def digest(self, index: int) -> bytes:
        """The digest of the full block at `index`."""
        while len(self._digests) <= index + 1:
            start = (len(self._digests) - 1) * BLOCK
            content = self.token_ids[start : start + BLOCK]
            self._digests.append(next_digest(self._digests[-1], content))
        return self._digests[index + 1]

    @property
    def prefix_digests(self) -> list[bytes]:
        """The digests of the full blocks that another sequence may have computed; the last token
        never is."""
        return [self.digest(index) for index in range((len(self.token_ids) - 1) // BLOCK)]


def num_blocks_for(num_tokens: int) -> int:
    return -(-num_tokens // BLOCK)
