"""Takes back jobs whose worker has gone silent; the third time a job's worker dies, the job is set aside."""

import logging

from sqlalchemy.orm import Session, sessionmaker

from db.queries import reap

log = logging.getLogger(__name__)


class Reaper:
    """One duty of the scheduler."""

    def __init__(self, sessions: sessionmaker[Session]) -> None:
        self._sessions = sessions

    def run_once(self) -> int:
        """Take back every job whose lease has run out; returns how many."""
        with self._sessions.begin() as session:
            taken_back = reap.reap(session)
        for job in taken_back:
            log.warning("job %d: worker %s is silent; now %s", job.job_id, job.worker_id, job.state)
        return len(taken_back)
