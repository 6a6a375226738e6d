from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from db.models import Batch, Event, Job
from db.queries import control, inventory, queue
from db.records import ErrorInfo
from db.states import AttemptOutcome, BatchState, JobState
from tests.db import zoo


def test_cancelling_stops_what_waits_and_asks_what_runs(sessions: sessionmaker[Session]) -> None:
    zoo.new_batch(sessions, ["waits.h5", "runs.h5", "done.h5"])
    jobs = zoo.job_ids(sessions)
    zoo.claim(sessions, jobs["runs.h5"])
    zoo.succeed(sessions, zoo.claim(sessions, jobs["done.h5"]))
    with sessions.begin() as session:
        answer = control.cancel(session, list(jobs.values()))
    assert answer == control.Cancelled(cancelled=[jobs["waits.h5"]], requested=[jobs["runs.h5"]])
    assert zoo.state_of(sessions, jobs["waits.h5"]) is JobState.CANCELLED
    assert zoo.state_of(sessions, jobs["runs.h5"]) is JobState.RUNNING
    assert zoo.state_of(sessions, jobs["done.h5"]) is JobState.SUCCEEDED
    with sessions.begin() as session:
        assert control.cancel(session, list(jobs.values())) == control.Cancelled([], [])
    with sessions() as session:
        asked = session.scalars(select(Event.job_id).where(Event.type == "cancel-requested")).all()
    assert asked == [jobs["runs.h5"]]


def test_a_cancelled_job_is_never_claimed(sessions: sessionmaker[Session]) -> None:
    job_id = zoo.new_job(sessions)
    with sessions.begin() as session:
        control.cancel(session, [job_id])
        assert queue.claim(session, job_id, "w", zoo.LEASE) is None


def test_a_paused_batch_starts_nothing_until_resumed(sessions: sessionmaker[Session]) -> None:
    batch_id = zoo.new_batch(sessions, ["waits.h5", "runs.h5"])
    jobs = zoo.job_ids(sessions)
    claim = zoo.claim(sessions, jobs["runs.h5"])
    with sessions.begin() as session:
        assert control.hold(session, batch_id) == [jobs["waits.h5"]]
        assert queue.claim(session, jobs["waits.h5"], "w", zoo.LEASE) is None
    with sessions.begin() as session:
        queue.release(session, claim.job_id, claim.fence, outcome=AttemptOutcome.DRAINED)
    assert zoo.state_of(sessions, jobs["runs.h5"]) is JobState.HELD
    with sessions.begin() as session:
        assert sorted(control.resume(session, batch_id)) == sorted(jobs.values())
    for job_id in jobs.values():
        zoo.claim(sessions, job_id)


def test_resuming_lets_a_running_job_go_back_to_the_queue(sessions: sessionmaker[Session]) -> None:
    batch_id = zoo.new_batch(sessions, ["a.h5"])
    claim = zoo.claim(sessions, zoo.job_ids(sessions)["a.h5"])
    with sessions.begin() as session:
        control.hold(session, batch_id)
        control.resume(session, batch_id)
    with sessions.begin() as session:
        queue.release(session, claim.job_id, claim.fence, outcome=AttemptOutcome.DRAINED)
    assert zoo.state_of(sessions, claim.job_id) is JobState.QUEUED


def test_requeue_wipes_the_slate_and_keeps_the_history(sessions: sessionmaker[Session]) -> None:
    batch_id = zoo.new_batch(sessions, ["a.h5"])
    job_id = zoo.job_ids(sessions)["a.h5"]
    zoo.fail(sessions, zoo.claim(sessions, job_id), ErrorInfo(kind="truncated", message="a.h5: short"))
    with sessions.begin() as session:
        assert inventory.close_batch(session, batch_id)
    with sessions.begin() as session:
        assert control.requeue(session, [job_id]) == [job_id]
        assert control.requeue(session, [job_id]) == [], "it is queued already"
    with sessions() as session:
        job = session.get_one(Job, job_id)
        batch = session.get_one(Batch, batch_id)
        events = session.scalars(select(Event.type).where(Event.job_id == job_id).order_by(Event.id)).all()
    assert (job.state, job.error_kind, job.finished_at) == (JobState.QUEUED, None, None)
    assert (batch.state, batch.finished_at) == (BatchState.RUNNING, None)
    assert events == ["claimed", "failed", "requeued"]
    assert zoo.claim(sessions, job_id).fence == 2


def test_many_jobs_at_once(sessions: sessionmaker[Session]) -> None:
    zoo.new_batch(sessions, [f"{number}.h5" for number in range(2500)])
    jobs = list(zoo.job_ids(sessions).values())
    with sessions.begin() as session:
        assert sorted(control.cancel(session, jobs).cancelled) == jobs
    with sessions.begin() as session:
        assert sorted(control.requeue(session, jobs)) == jobs
