"""The Celery task: hear the doorbell, do the job. When to try again is for `workers.verdict` to say."""

import logging

from celery import Celery

from workers import inbox, verdict
from workers.convert_job import Shop, convert_job

log = logging.getLogger(__name__)


def register(app: Celery, shop: Shop) -> None:
    """Give `app` the one task, bound to what this process has."""

    def convert(job_id: int) -> None:
        try:
            convert_job(shop, job_id)
        except verdict.DATABASE_DOWN as error:
            # Nothing was claimed, or the lease will run out: either way the scheduler rings again.
            log.warning("job %d: %s", job_id, str(error).splitlines()[0])

    app.task(convert, name=inbox.CONVERT)
