"""The lease of one running job: renewed by a thread of its own, and the job stops when it cannot be.

A worker that cannot renew must assume that another one has the job by now. It stops its child before the
lease runs out by the database's clock, so that two children seldom run and two results never count.
"""

import enum
import logging
import threading
import time
from types import TracebackType
from typing import Self

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from db.queries import live_log, queue
from db.records import LogTail
from workers.live_log import LiveLog

log = logging.getLogger(__name__)

#: How soon a failed renewal is tried again, in seconds.
_RETRY_SECONDS = 2.0
#: The least time between two renewals that only tell of a new stage, in seconds.
_STAGE_SECONDS = 0.5
#: How often it is looked whether the job's children said anything, in seconds. What they said is a write of one row, so
#: this bounds what a talkative job costs; one that says nothing, or is done sooner, costs none.
LOG_SECONDS = 2.0


class Stop(enum.Enum):
    """Why a running job was told to stop."""

    LOST = "lost"
    """The lease was not renewed in time, or another attempt has begun."""
    CANCELLED = "cancelled"
    """Someone asked."""
    DRAINED = "drained"
    """The worker is shutting down."""


class Lease:
    """A context that keeps one claim alive; `stop` is set, with a `reason`, when the job must end."""

    def __init__(
        self,
        sessions: sessionmaker[Session],
        job_id: int,
        fence: int,
        *,
        lease_seconds: float,
        heartbeat_seconds: float,
    ) -> None:
        self.job_id = job_id
        self.fence = fence
        self.stop = threading.Event()
        self.reason: Stop | None = None
        #: Whether this attempt counts no more, whatever the job was told to stop for before.
        self.lost = False
        self.stage: str | None = None
        self.log = LiveLog()
        """What the job's children say; the end of it is written while they run."""
        self._stage_seconds: dict[str, float] = {}
        self._sessions = sessions
        self._lease_seconds = lease_seconds
        self._heartbeat_seconds = heartbeat_seconds
        self._fence_seconds = lease_seconds - heartbeat_seconds
        self._progress: float | None = None
        self._untold: LogTail | None = None
        self._stage_started = time.monotonic()
        self._wake = threading.Condition()
        self._news = False
        self._closed = False
        self._fencing: threading.Timer | None = None
        self._thread = threading.Thread(target=self._beat_until_closed, name=f"lease-{job_id}", daemon=True)

    def __enter__(self) -> Self:
        self._arm(time.monotonic())
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._wake:
            self._closed = True
            self._wake.notify()
        self._thread.join()
        if self._fencing is not None:
            self._fencing.cancel()

    def enter(self, stage: str) -> None:
        """The job goes on to `stage`; written with the next renewal, which comes early for it."""
        self._stage_seconds = self.stage_seconds()
        self._stage_started = time.monotonic()
        with self._wake:
            self.stage, self._progress, self._news = stage, None, True
            self._wake.notify()

    def stage_seconds(self) -> dict[str, float]:
        """Seconds spent in each stage so far, in the order in which they came."""
        if self.stage is None:
            return {}
        return {**self._stage_seconds, self.stage: round(time.monotonic() - self._stage_started, 4)}

    def progress(self, share: float) -> None:
        """`share` (0 to 1) of the stage is done; written with the next renewal."""
        self._progress = share

    def end(self, reason: Stop) -> None:
        """Tell the job to stop; the first reason stands."""
        with self._wake:
            self.lost = self.lost or reason is Stop.LOST
            if self.reason is None:
                self.reason = reason
                self.stop.set()

    def _arm(self, asked_at: float) -> None:
        """Count down anew to fencing ourselves; a timer, because a renewal may hang as well as fail."""
        if self._fencing is not None:
            self._fencing.cancel()
        # The database counted from some moment after the question was put, so counting from there is safe.
        left = max(0.0, self._fence_seconds - (time.monotonic() - asked_at))
        self._fencing = threading.Timer(left, self.end, args=(Stop.LOST,))
        self._fencing.daemon = True
        self._fencing.start()

    def _beat_until_closed(self) -> None:
        beat_at = time.monotonic() + self._heartbeat_seconds
        while True:
            pause = min(max(0.0, beat_at - time.monotonic()), LOG_SECONDS)
            with self._wake:
                self._wake.wait_for(lambda: self._closed or self._news, timeout=pause)
                if not self._closed and self._news:
                    # Quick stages follow one another within milliseconds: let them pass, write where they
                    # end up.
                    self._wake.wait_for(lambda: self._closed, timeout=_STAGE_SECONDS)
                if self._closed or self.stop.is_set():
                    return
                due = self._news or time.monotonic() >= beat_at
                self._news = False
            self._untold = self.log.look() or self._untold
            if due:
                beat_at = time.monotonic() + (self._heartbeat_seconds if self._beat() else _RETRY_SECONDS)
            elif self._untold is not None:
                self._tell_log(self._untold)

    def _tell_log(self, tail: LogTail) -> None:
        try:
            with self._sessions.begin() as session:
                live_log.tell(session, self.job_id, self.fence, tail)
        except SQLAlchemyError as error:
            log.warning("job %d: log not told: %s", self.job_id, str(error).splitlines()[0])
        else:
            self._untold = None

    def _beat(self) -> bool:
        """Renew once; False when it should be tried again soon."""
        asked_at = time.monotonic()
        try:
            with self._sessions.begin() as session:
                beat = queue.heartbeat(
                    session,
                    self.job_id,
                    self.fence,
                    self._lease_seconds,
                    stage=self.stage,
                    progress=self._progress,
                    log=self._untold,
                )
        except SQLAlchemyError as error:
            log.warning("job %d: lease not renewed: %s", self.job_id, str(error).splitlines()[0])
            return False
        self._untold = None
        if not beat.alive:
            self.end(Stop.LOST)
        elif beat.cancel:
            self.end(Stop.CANCELLED)
        else:
            self._arm(asked_at)
        return True
