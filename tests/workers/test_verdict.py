import errno

import pytest
from sqlalchemy import create_engine
from sqlalchemy.exc import OperationalError, ProgrammingError

from db.queries.queue import Claim
from db.records import ParityInfo, Reason
from db.states import AttemptOutcome, JobState
from keras2torch.sandbox import Outcome, SandboxError
from storage.errors import DiskFull, ObjectChanged, ObjectDamaged, ObjectMissing, StoreUnavailable
from workers import errors, inbox, verdict


def claim(
    *,
    retries: int = 0,
    lost_count: int = 0,
    away_s: float = 0.0,
    key: str = "a/b.h5",
    queue: str = inbox.DEFAULT_QUEUE,
) -> Claim:
    return Claim(
        job_id=7,
        fence=1,
        queue=queue,
        retries=retries,
        lost_count=lost_count,
        away_s=away_s,
        source_id=1,
        store_url="/in",
        key=key,
        etag="e",
        version_id=None,
        size=1,
        sha256=None,
        dest_url="/out",
        converter_version="1",
        options={},
    )


def ended(kind: str, *, class_: str, message: str, signal: int | None = None) -> Outcome:
    return Outcome(
        result=None,
        error={"class": class_, "message": message, "kind": kind, "exit_code": 1},
        exit_code=None,
        signal=signal,
        max_rss=123,
        wall_s=1.0,
        log_tail="",
        timed_out=False,
        cancelled=False,
        walls=(),
    )


def death(kind: str, *, signal: int | None = None) -> errors.ChildDied:
    gone = ended(kind, class_="SandboxFailure", message="it is gone", signal=signal)
    return errors.ChildDied("convert", gone)


def no_such_table() -> Exception:
    """What SQLite says of it, as of a database that is locked, by an `OperationalError`."""
    engine = create_engine("sqlite://")
    with pytest.raises(OperationalError) as caught, engine.connect() as connection:
        connection.exec_driver_sql("SELECT * FROM job")
    return caught.value


PERMANENT = [
    (errors.Refused("not-hdf5", "a/b.h5: Not an HDF5 file."), "not-hdf5"),
    (
        errors.ParityFailed(
            "layer x is off",
            ParityInfo(passed=False, structure_error=1.0, deployment_error=1.0, device="cpu", report={}),
        ),
        "parity-failed",
    ),
    (
        errors.ChildFailed("verify", ended("exception", class_="KeyError", message="'x'")),
        "internal-error",
    ),
    (
        errors.ChildFailed("verify", ended("reference-failed", class_="KerasError", message="no")),
        "reference-failed",
    ),
    (
        errors.NotJudged(
            "verify", ended("exception", class_="ValueError", message="'my layer/' is no scope")
        ),
        "reference-failed",
    ),
    (ObjectMissing("/in", "a/b.h5", "gone"), "object-missing"),
    (ObjectChanged("/in", "a/b.h5", "changed"), "object-changed"),
    (ProgrammingError("select", {}, Exception("no such column")), "internal-error"),
    (no_such_table(), "internal-error"),
    (KeyError("x"), "internal-error"),
]


@pytest.mark.parametrize(("error", "kind"), PERMANENT, ids=lambda value: getattr(value, "kind", None))
def test_what_will_not_pass_fails_at_once(error: Exception, kind: str) -> None:
    judged = verdict.judge(error, claim())
    assert not judged.again
    assert (judged.outcome, judged.state) == (AttemptOutcome.FAILED, JobState.FAILED)
    assert judged.error.kind == kind
    assert "a/b.h5" in judged.error.message
    assert "\n" not in judged.error.message


TRANSIENT = [
    (ObjectDamaged("s3://in", "a/b.h5", "cut off"), "object-damaged"),
    (DiskFull("/out", "cas/x", "No space left on device"), "disk-full"),
    (OSError(errno.ENOSPC, "No space left on device", "/tmp/x"), "local-disk"),
    (SandboxError("the server did not start"), "sandbox-failed"),
    (
        errors.ChildCannotWrite(
            "convert", ended("cannot-write", class_="CannotWrite", message="File too large")
        ),
        "cannot-write",
    ),
]


OUTAGES = [
    (StoreUnavailable("s3://in", "a/b.h5", "503"), "store-unavailable"),
    (OperationalError("select", {}, Exception("server closed the connection")), "database-unavailable"),
]


