"""A Celery worker as its documentation advises for work that must not be lost, with nothing of the fleet in it.

`celery -A tests.faults.plain_worker worker`; `PLAIN_BROKER` and `PLAIN_RECORD` say where it listens, and where it notes
what it has done.
"""

import os
import time

from celery import Celery

TASK = "plain.work"
VISIBILITY_SECONDS = 5
_TASK_SECONDS = 0.02

app = Celery("plain", broker=os.environ.get("PLAIN_BROKER", ""))
app.conf.update(
    task_acks_late=True,
    task_ignore_result=True,
    worker_prefetch_multiplier=1,
    worker_enable_remote_control=False,
    worker_send_task_events=False,
    broker_connection_retry_on_startup=True,
    # Soon, so that a test sees every message that will ever come again.
    broker_transport_options={
        "visibility_timeout": VISIBILITY_SECONDS,
        "unacked_restore_interval": 1,
        "unacked_restore_throttle": 1,
    },
)


def work(number: int) -> None:
    """Take a while, then note the number: one write of one line, which is whole or not there."""
    time.sleep(_TASK_SECONDS)
    record = os.open(os.environ["PLAIN_RECORD"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(record, f"{number}\n".encode())
    finally:
        os.close(record)


app.task(work, name=TASK)
