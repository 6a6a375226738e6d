"""The one stream of a tab. A proxy must not hold it back, nor a browser keep it."""

import time
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import StreamingResponse
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool

from dashboard import services
from dashboard.pages.feed import MOST_TABS, Feed, TooManyTabs
from dashboard.pages.watched import Watched
from dashboard.problems import Problem
from dashboard.security.access import Viewer
from dashboard.security.authenticate import authenticate

router = APIRouter()

SECONDS = 60.0
_LARGEST = 2**63 - 1
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


@router.get("/live")
async def live(
    request: Request,
    viewer: Viewer,
    after: Annotated[int | None, Query(ge=0)] = None,
    last_event_id: Annotated[str | None, Header()] = None,
    job: Annotated[int | None, Query(ge=1, le=_LARGEST)] = None,
    attempt: Annotated[int, Query(ge=1, le=_LARGEST)] = 1,
    said: Annotated[int, Query(ge=0, le=_LARGEST)] = 0,
) -> StreamingResponse:
    """Which jobs change, as it happens, at most once a second; and what the `attempt` at `job` says after the first
    `said` characters of its log.
    """
    del viewer  # Whoever may look may listen.
    state = request.app.state
    if not hasattr(state, "feed"):
        state.feed = Feed(services.of(request).reads)
    seen = int(last_event_id) if last_event_id and last_event_id.isdecimal() else after
    watched = None if job is None else Watched(job, attempt, said)
    return StreamingResponse(
        while_known(request, await _begun(state.feed.follow(seen, watched))),
        media_type="text/event-stream",
        headers=_HEADERS,
    )


async def while_known(request: Request, stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """`stream`, which ends within a minute after whoever asked for it has signed out or been shut out.

    An open tab is no sign that somebody sits before it, so looking does not keep a session alive.
    """
    looked = time.monotonic()
    async for message in stream:
        yield message
        if time.monotonic() - looked >= SECONDS:
            looked = time.monotonic()
            if not await run_in_threadpool(_may_listen, request):
                return


def _may_listen(request: Request) -> bool:
    try:
        return authenticate(request, note=False) is not None
    except SQLAlchemyError:  # as for everything else that this stream tells: when the database is back
        return True


async def _begun(stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The stream, once it is known that it may be had."""
    try:
        first = await anext(stream)
    except TooManyTabs:
        raise Problem(
            HTTPStatus.SERVICE_UNAVAILABLE,
            f"{MOST_TABS} streams are open already",
            headers={"Retry-After": "30"},
        ) from None

    async def all_of_it() -> AsyncIterator[bytes]:
        yield first
        async for message in stream:
            yield message

    return all_of_it()
