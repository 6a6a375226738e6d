"""The Celery task: hear the doorbell, do the job. When to try again is for `workers.verdict` to say."""

import logging
import time

from celery import Celery
from sqlalchemy.exc import SQLAlchemyError

from db import outage
from workers import inbox
from workers.convert_job import Shop, convert_job

log = logging.getLogger(__name__)

_RETRY_SECONDS = 1.0


def register(app: Celery, shop: Shop) -> None:
    """Give `app` the one task, bound to what this process has."""

    def convert(job_id: int) -> None:
        # Without the database there is nothing else to do, and to drop the message would only empty the
        # broker: the scheduler would not ring for the same jobs again for a while.
        while not shop.leases.draining:
            try:
                convert_job(shop, job_id)
                while (large := shop.admission.next_large()) is not None:
                    convert_job(shop, large)
            except SQLAlchemyError as error:
                if not outage.is_outage(error):
                    raise
                log.warning("job %d not claimed: %s", job_id, str(error).splitlines()[0])
                time.sleep(_RETRY_SECONDS)
            else:
                return

    app.task(convert, name=inbox.CONVERT)
