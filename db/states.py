"""Every state a row can be in, one sentence each, and the one table of allowed job transitions."""

from enum import StrEnum


class JobState(StrEnum):
    """Where one conversion stands."""

    QUEUED = "queued"
    """Waiting for a worker (perhaps until `run_at`)."""
    RUNNING = "running"
    """Claimed by one worker, which holds the lease named by `fence`."""
    SUCCEEDED = "succeeded"
    """The bundle is published and its parity proven."""
    FAILED = "failed"
    """Cannot succeed by trying again: refused file, unsupported layer, parity out of tolerance."""
    QUARANTINED = "quarantined"
    """Its process died too often; it waits for a person."""
    CANCELLED = "cancelled"
    """Stopped on request before it succeeded."""
    HELD = "held"
    """Would be queued, but its batch is paused."""


class BatchState(StrEnum):
    """Where one `migrate` request stands."""

    PLANNING = "planning"
    """The source is still being listed; jobs may already run."""
    RUNNING = "running"
    """Every job is known and some are not finished."""
    HELD = "held"
    """Paused by an operator: nothing new starts."""
    FINISHED = "finished"
    """Every job has reached a terminal state."""


class Overlap(StrEnum):
    """What a schedule does when its time comes while its last batch is unfinished."""

    SKIP = "skip"
    """Nothing: this run is left out."""
    QUEUE = "queue"
    """One run waits, however often the time came."""
    ALLOW = "allow"
    """Another batch beside it."""


class RunOutcome(StrEnum):
    """What became of one tick of a schedule."""

    STARTED = "started"
    """It has a batch."""
    WAITING = "waiting"
    """It gets one when the batch before it is finished."""
    SKIPPED = "skipped"
    """It never gets one: the batch before it was unfinished, or another run was waiting already."""


class AttemptOutcome(StrEnum):
    """How one try ended."""

    SUCCEEDED = "succeeded"
    """Converted, proven and published."""
    REUSED = "reused"
    """The same content was already converted; its result was adopted without work."""
    FAILED = "failed"
    """Ended with a permanent error."""
    RETRY = "retry"
    """Ended with a transient error; the job waits for another try, and the retry is counted."""
    POSTPONED = "postponed"
    """A store or the database was away; the job waits for it, longer each time, and nothing is counted."""
    CRASHED = "crashed"
    """The confined child died (signal, memory limit, time limit) and the worker saw it."""
    LOST = "lost"
    """The lease ran out: the worker died, hung, or lost the database."""
    DRAINED = "drained"
    """The worker was shutting down and gave the job back; counts against nothing."""
    CANCELLED = "cancelled"
    """Stopped because someone asked."""


class WorkerState(StrEnum):
    """What a worker process last said of itself, but for `lost`, which others say of it."""

    ACTIVE = "active"
    """Takes jobs."""
    DRAINING = "draining"
    """Finishes or gives back what it holds and takes nothing new."""
    LOST = "lost"
    """Has missed six of its heartbeats and never said that it stops. One that is heard again is not lost."""
    GONE = "gone"
    """Has stopped."""


class OperationState(StrEnum):
    """Where an act on many jobs stands."""

    RUNNING = "running"
    """Some jobs are still to come."""
    FINISHED = "finished"
    """All were looked at."""
    FAILED = "failed"
    """It cannot go on; what it did stays done."""


TERMINAL = frozenset({JobState.SUCCEEDED, JobState.FAILED, JobState.QUARANTINED, JobState.CANCELLED})
"""States only an explicit request by a person leaves (see `TRANSITIONS`)."""

TRANSITIONS: dict[JobState, frozenset[JobState]] = {
    JobState.QUEUED: frozenset({JobState.RUNNING, JobState.HELD, JobState.CANCELLED}),
    JobState.HELD: frozenset({JobState.QUEUED, JobState.CANCELLED}),
    JobState.RUNNING: frozenset(JobState) - {JobState.RUNNING},
    JobState.SUCCEEDED: frozenset({JobState.QUEUED}),
    JobState.FAILED: frozenset({JobState.QUEUED}),
    JobState.QUARANTINED: frozenset({JobState.QUEUED}),
    JobState.CANCELLED: frozenset({JobState.QUEUED}),
}
"""From each state, the states a job may enter next."""


def origins(target: JobState) -> frozenset[JobState]:
    """The states from which a job may enter `target`."""
    return frozenset(state for state, targets in TRANSITIONS.items() if target in targets)