@pytest.mark.parametrize(("error", "kind"), OUTAGES, ids=[kind for _, kind in OUTAGES])
def test_an_outage_is_waited_out_for_a_day_whatever_else_went_wrong(error: Exception, kind: str) -> None:
    for away_s in (0.0, 60.0, 3600.0, 86_000.0):
        judged = verdict.judge(error, claim(away_s=away_s, retries=5, lost_count=2))
        assert judged.again
        assert judged.outcome is AttemptOutcome.POSTPONED
        assert min(max(5, away_s), 900) / 2 <= judged.delay_s <= min(max(5, away_s), 900)
    judged = verdict.judge(error, claim(away_s=86_400.0))
    assert not judged.again
    assert (judged.outcome, judged.state, judged.error.kind) == (
        AttemptOutcome.FAILED,
        JobState.FAILED,
        kind,
    )
    assert verdict.judge(error, claim(away_s=10.0), patience_s=10.0).again is False


@pytest.mark.parametrize(("error", "kind"), TRANSIENT, ids=[kind for _, kind in TRANSIENT])
def test_what_may_pass_is_tried_five_times_more(error: Exception, kind: str) -> None:
    for retries in range(5):
        judged = verdict.judge(error, claim(retries=retries))
        assert judged.again
        assert judged.outcome is AttemptOutcome.RETRY
        assert 0 <= judged.delay_s <= 300
    judged = verdict.judge(error, claim(retries=5))
    assert not judged.again
    assert judged.state is JobState.FAILED
    assert judged.error.kind == kind


def test_a_message_is_one_line_whatever_the_names_in_it() -> None:
    hostile = "\x1b[2J\u202e\x00'; DROP TABLE job; --"
    child = ended("exception", class_="ValueError", message=f"no layer {hostile}\nERROR forged")
    error = verdict.judge(errors.ChildFailed("verify", child), claim(key=f"in\n{hostile}.h5")).error
    assert error.message.isprintable()
    assert error.message.startswith("in\\n\\x1b[2J")
    assert "DROP TABLE job" in error.message


def test_a_job_that_kills_its_process_is_quarantined_the_third_time() -> None:
    judged = [verdict.judge(death("crashed", signal=11), claim(lost_count=n)) for n in range(3)]
    assert [one.again for one in judged] == [True, True, False]
    assert judged[2].state is JobState.QUARANTINED
    assert {one.outcome for one in judged} == {AttemptOutcome.CRASHED}
    assert (judged[0].usage.signal, judged[0].usage.max_rss_bytes) == (11, 123)


def test_want_of_memory_is_tried_once_more_where_there_is_more_of_it() -> None:
    error = errors.OutOfMemory("verify", ended("out-of-memory", class_="MemoryError", message="no memory"))
    judged = verdict.judge(error, claim())
    assert (judged.again, judged.queue, judged.outcome) == (True, inbox.LARGE_QUEUE, AttemptOutcome.CRASHED)
    last = verdict.judge(error, claim(queue=inbox.LARGE_QUEUE, lost_count=1))
    assert (last.again, last.state, last.error.kind) == (False, JobState.QUARANTINED, "out-of-memory")
    assert last.usage.max_rss_bytes == 123
    assert verdict.judge(death("timed-out"), claim()).queue is None


def test_a_gpu_that_fails_is_tried_again_as_any_outage() -> None:
    lost = ended(
        "exception", class_="AcceleratorError", message="CUDA error: uncorrectable ECC error encountered"
    )
    judged = [verdict.judge(errors.DeviceFailed("verify", lost), claim(retries=n)) for n in (0, 4, 5)]
    assert [one.again for one in judged] == [True, True, False]
    assert {one.error.kind for one in judged} == {"device-failed"}
    assert (judged[0].outcome, judged[2].state) == (AttemptOutcome.RETRY, JobState.FAILED)


def test_every_reason_of_a_refusal_is_kept() -> None:
    reasons = tuple(
        Reason(kind="unsupported-layer", subject=name, layer=name.lower(), message="no")
        for name in ("A", "B")
    )
    judged = verdict.judge(errors.Refused("unsupported-model", "a/b.h5: A (and 1 more)", reasons), claim())
    assert judged.error.reasons == reasons


def test_waits_grow_and_differ() -> None:
    assert max(verdict.backoff(0) for _ in range(100)) <= 5
    assert max(verdict.backoff(4) for _ in range(100)) > 5
    assert max(verdict.backoff(50) for _ in range(100)) <= 300
    assert len({verdict.backoff(3) for _ in range(10)}) == 10
