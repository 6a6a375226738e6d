import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session, sessionmaker

from db.clock import now
from db.errors import LeaseLost
from db.models import Attempt, Event, Job, JobArtifact, JobReason, Parity, Source
from db.queries import control, queue
from db.records import ArtifactInfo, ErrorInfo, ParityInfo, Reason, Usage
from db.states import AttemptOutcome, JobState
from tests.db import zoo


def events_of(sessions: sessionmaker[Session], job_id: int) -> list[str]:
    with sessions() as session:
        return list(session.scalars(select(Event.type).where(Event.job_id == job_id).order_by(Event.id)))


def test_claim_says_all_a_worker_needs(sessions: sessionmaker[Session]) -> None:
    zoo.new_batch(sessions, [zoo.Listed("a.h5", size=7)], options={"io_layout": "keras"})
    claim = zoo.claim(sessions, zoo.job_ids(sessions)["a.h5"])
    assert (claim.fence, claim.retries, claim.lost_count) == (1, 0, 0)
    assert (claim.store_url, claim.key, claim.size, claim.etag) == ("/models", "a.h5", 7, "e1")
    assert (claim.dest_url, claim.converter_version, claim.options) == (
        "/bundles",
        "1",
        {"io_layout": "keras"},
    )


def test_a_claimed_job_cannot_be_claimed(sessions: sessionmaker[Session]) -> None:
    job_id = zoo.new_job(sessions)
    zoo.claim(sessions, job_id)
    with sessions.begin() as session:
        assert queue.claim(session, job_id, "w2", zoo.LEASE) is None


def test_a_job_that_does_not_exist_cannot_be_claimed(sessions: sessionmaker[Session]) -> None:
    with sessions.begin() as session:
        assert queue.claim(session, 12345, "w", zoo.LEASE) is None


def test_a_job_is_not_claimed_before_its_time(sessions: sessionmaker[Session]) -> None:
    job_id = zoo.new_job(sessions)
    first = zoo.claim(sessions, job_id)
    with sessions.begin() as session:
        assert queue.release(session, job_id, first.fence, outcome=AttemptOutcome.RETRY, delay_s=60)
    with sessions.begin() as session:
        assert queue.claim(session, job_id, "w", zoo.LEASE) is None
    zoo.make_due(sessions, job_id)
    assert zoo.claim(sessions, job_id).retries == 1


def test_heartbeat_extends_the_lease_and_tells_the_stage(sessions: sessionmaker[Session]) -> None:
    job_id = zoo.new_job(sessions)
    claim = zoo.claim(sessions, job_id)
    zoo.expire_lease(sessions, job_id)
    with sessions.begin() as session:
        beat = queue.heartbeat(session, job_id, claim.fence, zoo.LEASE, stage="convert", progress=0.5)
    assert beat == queue.Beat(alive=True, cancel=False)
    with sessions() as session:
        assert session.scalars(select(Job.id).where(Job.lease_until > now(zoo.LEASE - 5))).all() == [job_id]
        attempt = session.scalars(select(Attempt)).one()
    assert (attempt.stage, attempt.progress) == ("convert", 0.5)


def test_heartbeat_brings_the_wish_to_cancel(sessions: sessionmaker[Session]) -> None:
    job_id = zoo.new_job(sessions)
    claim = zoo.claim(sessions, job_id)
    with sessions.begin() as session:
        assert control.cancel(session, [job_id]).requested == [job_id]
    with sessions.begin() as session:
        beat = queue.heartbeat(session, job_id, claim.fence, zoo.LEASE, stage="verify")
    assert beat == queue.Beat(alive=True, cancel=True)


def test_finish_records_everything_at_once(sessions: sessionmaker[Session]) -> None:
    job_id = zoo.new_job(sessions)
    claim = zoo.claim(sessions, job_id)
    artifacts = [ArtifactInfo(name="model.py", sha256="aa", size=10, key="cas/aa")]
    usage = Usage(
        exit_code=0, max_rss_bytes=5 << 30, stage_seconds={"convert": 0.5}, environment={"torch": "2"}
    )
    with sessions.begin() as session:
        assert queue.set_content(session, job_id, claim.fence, "sha", "ck") is None
        assert queue.finish(
            session,
            job_id,
            claim.fence,
            AttemptOutcome.SUCCEEDED,
            state=JobState.SUCCEEDED,
            manifest_sha256="mm",
            artifacts=artifacts,
            usage=usage,
        )
    with sessions() as session:
        job = session.scalars(select(Job)).one()
        attempt = session.scalars(select(Attempt)).one()
        assert session.scalars(select(Source.sha256)).one() == "sha"
        assert session.scalars(select(JobArtifact.name)).all() == ["model.py"]
    assert (job.state, job.content_key, job.manifest_sha256) == (JobState.SUCCEEDED, "ck", "mm")
    assert job.lease_until is None
    assert job.finished_at is not None
    assert (attempt.outcome, attempt.exit_code) == (AttemptOutcome.SUCCEEDED, 0)
    assert (attempt.max_rss_bytes, attempt.stage_seconds) == (5 << 30, {"convert": 0.5})
    assert attempt.ended_at is not None
    assert events_of(sessions, job_id) == ["claimed", "succeeded"]


