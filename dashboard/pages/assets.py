"""Style, scripts and icons: ours, and what `make setup` copied from npm. Each is asked for by its content's hash."""

import hashlib
from functools import lru_cache
from pathlib import Path

from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

FOLDER = Path(__file__).parent.parent / "static"


@lru_cache(maxsize=64)
def version_of(name: str) -> str:
    """The beginning of the hash of a file's content; "" if there is no such file."""
    path = FOLDER / name
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12] if path.is_file() else ""


def vendored() -> bool:
    """Whether htmx and uPlot are there. Without them every page can be read and every form sent."""
    return bool(version_of("vendor/htmx.min.js"))


class Assets(StaticFiles):
    """Files that a browser keeps for a year where their address names their content."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        named = scope["query_string"].decode("latin-1") == f"v={version_of(path)}"
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable" if named else "no-cache"
        return response
