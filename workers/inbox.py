"""Names that senders and workers agree on; standard library only, so that a sender needs nothing of a worker.

A message is a doorbell: it names a job, and the database says whether there is anything to do.
"""

#: The one task: `convert(job_id)`.
CONVERT = "convert"

#: Where jobs go by default.
DEFAULT_QUEUE = "default"
#: Jobs that ran out of memory once: for a worker with more of it, where there is one.
LARGE_QUEUE = "large"

QUEUES = (DEFAULT_QUEUE, LARGE_QUEUE)