def test_a_failure_keeps_its_reasons_until_the_next_attempt_ends(sessions: sessionmaker[Session]) -> None:
    job_id = zoo.new_job(sessions)
    reasons = tuple(
        Reason(kind="unsupported-layer", subject=name, message=f"no rule for {name}") for name in ("A", "B")
    )
    error = ErrorInfo(kind="unsupported-model", message="a.h5: 2 layers cannot be converted", reasons=reasons)
    assert zoo.fail(sessions, zoo.claim(sessions, job_id), error)
    with sessions() as session:
        job = session.scalars(select(Job)).one()
        assert (job.state, job.error_kind, job.error_message) == (JobState.FAILED, error.kind, error.message)
        assert session.scalars(select(JobReason.subject).order_by(JobReason.position)).all() == ["A", "B"]
    with sessions.begin() as session:
        assert control.requeue(session, [job_id]) == [job_id]
    assert zoo.succeed(sessions, zoo.claim(sessions, job_id))
    with sessions() as session:
        assert session.scalars(select(JobReason)).all() == []
        assert session.scalars(select(Job.error_kind)).one() is None
        assert session.scalars(select(Attempt.error_kind).order_by(Attempt.fence)).all() == [error.kind, None]


def test_finish_needs_a_terminal_state(sessions: sessionmaker[Session]) -> None:
    claim = zoo.claim(sessions, zoo.new_job(sessions))
    with pytest.raises(ValueError, match="terminal"), sessions.begin() as session:
        queue.finish(session, claim.job_id, claim.fence, AttemptOutcome.SUCCEEDED, state=JobState.QUEUED)


def test_every_write_of_a_zombie_is_refused(sessions: sessionmaker[Session]) -> None:
    """A worker that slept through its lease comes back while another works on its job."""
    job_id = zoo.new_job(sessions)
    zombie = zoo.claim(sessions, job_id, "zombie")
    with sessions.begin() as session:
        queue.release(session, job_id, zombie.fence, outcome=AttemptOutcome.DRAINED)
    heir = zoo.claim(sessions, job_id, "heir")
    assert heir.fence > zombie.fence

    with sessions.begin() as session:
        assert not queue.heartbeat(session, job_id, zombie.fence, zoo.LEASE, stage="verify").alive
    with pytest.raises(LeaseLost), sessions.begin() as session:
        queue.set_content(session, job_id, zombie.fence, "wrong", "wrong")
    with sessions.begin() as session:
        assert not queue.release(session, job_id, zombie.fence, outcome=AttemptOutcome.RETRY)
    with sessions.begin() as session:
        assert not queue.finish(
            session,
            job_id,
            zombie.fence,
            AttemptOutcome.SUCCEEDED,
            state=JobState.SUCCEEDED,
            manifest_sha256="wrong",
            artifacts=[ArtifactInfo(name="model.py", sha256="wrong", size=1, key="cas/wrong")],
        )
    with sessions() as session:
        job = session.scalars(select(Job)).one()
        assert (job.state, job.fence, job.content_key, job.manifest_sha256) == (
            JobState.RUNNING,
            heir.fence,
            None,
            None,
        )
        assert session.scalars(select(func.count()).select_from(JobArtifact)).one() == 0
        assert session.scalars(select(Source.sha256)).one() is None
    assert zoo.succeed(sessions, heir)


def test_nothing_is_written_to_a_finished_job(sessions: sessionmaker[Session]) -> None:
    claim = zoo.claim(sessions, zoo.new_job(sessions))
    assert zoo.succeed(sessions, claim)
    with sessions.begin() as session:
        assert not queue.heartbeat(session, claim.job_id, claim.fence, zoo.LEASE).alive
        assert not queue.release(session, claim.job_id, claim.fence, outcome=AttemptOutcome.RETRY)
    assert zoo.state_of(sessions, claim.job_id) is JobState.SUCCEEDED


