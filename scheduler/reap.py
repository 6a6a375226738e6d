"""Takes back jobs whose worker has gone silent; the third time a job's worker dies, the job is set aside.

Unless the database was away: then leases ran out that nobody could renew, and workers gave up jobs that did them no
harm. What is found lost within a lease of such an outage is taken back and not counted.
"""

import logging
import time

from sqlalchemy.orm import Session, sessionmaker

from db.queries import reap

log = logging.getLogger(__name__)


class Reaper:
    """One duty of the scheduler. `silence_seconds` without an answer of the database count as an outage."""

    def __init__(
        self, sessions: sessionmaker[Session], *, lease_seconds: float = 90, silence_seconds: float = 45
    ) -> None:
        self._sessions = sessions
        self._lease_seconds = lease_seconds
        self._silence_seconds = silence_seconds
        self._answered: float | None = None
        self._counts_from = 0.0

    def run_once(self) -> int:
        """Take back every job whose lease has run out; returns how many."""
        asked = time.monotonic()
        if self._answered is not None and asked - self._answered > self._silence_seconds:
            self._counts_from = asked + self._lease_seconds
        with self._sessions.begin() as session:
            taken_back = reap.reap(session, counted=asked >= self._counts_from)
        self._answered = time.monotonic()
        for job in taken_back:
            log.warning("job %d: worker %s is silent; now %s", job.job_id, job.worker_id, job.state)
        return len(taken_back)
