"""Which of several servers answers a request.

- Each model has its homes: servers in an order of their own for each model, by rendezvous hashing
  (Thaler and Ravishankar, 1998), so that a server that comes or goes moves no other model. A model
  has one home more for every `FULL` requests of it that run; a home that has far more than its
  share of all requests passes new ones on (consistent hashing with bounded loads, Mirrokni and
  others, 2016).
- Of the homes that have proven the model already, the one with the fewest requests answers; where
  none has, of all servers that have.
- A conversation stays where its prompt's beginning was computed, unless others have far less to do.
"""

import math
from collections.abc import Sequence
from hashlib import blake2b
from typing import TypeVar

from serving.engine import Blend, Request

from .conversations import Conversations
from .pushed import model_of, push_name
from .server import VllmServer

FULL = 8  # requests of one model at one home, before it gets another
SHARE = 1.25  # of the requests that a server would have, were all alike
FAITHFUL = 4  # requests more than elsewhere, that a conversation puts up with

Servers = Sequence[VllmServer]
Kept = TypeVar("Kept", bound=VllmServer)


class Router:
    """Remembers where conversations were."""

    def __init__(self) -> None:
        self._conversations = Conversations()

    def pick(self, request: Request, servers: Servers) -> tuple[VllmServer, Servers]:
        """The server for a request, and the homes that should get its model for others to come.

        `servers` are those that take requests, at least one.
        """
        name, prompt_ids = push_name(request.blend), request.prompt_ids
        homes = homes_of(request.blend, servers)
        holding = [server for server in homes if server.holds(name)]
        elsewhere = [server for server in servers if server.holds(name)]  # a home has come back
        least = min(holding or elsewhere or homes, key=lambda server: server.num_running)
        known = self._conversations.find(name, prompt_ids)
        stays = (server for server in servers if server.url == known and server.holds(name))
        before = next(stays, None)
        is_close = before is not None and before.num_running <= least.num_running + FAITHFUL
        picked = before if before is not None and is_close else least
        self._conversations.note(name, prompt_ids, picked.url)
        return picked, [server for server in homes if server not in holding and server != picked]


def homes_of(blend: Blend, servers: Servers) -> Servers:
    """Those that should have what `blend` names, for what is asked of it at present; every server
    has the base."""
    key = model_of(blend)
    ranking = ranked(key, servers)
    if not blend:
        return ranking
    count = min(1 + sum(server.load_of(key) for server in servers) // FULL, len(ranking))
    running = sum(server.num_running for server in servers)
    bound = max(FULL, math.ceil(SHARE * (running + 1) / len(servers)))
    while count < len(ranking) and all(each.num_running >= bound for each in ranking[:count]):
        count += 1
    return ranking[:count]


def ranked(key: str, servers: Sequence[Kept]) -> list[Kept]:
    """All of them, the first home first."""
    return sorted(servers, key=lambda each: blake2b(f"{key} {each.url}".encode()).digest())