def test_same_content_is_offered_for_reuse(sessions: sessionmaker[Session]) -> None:
    zoo.new_batch(sessions, ["a.h5", "copy.h5"])
    jobs = zoo.job_ids(sessions)
    assert zoo.succeed(sessions, zoo.claim(sessions, jobs["a.h5"]), content="same")
    claim = zoo.claim(sessions, jobs["copy.h5"])
    with sessions.begin() as session:
        reuse = queue.set_content(session, claim.job_id, claim.fence, "sha-same", "key-same")
        assert reuse == queue.Reuse(
            job_id=jobs["a.h5"], content_key="key-same", manifest_sha256="manifest-same"
        )
        assert queue.finish(
            session,
            claim.job_id,
            claim.fence,
            AttemptOutcome.REUSED,
            state=JobState.SUCCEEDED,
            manifest_sha256=reuse.manifest_sha256,
            reused_from=reuse.job_id,
        )
    assert events_of(sessions, claim.job_id) == ["claimed", "reused"]


def test_another_destination_reuses_nothing(sessions: sessionmaker[Session]) -> None:
    """Its bundle would be somewhere else."""
    zoo.new_batch(sessions, ["a.h5"])
    assert zoo.succeed(sessions, zoo.claim(sessions, zoo.job_ids(sessions)["a.h5"]), content="same")
    zoo.new_batch(sessions, ["a.h5"], dest="/elsewhere")
    claim = zoo.claim(sessions, zoo.job_ids(sessions)["a.h5"])
    assert claim.dest_url == "/elsewhere"
    with sessions.begin() as session:
        assert queue.set_content(session, claim.job_id, claim.fence, "sha-same", "key-same") is None


def test_of_two_equal_results_the_second_is_a_reuse(sessions: sessionmaker[Session]) -> None:
    """Both looked for a result to reuse before either had one."""
    zoo.new_batch(sessions, ["a.h5", "copy.h5"])
    jobs = zoo.job_ids(sessions)
    first, second = zoo.claim(sessions, jobs["a.h5"]), zoo.claim(sessions, jobs["copy.h5"])
    for claim in (first, second):
        with sessions.begin() as session:
            assert queue.set_content(session, claim.job_id, claim.fence, "sha", "same") is None
    for claim in (first, second):
        with sessions.begin() as session:
            assert queue.finish(
                session,
                claim.job_id,
                claim.fence,
                AttemptOutcome.SUCCEEDED,
                state=JobState.SUCCEEDED,
                manifest_sha256="m",
            )
    with sessions() as session:
        reused = dict(session.execute(select(Job.id, Job.reused_from)).all())
    assert reused == {jobs["a.h5"]: None, jobs["copy.h5"]: jobs["a.h5"]}
    assert events_of(sessions, jobs["copy.h5"]) == ["claimed", "reused"]


def test_a_rolled_back_finish_leaves_the_job_running(sessions: sessionmaker[Session]) -> None:
    claim = zoo.claim(sessions, zoo.new_job(sessions))
    with sessions() as session:
        assert queue.finish(session, claim.job_id, claim.fence, AttemptOutcome.FAILED, state=JobState.FAILED)
        session.rollback()
    assert zoo.state_of(sessions, claim.job_id) is JobState.RUNNING
    assert events_of(sessions, claim.job_id) == ["claimed"]


def test_draining_counts_against_nothing(sessions: sessionmaker[Session]) -> None:
    job_id = zoo.new_job(sessions)
    for _ in range(10):
        claim = zoo.claim(sessions, job_id)
        with sessions.begin() as session:
            assert queue.release(session, job_id, claim.fence, outcome=AttemptOutcome.DRAINED)
    claim = zoo.claim(sessions, job_id)
    assert (claim.retries, claim.lost_count) == (0, 0)


def test_a_released_job_may_change_queues(sessions: sessionmaker[Session]) -> None:
    job_id = zoo.new_job(sessions)
    claim = zoo.claim(sessions, job_id)
    with sessions.begin() as session:
        queue.release(session, job_id, claim.fence, outcome=AttemptOutcome.RETRY, queue="large")
    assert zoo.claim(sessions, job_id).queue == "large"


def test_a_child_that_dies_three_times_is_quarantined(sessions: sessionmaker[Session]) -> None:
    job_id = zoo.new_job(sessions)
    died = ErrorInfo(kind="killed", message="a.h5: the child was killed by signal 11")
    for expected in (JobState.QUEUED, JobState.QUEUED, JobState.QUARANTINED):
        claim = zoo.claim(sessions, job_id)
        with sessions.begin() as session:
            assert queue.release(
                session,
                job_id,
                claim.fence,
                outcome=AttemptOutcome.CRASHED,
                error=died,
                usage=Usage(signal=11),
            )
        assert zoo.state_of(sessions, job_id) is expected
    with sessions() as session:
        job = session.scalars(select(Job)).one()
        assert (job.error_kind, job.lost_count) == ("killed", 3)
        assert job.finished_at is not None
        assert session.scalars(select(Attempt.signal)).all() == [11, 11, 11]


