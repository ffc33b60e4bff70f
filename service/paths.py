"""A request's path as the routes know it."""

from starlette.types import Scope


def path_of(scope: Scope) -> str:
    """The path without what a proxy in front of the server has taken off, and uvicorn put back."""
    return scope["path"].removeprefix(scope.get("root_path", ""))
