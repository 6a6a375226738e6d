"""What happens, told to every open tab: one reader of the events for all of them.

Events are read from the database once a second, however many tabs there are, and each tab gets the same bytes. A tab
is told which jobs changed, not how: it asks for what it shows. Only of the log of a running attempt, which changes all
the time and by a few lines, a tab that shows it is told what is new.
"""

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncGenerator, Collection
from datetime import UTC, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker
from starlette.concurrency import run_in_threadpool

from dashboard.pages.watched import Watched, news
from db.models import Event
from db.records import LogTail

log = logging.getLogger(__name__)

SECONDS = 1.0
SILENCE = 15.0
MOST_TABS = 500
_AT_ONCE = 500
#: So much older than an event that was read may one be that comes behind it: far more than a statement takes. Events
#: of earlier months are then not looked for in each of their partitions.
_LATE = timedelta(days=1)
_WAITING = 32


class TooManyTabs(Exception):
    """So many streams are open that another would harm them all."""


class Feed:
    """Reads events while anybody listens."""

    def __init__(self, sessions: sessionmaker[Session]) -> None:
        self._sessions = sessions
        self._tabs: dict[asyncio.Queue[bytes], Watched | None] = {}
        self._task: asyncio.Task[None] | None = None
        self._last = 0
        self._at = datetime.fromtimestamp(0, UTC)
        """When the last event happened, by the database's clock."""

    async def follow(self, after: int | None, watched: Watched | None = None) -> AsyncGenerator[bytes, None]:
        """Server-sent events; `after`: the last one that this tab has seen; `watched`: the log that it shows.

        Raises: TooManyTabs.
        """
        if len(self._tabs) >= MOST_TABS:
            raise TooManyTabs
        queue: asyncio.Queue[bytes] = asyncio.Queue(_WAITING)
        self._tabs[queue] = watched
        try:
            if self._task is None or self._task.done():
                await run_in_threadpool(self._begin)
                self._task = asyncio.create_task(self._read())
            # Sent at once, so that the browser has a place to resume from and knows that it is connected.
            if after is not None and after < self._last:
                yield _message(self._last, set(), many=True)
            else:
                yield f"id: {self._last}\nretry: 3000\n: connected\n\n".encode()
            while True:
                try:
                    yield await asyncio.wait_for(queue.get(), SILENCE)
                except TimeoutError:
                    yield b": nothing new\n\n"
        finally:
            del self._tabs[queue]

    async def _read(self) -> None:
        while self._tabs:
            await asyncio.sleep(SECONDS)
            shown = {watched: queue for queue, watched in self._tabs.items() if watched is not None}
            try:
                message = await run_in_threadpool(self._look)
                grown = await run_in_threadpool(self._look_at, shown) if shown else []
            except SQLAlchemyError as error:
                # The database is away; the tabs stay, and hear what was missed when it is back.
                log.warning("events cannot be read: %s", type(error).__name__)
                continue
            if message is not None:
                for queue in self._tabs:
                    _tell(queue, message)
            for watched, tail in grown:
                _tell(shown[watched], watched.message(tail))

    def _begin(self) -> None:
        with self._sessions() as session:
            self._go_to_newest(session)

    def _look_at(self, logs: Collection[Watched]) -> list[tuple[Watched, LogTail]]:
        with self._sessions() as session:
            return news(session, logs)

    def _look(self) -> bytes | None:
        with self._sessions() as session:
            rows = session.execute(
                select(Event.id, Event.job_id, Event.at)
                .where(Event.id > self._last, Event.at >= self._at - _LATE)
                .order_by(Event.id)
                .limit(_AT_ONCE + 1)
            ).all()
            if not rows:
                return None
            many = len(rows) > _AT_ONCE
            if many:
                self._go_to_newest(session)
            else:
                self._last, self._at = rows[-1].id, rows[-1].at
        jobs = set() if many else {row.job_id for row in rows if row.job_id is not None}
        return _message(self._last, jobs, many=many)

    def _go_to_newest(self, session: Session) -> None:
        newest = session.execute(select(Event.id, Event.at).order_by(Event.id.desc()).limit(1)).one_or_none()
        if newest is not None:
            self._last, self._at = newest


def _tell(queue: asyncio.Queue[bytes], message: bytes) -> None:
    if queue.full():
        # A tab that does not read: what it missed it learns from the next page it asks for.
        with contextlib.suppress(asyncio.QueueEmpty):
            queue.get_nowait()
    queue.put_nowait(message)


def _message(event_id: int, jobs: set[int], *, many: bool) -> bytes:
    """One event: which jobs changed; `many`: more than are worth naming."""
    data = json.dumps({"jobs": sorted(jobs), "many": many})
    return f"id: {event_id}\nevent: change\ndata: {data}\n\n".encode()
