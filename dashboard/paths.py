"""Paths, whatever path a proxy shows the application under."""

from starlette.types import Scope


def path_within(scope: Scope) -> str:
    """The path of a request as routes have it: without `root_path`, where the server has put that in front."""
    path, root = str(scope["path"]), str(scope.get("root_path", ""))
    return path.removeprefix(root) if path.startswith(f"{root}/") else path