def test_a_job_cancelled_while_running_does_not_go_back_to_the_queue(
    sessions: sessionmaker[Session],
) -> None:
    claim = zoo.claim(sessions, zoo.new_job(sessions))
    with sessions.begin() as session:
        control.cancel(session, [claim.job_id])
    with sessions.begin() as session:
        assert queue.release(session, claim.job_id, claim.fence, outcome=AttemptOutcome.RETRY)
    assert zoo.state_of(sessions, claim.job_id) is JobState.CANCELLED


def test_success_wins_over_a_late_wish_to_cancel(sessions: sessionmaker[Session]) -> None:
    claim = zoo.claim(sessions, zoo.new_job(sessions))
    with sessions.begin() as session:
        control.cancel(session, [claim.job_id])
    assert zoo.succeed(sessions, claim)
    assert zoo.state_of(sessions, claim.job_id) is JobState.SUCCEEDED


def test_a_failed_parity_is_kept(sessions: sessionmaker[Session]) -> None:
    claim = zoo.claim(sessions, zoo.new_job(sessions))
    parity = ParityInfo(
        passed=False, structure_error=0.5, deployment_error=None, device="cpu", report={"first": "conv1"}
    )
    with sessions.begin() as session:
        queue.finish(
            session,
            claim.job_id,
            claim.fence,
            AttemptOutcome.FAILED,
            state=JobState.FAILED,
            error=ErrorInfo(kind="parity-failed", message="a.h5: conv1 departs"),
            parity=parity,
        )
    with sessions() as session:
        row = session.scalars(select(Parity)).one()
    assert (row.passed, row.structure_error, row.report) == (False, 0.5, {"first": "conv1"})


def test_what_a_hostile_file_says_can_be_stored(sessions: sessionmaker[Session]) -> None:
    """Zero bytes and half surrogates in layer names, NaN in measurements: PostgreSQL refuses them all."""
    evil = "dense\0\ud800"
    claim = zoo.claim(sessions, zoo.new_job(sessions))
    with sessions.begin() as session:
        assert queue.finish(
            session,
            claim.job_id,
            claim.fence,
            AttemptOutcome.FAILED,
            state=JobState.FAILED,
            error=ErrorInfo(
                kind="parity-failed",
                message=evil,
                reasons=(Reason(kind="departs", subject=evil, layer=evil, message=evil),),
            ),
            parity=ParityInfo(
                passed=False,
                structure_error=float("inf"),
                deployment_error=None,
                device="cpu",
                report={evil: [evil, float("nan"), {"worst": float("-inf"), "fine": 0.5}]},
            ),
            usage=Usage(environment={"name": evil}),
        )
    clean = "dense\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}"
    with sessions() as session:
        assert session.scalars(select(Job.error_message)).one() == clean
        reason = session.scalars(select(JobReason)).one()
        parity = session.scalars(select(Parity)).one()
    assert (reason.subject, reason.layer, reason.message) == (clean, clean, clean)
    assert parity.structure_error == float("inf")
    assert parity.report == {clean: [clean, "nan", {"worst": "-inf", "fine": 0.5}]}


def test_a_claim_knows_since_when_a_store_is_away(sessions: sessionmaker[Session]) -> None:
    """Since the first of the attempts that were postponed one after the other; any other end begins anew."""
    job_id = zoo.new_job(sessions)

    def attempt(outcome: AttemptOutcome) -> float:
        zoo.make_due(sessions, job_id)
        claim = zoo.claim(sessions, job_id)
        with sessions.begin() as session:
            session.execute(
                update(Attempt)
                .where(Attempt.job_id == job_id, Attempt.fence == claim.fence)
                .values(started_at=now(-100 * (10 - claim.fence)))
            )
            assert queue.release(session, job_id, claim.fence, outcome=outcome)
        return round(claim.away_s, -1)

    assert attempt(AttemptOutcome.POSTPONED) == 0
    assert attempt(AttemptOutcome.RETRY) == 900
    assert attempt(AttemptOutcome.POSTPONED) == 0
    assert attempt(AttemptOutcome.POSTPONED) == 700
    assert attempt(AttemptOutcome.DRAINED) == 700
    assert attempt(AttemptOutcome.POSTPONED) == 0
    with sessions() as session:
        job = session.get_one(Job, job_id)
    assert (job.retries, job.lost_count) == (1, 0)
