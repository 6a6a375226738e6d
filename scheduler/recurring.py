"""Fires what repeats, and lists the batches that come of it.

Any number of schedulers may: a tick is a row that only one can insert, and a batch is kept by one planner at a time.
"""

import logging
import time
from collections.abc import Callable

from sqlalchemy.orm import Session, sessionmaker

from db.queries import schedules
from scheduler import cron
from scheduler.plan import plan
from scheduler.selection import Selection
from storage.store import ObjectStore

log = logging.getLogger(__name__)

_KEPT_SECONDS = 120.0
"""A page takes seconds at most; a planner that is silent for so long is gone, and another goes on."""


class Ticker:
    """One duty of the scheduler: fires each tick once, those missed as one."""

    def __init__(self, sessions: sessionmaker[Session], converter_version: str) -> None:
        self._sessions = sessions
        self._version = converter_version

    def run_once(self) -> int:
        """Start what waited for a batch that is finished, fire what is due; returns how many were fired."""
        with self._sessions.begin() as session:
            schedules.start_waiting(session, self._version)
        with self._sessions() as session:
            candidates = schedules.candidates(session)
        fired = 0
        for due in candidates:
            try:
                tick = cron.latest_tick(due.cron, due.timezone, due.after, due.now)
            except cron.BadSchedule as error:
                # Checked when it was made; this machine may know fewer time zones than that one.
                log.warning("schedule %s: %s", due.name, error)
                continue
            if tick is None:
                continue
            with self._sessions.begin() as session:
                outcome = schedules.fire(session, due.id, tick, self._version)
            if outcome is not None:
                log.info("schedule %s, %s: %s", due.name, tick.isoformat(), outcome)
                fired += 1
        return fired


class Planner:
    """One duty of the scheduler: lists batches of schedules, some seconds at a time, from checkpoint to checkpoint."""

    def __init__(
        self,
        sessions: sessionmaker[Session],
        open_store: Callable[[str], ObjectStore],
        *,
        seconds: float = 10.0,
    ) -> None:
        self._sessions = sessions
        self._open_store = open_store
        self._seconds = seconds

    def run_once(self) -> int:
        """Go on with one batch; returns how many jobs came of it.

        Raises:
            storage.errors.StorageError: its source cannot be listed; it is tried again in two minutes.
        """
        with self._sessions.begin() as session:
            found = schedules.claim_planning(session, _KEPT_SECONDS)
        if found is None:
            return 0
        deadline = time.monotonic() + self._seconds
        new = 0
        selection = Selection.of_json(found.selection)
        for page in plan(self._sessions, self._open_store(found.source_url), found.batch_id, selection):
            new += page.new
            late = time.monotonic() > deadline
            with self._sessions.begin() as session:
                schedules.keep_planning(session, found.batch_id, 0 if late else _KEPT_SECONDS)
            if late:
                break
        return new
