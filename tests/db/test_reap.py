import time
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from db.models import Attempt, Event, Job
from db.queries import control, queue, reap
from db.states import AttemptOutcome, JobState
from scheduler.reap import Reaper
from tests.db import zoo


def lose(sessions: sessionmaker[Session], job_id: int) -> reap.Reaped:
    """One attempt whose worker falls silent."""
    zoo.make_due(sessions, job_id)
    zoo.claim(sessions, job_id)
    zoo.expire_lease(sessions, job_id)
    with sessions.begin() as session:
        (reaped,) = reap.reap(session)
    return reaped


def test_a_live_lease_is_left_alone(sessions: sessionmaker[Session]) -> None:
    claim = zoo.claim(sessions, zoo.new_job(sessions))
    with sessions.begin() as session:
        assert reap.reap(session) == []
    assert zoo.state_of(sessions, claim.job_id) is JobState.RUNNING


def test_an_expired_lease_puts_the_job_back(sessions: sessionmaker[Session]) -> None:
    job_id = zoo.new_job(sessions)
    claim = zoo.claim(sessions, job_id, "w7")
    zoo.expire_lease(sessions, job_id)
    with sessions.begin() as session:
        assert reap.reap(session) == [
            reap.Reaped(job_id=job_id, fence=claim.fence, worker_id="w7", state=JobState.QUEUED)
        ]
    with sessions() as session:
        job = session.scalars(select(Job)).one()
        attempt = session.scalars(select(Attempt)).one()
        events = session.scalars(select(Event.type).where(Event.job_id == job_id).order_by(Event.id)).all()
    assert (job.lost_count, job.retries, job.lease_until, job.dispatched_at) == (1, 0, None, None)
    assert (attempt.outcome, attempt.error_kind) == (AttemptOutcome.LOST, "worker-lost")
    assert attempt.ended_at is not None
    assert events == ["claimed", "lost"]
    with sessions.begin() as session:
        assert not queue.heartbeat(session, job_id, claim.fence, zoo.LEASE).alive


def test_each_loss_waits_longer_and_the_third_quarantines(sessions: sessionmaker[Session]) -> None:
    job_id = zoo.new_job(sessions)
    waits: list[timedelta] = []
    states = []
    for _ in range(3):
        states.append(lose(sessions, job_id).state)
        with sessions() as session:
            job = session.scalars(select(Job)).one()
            ended = session.scalars(select(Attempt.ended_at).order_by(Attempt.fence.desc())).first()
            assert ended is not None
            waits.append(job.run_at - ended)
    assert states == [JobState.QUEUED, JobState.QUEUED, JobState.QUARANTINED]
    assert waits[0] > timedelta(seconds=1)
    assert waits[1] > 1.5 * waits[0]
    with sessions() as session:
        job = session.scalars(select(Job)).one()
    assert (job.state, job.error_kind) == (JobState.QUARANTINED, "worker-lost")
    assert job.finished_at is not None


def test_a_requeued_job_has_its_three_lives_again(sessions: sessionmaker[Session]) -> None:
    job_id = zoo.new_job(sessions)
    for _ in range(3):
        lose(sessions, job_id)
    with sessions.begin() as session:
        assert control.requeue(session, [job_id]) == [job_id]
    assert [lose(sessions, job_id).state for _ in range(3)] == [
        JobState.QUEUED,
        JobState.QUEUED,
        JobState.QUARANTINED,
    ]


def test_a_worker_known_to_be_dead_is_not_waited_for(sessions: sessionmaker[Session]) -> None:
    zoo.new_batch(sessions, ["a.h5", "b.h5"])
    jobs = zoo.job_ids(sessions)
    zoo.claim(sessions, jobs["a.h5"], "dead")
    zoo.claim(sessions, jobs["b.h5"], "alive")
    with sessions.begin() as session:
        assert [reaped.job_id for reaped in reap.reap(session, dead_workers=["dead"])] == [jobs["a.h5"]]
    assert zoo.state_of(sessions, jobs["b.h5"]) is JobState.RUNNING


def test_a_lost_job_someone_cancelled_is_cancelled(sessions: sessionmaker[Session]) -> None:
    job_id = zoo.new_job(sessions)
    zoo.claim(sessions, job_id)
    with sessions.begin() as session:
        control.cancel(session, [job_id])
    zoo.expire_lease(sessions, job_id)
    with sessions.begin() as session:
        assert [reaped.state for reaped in reap.reap(session)] == [JobState.CANCELLED]


def test_leases_that_ran_out_while_the_database_was_away_are_not_counted(
    sessions: sessionmaker[Session],
) -> None:
    job_id = zoo.new_job(sessions)
    reaper = Reaper(sessions, lease_seconds=1.0, silence_seconds=0.2)

    def lost_count() -> int:
        zoo.make_due(sessions, job_id)
        zoo.claim(sessions, job_id)
        zoo.expire_lease(sessions, job_id)
        assert reaper.run_once() == 1
        with sessions() as session:
            return session.get_one(Job, job_id).lost_count

    assert lost_count() == 1
    time.sleep(0.3)
    assert lost_count() == 1, "nobody could renew it"
    assert lost_count() == 1, "nor is it long enough ago for workers to have found their feet"
    for _ in range(12):
        time.sleep(0.1)
        reaper.run_once()
    assert lost_count() == 2
