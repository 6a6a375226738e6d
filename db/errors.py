"""Every way a query can refuse."""


class DatabaseError(Exception):
    """The database cannot be used as asked."""


class LeaseLost(DatabaseError):
    """Another worker may hold this job now: stop, discard, report nothing."""

    def __init__(self, job_id: int, fence: int) -> None:
        super().__init__(f"job {job_id}: attempt {fence} no longer holds the lease")
        self.job_id = job_id
        self.fence = fence


class UnknownBatch(DatabaseError):
    """No batch has this number."""

    def __init__(self, batch_id: int) -> None:
        super().__init__(f"no batch {batch_id}")
        self.batch_id = batch_id


class NothingToDo(DatabaseError):
    """What is asked for cannot be done in the state that it is in; one line says to what and why."""
