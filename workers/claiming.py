"""Claiming a job, also where nobody says whether it worked."""

import logging
import time

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from db import outage
from db.queries import queue
from db.queries.queue import Claim
from workers.drain import Leases

log = logging.getLogger(__name__)

_RETRY_SECONDS = 1.0


def claimed(
    sessions: sessionmaker[Session], worker_id: str, job_id: int, lease_seconds: float, leases: Leases
) -> Claim | None:
    """The job, claimed; None when it is not to be had.

    A COMMIT whose answer is lost may have been heard: then the job is ours, and to leave it would count as a lost
    attempt, of which a job has three. So the row is asked, for as long as the lease could have lasted.
    """
    claim: Claim | None = None
    until = time.monotonic() + lease_seconds
    try:
        with sessions.begin() as session:
            claim = queue.claim(session, job_id, worker_id, lease_seconds)
    except SQLAlchemyError as error:
        if claim is None or not outage.is_outage(error):
            raise
    else:
        return claim
    while time.monotonic() < until and not leases.draining:
        try:
            with sessions.begin() as session:
                return claim if queue.confirm(session, claim, worker_id, lease_seconds) else None
        except SQLAlchemyError as error:
            if not outage.is_outage(error):
                raise
            log.warning("job %d: claimed or not? %s", job_id, str(error).splitlines()[0])
            time.sleep(_RETRY_SECONDS)
    return None
