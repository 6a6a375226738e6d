"""The leases a worker holds, and how it lets go of them when it is told to stop."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

from sqlalchemy.orm import Session, sessionmaker

from db.errors import LeaseLost
from db.queries.queue import Claim
from workers.lease import Lease, Stop
from workers.pace import Pace
from workers.settings import WorkerSettings


class Leases:
    """Every lease of this process."""

    def __init__(self) -> None:
        self._held: dict[Lease, float] = {}
        """When each is likely to end, by the monotonic clock; at once where nobody can say."""
        self._pace = Pace()
        self._lock = threading.Lock()
        self._draining = False
        self._giving_back = False

    @property
    def draining(self) -> bool:
        """Whether no new job may begin."""
        return self._draining

    @contextlib.contextmanager
    def hold(
        self, sessions: sessionmaker[Session], claim: Claim, settings: WorkerSettings
    ) -> Iterator[Lease]:
        """Keep the claim's lease alive while the context is open.

        Raises:
            LeaseLost: another thread here has this very claim. That can be where the answer to a COMMIT was lost: it
                was rolled back, and a second message made the same claim anew.
        """
        lease = Lease(
            sessions,
            claim.job_id,
            claim.fence,
            lease_seconds=settings.lease_seconds,
            heartbeat_seconds=settings.heartbeat_seconds,
        )
        began = time.monotonic()
        with self._lock:
            if any((held.job_id, held.fence) == (claim.job_id, claim.fence) for held in self._held):
                raise LeaseLost(claim.job_id, claim.fence)
            self._held[lease] = began + (self._pace.expected(claim.size) or 0)
            if self._giving_back:
                lease.end(Stop.DRAINED)
        try:
            with lease:
                yield lease
                if lease.reason is None:
                    self._pace.note(claim.size, time.monotonic() - began)
        finally:
            with self._lock:
                del self._held[lease]

    def drain(self, grace_seconds: float) -> None:
        """Begin no job from now on, and let go of what runs: see below.

        A job that is likely to need more than `grace_seconds` is stopped and handed back at once, since waiting would
        win nothing; the others once these have passed. To be told a second time means at once.

        Called from a signal handler, so it takes no lock here and returns at once.
        """
        if self._draining:
            grace_seconds = 0
        self._draining = True
        likely_by = time.monotonic() + grace_seconds
        _later(0, self._give_back, likely_by)
        _later(grace_seconds, self._give_back, None)

    def _give_back(self, likely_by: float | None) -> None:
        """Stop jobs that are likely to end after `likely_by`; without it, all, and whatever begins yet."""
        with self._lock:
            self._giving_back = self._giving_back or likely_by is None
            for lease, likely in self._held.items():
                if likely_by is None or likely > likely_by:
                    lease.end(Stop.DRAINED)


def _later(seconds: float, do: Callable[[float | None], None], argument: float | None) -> None:
    timer = threading.Timer(seconds, do, (argument,))
    timer.daemon = True
    timer.start()
