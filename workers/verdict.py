"""What an error means for its job: one table, by class of exception.

Permanent: the same again tomorrow, so the job fails. Transient: something round the job is broken, so it
waits and tries again, five times. Outage: a store or the database is away, which is the world's fault, so it waits for
that, longer each time, for a day. Resource: it wants more memory, so once more where it has a machine to itself.
Died: the process is gone, and the job may be what killed it, so three times and no more.
"""

import random
from dataclasses import dataclass, field, replace
from enum import Enum

from db import outage
from db.queries.queue import Claim
from db.records import ErrorInfo, Reason, Usage
from db.states import AttemptOutcome, JobState
from keras2torch.errors import CannotWrite, one_line
from keras2torch.sandbox import SandboxError
from storage.errors import DiskFull, ObjectDamaged, StorageError, StoreUnavailable
from workers import errors, inbox
from workers.settings import WorkerSettings

RETRIES = 5
DEATHS = 3
_BACKOFF_SECONDS = 5.0
_BACKOFF_LIMIT_SECONDS = 300.0
_OUTAGE_LIMIT_SECONDS = 900.0
_LONGEST_MESSAGE = 2000


class Class(Enum):
    """How a failed attempt counts."""

    PERMANENT = "permanent"
    TRANSIENT = "transient"
    OUTAGE = "outage"
    RESOURCE = "resource"
    DIED = "died"


#: These kill the process, and will do so again.
_DEADLY = frozenset({Class.DIED, Class.RESOURCE})

#: The first row whose class the error is an instance of; what is in none is permanent. Which errors of the database are
#: an outage says another table, by their codes: `db.outage`.
TABLE: tuple[tuple[type[BaseException], Class], ...] = (
    (errors.Refused, Class.PERMANENT),
    (errors.ParityFailed, Class.PERMANENT),
    (errors.ChildCannotWrite, Class.TRANSIENT),
    (CannotWrite, Class.TRANSIENT),
    (errors.ChildFailed, Class.PERMANENT),
    (errors.DamagedResult, Class.PERMANENT),
    (errors.OutOfMemory, Class.RESOURCE),
    (errors.DeviceFailed, Class.TRANSIENT),
    (errors.ChildDied, Class.DIED),
    # One object's trouble, or that of the disk under the scratch folder, as likely as the store's.
    (ObjectDamaged, Class.TRANSIENT),
    (DiskFull, Class.TRANSIENT),
    (StoreUnavailable, Class.OUTAGE),
    (StorageError, Class.PERMANENT),
    (SandboxError, Class.TRANSIENT),
    # A full or failing disk under the scratch folder, a file table that is full: the machine's trouble, not
    # the job's.
    (OSError, Class.TRANSIENT),
)


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What to record: try again after `delay_s` seconds, or give up."""

    again: bool
    counts_as: Class
    error: ErrorInfo
    delay_s: float = 0.0
    queue: str | None = None
    """Another queue to try again on."""
    usage: Usage = field(default_factory=Usage)

    @property
    def outcome(self) -> AttemptOutcome:
        """How the attempt ended."""
        if self.counts_as in _DEADLY:
            return AttemptOutcome.CRASHED
        if self.counts_as is Class.OUTAGE and self.again:
            return AttemptOutcome.POSTPONED
        return AttemptOutcome.RETRY if self.again else AttemptOutcome.FAILED

    @property
    def state(self) -> JobState:
        """Where the job ends, if it is not tried again."""
        return JobState.QUARANTINED if self.counts_as in _DEADLY else JobState.FAILED


def judge(error: Exception, claim: Claim, *, patience_s: float = WorkerSettings.outage_seconds) -> Verdict:
    """The verdict on an attempt of `claim` that ended with `error`; `patience_s` is how long it waits out an outage."""
    counts_as = _class_of(error)
    info = ErrorInfo(kind=_kind(error), message=_message(error, claim), reasons=_reasons(error))
    final = Verdict(again=False, counts_as=counts_as, error=info, usage=_usage(error))
    if counts_as is Class.PERMANENT:
        return final
    if counts_as is Class.OUTAGE:
        return replace(final, again=claim.away_s < patience_s, delay_s=_outage_delay(claim.away_s))
    if counts_as is Class.TRANSIENT:
        return replace(final, again=claim.retries < RETRIES, delay_s=backoff(claim.retries))
    # On the large queue it had all the memory there is; to ask there again would be to kill again.
    larger = inbox.LARGE_QUEUE if counts_as is Class.RESOURCE else None
    return replace(
        final,
        again=claim.lost_count + 1 < DEATHS and (larger is None or claim.queue != larger),
        delay_s=backoff(claim.lost_count),
        queue=larger,
    )


def _class_of(error: Exception) -> Class:
    if outage.is_outage(error):
        return Class.OUTAGE
    return next((row for kind, row in TABLE if isinstance(error, kind)), Class.PERMANENT)


def backoff(tries: int) -> float:
    """Seconds to wait after the try numbered `tries`, from 0: exponential, with full jitter.

    The jitter keeps a thousand jobs that met the same outage from coming back in the same second.
    """
    return random.uniform(0, min(_BACKOFF_LIMIT_SECONDS, _BACKOFF_SECONDS * 2**tries))


def _outage_delay(away_s: float) -> float:
    """Seconds to wait where a store has been away for so long: about as long again, within limits."""
    return random.uniform(0.5, 1) * min(_OUTAGE_LIMIT_SECONDS, max(_BACKOFF_SECONDS, away_s))


def _usage(error: Exception) -> Usage:
    if not isinstance(error, errors.ChildDied):
        return Usage()
    ended = error.outcome
    return Usage(exit_code=ended.exit_code, signal=ended.signal, max_rss_bytes=ended.max_rss)


def _kind(error: Exception) -> str:
    if isinstance(error, OSError) and not hasattr(error, "kind"):
        return "local-disk"
    if outage.is_outage(error):
        return "database-unavailable"
    return str(getattr(error, "kind", "internal-error"))


def _message(error: Exception, claim: Claim) -> str:
    if isinstance(error, OSError) and error.strerror:
        where = f" ({error.filename})" if error.filename else ""
        text = f"{error.strerror}{where}"
    else:
        text = str(error).splitlines()[0] if str(error) else type(error).__name__
    # Where there is a name in it, it is a stranger's: of the file, of a layer, of a class.
    text, key = one_line(text, _LONGEST_MESSAGE), one_line(claim.key)
    return text if key in text else f"{key}: {text}"


def _reasons(error: Exception) -> tuple[Reason, ...]:
    return error.reasons if isinstance(error, errors.Refused) else ()
