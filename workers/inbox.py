"""Names that senders and workers agree on; standard library only, so that a sender needs nothing of a worker.

A message is a doorbell: it names a job, and the database says whether there is anything to do.
"""

from collections.abc import Callable, Iterable

#: Takes (job id, queue) pairs; returns once the broker has them all, raises if it may not have.
Sender = Callable[[Iterable[tuple[int, str]]], None]

#: The one task: `convert(job_id)`.
CONVERT = "convert"

#: Where jobs go by default.
DEFAULT_QUEUE = "default"
#: Jobs that ran out of memory once: for a worker with more of it, where there is one.
LARGE_QUEUE = "large"

QUEUES = (DEFAULT_QUEUE, LARGE_QUEUE)
