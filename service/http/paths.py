"""A request's path as the routes know it, and the endpoint there."""

from starlette.types import Scope

from .endpoints import Endpoint, find_endpoint


def path_of(scope: Scope) -> str:
    """The path without what a proxy in front of the server has taken off, and uvicorn put back."""
    path, root = str(scope["path"]), str(scope.get("root_path", ""))
    is_below = path == root or path.startswith(f"{root}/")
    return path[len(root) :] if root and is_below else path


def endpoint_of(scope: Scope) -> Endpoint:
    return find_endpoint(scope["method"], path_of(scope))
