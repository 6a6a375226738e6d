"""The one stream of a tab. A proxy must not hold it back, nor a browser keep it."""

from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import StreamingResponse

from dashboard import services
from dashboard.pages.feed import MOST_TABS, Feed, TooManyTabs
from dashboard.problems import Problem
from dashboard.security.access import Viewer

router = APIRouter()

_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


@router.get("/live")
async def live(
    request: Request,
    viewer: Viewer,
    after: Annotated[int | None, Query(ge=0)] = None,
    last_event_id: Annotated[str | None, Header()] = None,
) -> StreamingResponse:
    """Which jobs change, as it happens, at most once a second."""
    del viewer  # Whoever may look may listen.
    state = request.app.state
    if not hasattr(state, "feed"):
        state.feed = Feed(services.of(request).reads)
    seen = int(last_event_id) if last_event_id and last_event_id.isdecimal() else after
    return StreamingResponse(
        await _begun(state.feed.follow(seen)), media_type="text/event-stream", headers=_HEADERS
    )


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
