"""The leases a worker holds, and how it lets go of them when it is told to stop."""

import contextlib
import threading
from collections.abc import Iterator

from sqlalchemy.orm import Session, sessionmaker

from db.queries.queue import Claim
from workers.lease import Lease, Stop
from workers.settings import WorkerSettings


class Leases:
    """Every lease of this process."""

    def __init__(self) -> None:
        self._held: set[Lease] = set()
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
        """Keep the claim's lease alive while the context is open."""
        lease = Lease(
            sessions,
            claim.job_id,
            claim.fence,
            lease_seconds=settings.lease_seconds,
            heartbeat_seconds=settings.heartbeat_seconds,
        )
        with lease:
            with self._lock:
                self._held.add(lease)
                if self._giving_back:
                    lease.end(Stop.DRAINED)
            try:
                yield lease
            finally:
                with self._lock:
                    self._held.discard(lease)

    def drain(self, grace_seconds: float) -> None:
        """Begin no job from now on; whatever still runs after `grace_seconds` is stopped and handed back.

        Called from a signal handler, so it takes no lock here and returns at once.
        """
        if self._draining:
            return
        self._draining = True
        timer = threading.Timer(grace_seconds, self._give_back)
        timer.daemon = True
        timer.start()

    def _give_back(self) -> None:
        with self._lock:
            self._giving_back = True
            for lease in self._held:
                lease.end(Stop.DRAINED)
