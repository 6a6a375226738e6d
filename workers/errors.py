"""Every way a conversion can end without a bundle; `workers.verdict` says what each means for the job."""

from typing import Any

from db.records import ParityInfo, Reason
from keras2torch.sandbox import Outcome


class JobError(Exception):
    """The job did not succeed."""

    kind = "internal-error"


class Refused(JobError):
    """The engine will not convert this file, today or ever."""

    def __init__(self, kind: str, message: str, reasons: tuple[Reason, ...] = ()) -> None:
        super().__init__(message)
        self.kind = kind
        self.reasons = reasons


class ParityFailed(JobError):
    """The bundle does not compute what the Keras model computes."""

    kind = "parity-failed"

    def __init__(self, message: str, parity: ParityInfo) -> None:
        super().__init__(message)
        self.parity = parity


class ChildFailed(JobError):
    """The function in the child raised, as it will on every try; a fault of ours if nobody foresaw it."""

    def __init__(self, stage: str, outcome: Outcome) -> None:
        self.outcome = outcome
        error: dict[str, Any] = outcome.error or {"kind": "exception", "class": "Exception", "message": ""}
        foreseen = error["kind"] != "exception"
        self.kind = str(error["kind"]) if foreseen else "internal-error"
        what = error["message"] if foreseen else f"{error['class']}: {error['message']}"
        super().__init__(f"{stage}: {what}")


class ChildCannotWrite(ChildFailed):
    """The scratch disk is full or failing: the machine's trouble, not the job's."""


class NotJudged(ChildFailed):
    """Keras will not have the model, whatever it says: there is no verdict, today or ever, and no fault of ours."""

    def __init__(self, stage: str, outcome: Outcome) -> None:
        super().__init__(f"{stage}: Keras", outcome)
        self.kind = "reference-failed"


class ChildDied(JobError):
    """The child was killed, ran out of memory or time, or took itself away."""

    def __init__(self, stage: str, outcome: Outcome) -> None:
        error: dict[str, Any] = outcome.error or {}
        self.kind = str(error.get("kind", "crashed"))
        super().__init__(f"{stage}: {error.get('message', self.kind)}")
        self.outcome = outcome


class OutOfMemory(ChildDied):
    """The child wanted more memory than there was, its own or its GPU's."""

    def __init__(self, stage: str, outcome: Outcome, kind: str = "out-of-memory") -> None:
        super().__init__(stage, outcome)
        self.kind = kind


class DeviceFailed(ChildDied):
    """The GPU or its driver failed (an ECC error, say): CUDA is dead in that process, and may live in the next."""

    def __init__(self, stage: str, outcome: Outcome) -> None:
        super().__init__(stage, outcome)
        self.kind = "device-failed"


class Stopped(JobError):
    """The lease told the job to stop; its reason says what follows."""

    kind = "stopped"


class DamagedResult(JobError):
    """A result that is already published does not hold what its manifest says."""

    kind = "damaged-result"
