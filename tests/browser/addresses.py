"""Which addresses show a page, by the routes of the application, so that no new page is forgotten."""

import re
from collections.abc import Iterator, Mapping

from fastapi.routing import iter_route_contexts
from sqlalchemy.orm import sessionmaker
from starlette.routing import Mount

from dashboard.app import create_app
from dashboard.services import Services
from storage import open_store
from tests.dashboard import seed

_NO_PAGES = ("/api/", "/healthz", "/readyz", "/metrics", "/live", "/static")
"""What programs ask for, and files."""
FOR_OPERATORS = ("/new",)
"""Pages that are of no use to whoever may only look."""
_DOWNLOADS = ("/jobs/{number}/files/{name}",)
_ELSEWHERE = ("/people", "/welcome")
"""Of administrators, and of who has a link: see `test_people`."""
_JOBS = (
    *(
        "vision/classifier_003.h5",
        "vision/classifier_011.h5",
        "custom/gate.h5",
        "big/dies.h5",
        "slow/again.h5",
    ),
    *("run/now.h5", "wait/first.h5", "later/a.h5", seed.HOSTILE[1]),
)
_VARIANTS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "/jobs": (("", ""), ("", "?q=state:failed&col=state&col=error"), ("", "?q=key:nothing")),
    "/jobs/act": (("", "?what=retry&q=state:failed"), ("", "?what=cancel&q=key:nothing")),
    "/jobs/{number}": tuple((key, "") for key in _JOBS),
    "/jobs/{number}/parity": (("vision/classifier_003.h5", ""),),
    "/jobs/{number}/log": (("run/now.h5", ""),),
    "/jobs/{number}/compare": (("big/dies.h5", "?a=1&b=3"),),
}
"""Of routes, the pages worth seeing where the first of anything, asked nothing, will not do: a job's key, a query."""


def pages() -> list[tuple[str, str, str]]:
    """Every page, as the route's path, the key of the job that it shows ("": the first of what it is), and a query."""
    return [(path, key, query) for path in _paths() for key, query in _VARIANTS.get(path, (("", ""),))]


def address(path: str, key: str, query: str, jobs: Mapping[str, int]) -> str:
    """Where that is, given jobs by key."""
    return re.sub(r"\{\w+\}", str(jobs[key] if key else 1), path) + query


def _paths() -> Iterator[str]:
    nothing = Services(reads=sessionmaker(), writes=sessionmaker(), open_store=open_store, version="0")
    for route in iter_route_contexts(create_app(nothing).routes):
        path = str(route.path)
        is_page = not path.startswith(_NO_PAGES) and path not in {*_DOWNLOADS, *_ELSEWHERE}
        if is_page and not isinstance(route.original_route, Mount) and "GET" in (route.methods or ()):
            yield path
