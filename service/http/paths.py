"""A request's path as the routes know it."""

from starlette.types import Scope


def path_of(scope: Scope) -> str:
    """The path without what a proxy in front of the server has taken off, and uvicorn put back."""
    path, root = str(scope["path"]), str(scope.get("root_path", ""))
    is_below = path == root or path.startswith(f"{root}/")
    return path[len(root) :] if root and is_below else path
