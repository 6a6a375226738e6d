"""Each state's tone: its colour and icon. Pages always print the word beside them."""

from db.states import AttemptOutcome, BatchState, JobState, RunOutcome, WorkerState

GOOD, BAD, WARN, BUSY, IDLE = "good", "bad", "warn", "busy", "idle"

_TONES: dict[str, str] = {
    JobState.QUEUED: IDLE,
    JobState.RUNNING: BUSY,
    JobState.SUCCEEDED: GOOD,
    JobState.FAILED: BAD,
    JobState.QUARANTINED: WARN,
    JobState.CANCELLED: IDLE,
    JobState.HELD: WARN,
    BatchState.PLANNING: BUSY,
    BatchState.FINISHED: GOOD,
    AttemptOutcome.REUSED: GOOD,
    AttemptOutcome.RETRY: WARN,
    AttemptOutcome.CRASHED: BAD,
    AttemptOutcome.LOST: BAD,
    AttemptOutcome.DRAINED: IDLE,
    AttemptOutcome.POSTPONED: WARN,
    WorkerState.ACTIVE: GOOD,
    WorkerState.DRAINING: WARN,
    WorkerState.LOST: BAD,
    WorkerState.GONE: IDLE,
    RunOutcome.STARTED: GOOD,
    RunOutcome.WAITING: WARN,
    RunOutcome.SKIPPED: IDLE,
}

_ICONS: dict[str, str] = {
    AttemptOutcome.CRASHED: "failed",
    AttemptOutcome.DRAINED: "held",
    AttemptOutcome.POSTPONED: "queued",
    RunOutcome.WAITING: "queued",
    RunOutcome.SKIPPED: "cancelled",
    RunOutcome.STARTED: "running",
    WorkerState.ACTIVE: "succeeded",
    WorkerState.DRAINING: "held",
    WorkerState.GONE: "idle",
    BatchState.FINISHED: "succeeded",
}
"""Where it is not called as the state is."""


def icon_of(state: str) -> str:
    """The name of a state's icon in `static/icons.svg`."""
    return _ICONS.get(state, state)


def tone_of(state: str) -> str:
    """The tone of a state, by its word; what is not known is idle."""
    return _TONES.get(state, IDLE)
