"""JSON bodies as strictly as the standard has them.

What Python's reader lets through otherwise, two readers may understand differently: a key that
stands twice, NaN and Infinity.
"""

import json
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import HTTPException, Request, Response
from fastapi.routing import APIRoute

MAX_SHOWN = 60  # [characters] of a key in a message


def read_json(body: bytes) -> Any:
    """Raises JSONDecodeError, or HTTPException for what is wrong in no one place."""
    try:
        return json.loads(body, object_pairs_hook=_as_object, parse_constant=_refuse)
    except json.JSONDecodeError:
        raise
    except RecursionError as error:
        raise _refusal("is nested too deeply") from error
    except UnicodeDecodeError as error:
        raise _refusal(f"is not {error.encoding.upper()} at byte {error.start}") from error
    except ValueError as error:  # an integer of thousands of digits
        raise _refusal("holds a number that is too long") from error


class StrictRoute(APIRoute):
    """A route that reads its body by `read_json`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_strictly(request: Request) -> Response:
            return await handle(_StrictRequest(request.scope, request.receive))

        return handle_strictly


class _StrictRequest(Request):
    async def json(self) -> Any:
        return read_json(await self.body())


def _as_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for key, value in pairs:
        if key in made:
            raise _refusal(f"has the key {key[:MAX_SHOWN]!r} twice in one object")
        made[key] = value
    return made


def _refuse(constant: str) -> None:
    raise _refusal(f"holds {constant}, which is no JSON number")


def _refusal(fault: str) -> HTTPException:
    return HTTPException(400, f"The body {fault}")
