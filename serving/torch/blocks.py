"""KV blocks: who holds which, which of the free ones still know a prefix.

A full block is known by the digest of everything up to its end: the namespace (adapter versions
and their scales) and all token ids. So two adapters never share one, and a sequence finds
its prefix by walking its own digests. A block nobody holds is free and keeps what it knows until
it is taken, least recently used first.
"""

from collections import OrderedDict
from collections.abc import Iterable, Sequence


class BlockPool:
    def __init__(self, num_blocks: int) -> None:
        self.num_blocks = num_blocks
        self._holders = [0] * num_blocks
        self._free: OrderedDict[int, None] = OrderedDict.fromkeys(range(num_blocks))
        self._digests: list[bytes | None] = [None] * num_blocks
        self._known: dict[bytes, int] = {}

    @property
    def num_free(self) -> int:
        return len(self._free)

    def find(self, digests: Iterable[bytes]) -> list[int]:
        """The blocks of the longest known prefix."""
        found: list[int] = []
        for digest in digests:
            block = self._known.get(digest)
            if block is None:
                break
            found.append(block)
        return found

    def num_free_without(self, blocks: Iterable[int]) -> int:
        """How many would be free if these were held."""
        return len(self._free) - sum(block in self._free for block in blocks)

    def hold(self, blocks: Iterable[int]) -> None:
        for block in blocks:
            self._holders[block] += 1
            self._free.pop(block, None)

    def take(self) -> int:
        """A free block to write to; what it knew is forgotten. Raises KeyError if none is free."""
        block, _ = self._free.popitem(last=False)
        self._forget(block)
        self._holders[block] = 1
        return block

    def remember(self, block: int, digest: bytes) -> None:
        """Let others find a full block; of two with the same content the first is found."""
        if digest not in self._known:
            self._known[digest] = block
            self._digests[block] = digest

    def release(self, blocks: Sequence[int]) -> None:
        """Let go of a sequence's blocks. Its last ones are the first to be taken again."""
        for block in reversed(blocks):
            self._holders[block] -= 1
            if self._holders[block] == 0:
                self._free[block] = None
                if self._digests[block] is None:
                    self._free.move_to_end(block, last=False)

    def forget_all(self) -> None:
        """Know no prefix any more: what blocks hold may be half written."""
        self._known.clear()
        self._digests = [None] * self.num_blocks

    def _forget(self, block: int) -> None:
        digest = self._digests[block]
        if digest is not None:
            del self._known[digest]
            self._digests[block] = None
