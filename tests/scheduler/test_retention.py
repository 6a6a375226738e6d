"""What is old goes, in small pieces, and nothing else does; on both stores."""

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session, sessionmaker

from db.clock import now
from db.models import Attempt, Base, Event, Job, Outbox, Parity, Worker
from db.queries import control, queue, retention, workers
from db.records import ErrorInfo, Usage
from db.states import AttemptOutcome, JobState
from scheduler.retention import Keep, Retention
from storage import ObjectStore, open_store
from tests.db import zoo

DAY = 86400.0


@pytest.fixture
def dest(tmp_path: Path) -> ObjectStore:
    return open_store(str(tmp_path / "bundles"))


@pytest.fixture
def jobs(sessions: sessionmaker[Session], dest: ObjectStore) -> dict[str, int]:
    """Each with two attempts: one that failed, with a log, and one that succeeded; all of it a hundred days old."""
    zoo.new_batch(sessions, ["a.h5", "b.h5"], dest=dest.url)
    ids = zoo.job_ids(sessions)
    for job in ids.values():
        claim = zoo.claim(sessions, job)
        key = f"logs/{job}/{claim.fence}.log"
        dest.put_bytes(key, b"what the child said")
        with sessions.begin() as session:
            queue.finish(
                session, job, claim.fence, AttemptOutcome.FAILED, state=JobState.FAILED,
                error=ErrorInfo(kind="k", message="m"), usage=Usage(log_key=key),
            )  # fmt: skip
            control.requeue(session, [job])
        zoo.succeed(sessions, zoo.claim(sessions, job))
    age(sessions, 100)
    return ids


def age(sessions: sessionmaker[Session], days: float) -> None:
    with sessions.begin() as session:
        session.execute(update(Event).values(at=now(-days * DAY)))
        session.execute(update(Attempt).values(ended_at=now(-days * DAY)))
        session.execute(update(Outbox).values(sent_at=now(-days * DAY)))


def count(sessions: sessionmaker[Session], table: type[Base]) -> int:
    with sessions() as session:
        return session.scalars(select(func.count()).select_from(table)).one()


def run(sessions: sessionmaker[Session], keep: Keep) -> int:
    return Retention(sessions, open_store, keep).run_once()


def test_nothing_goes_unless_asked(
    sessions: sessionmaker[Session], jobs: dict[str, int], dest: ObjectStore
) -> None:
    before = [count(sessions, table) for table in (Event, Attempt, Outbox, Parity)]
    assert run(sessions, Keep()) == 0
    assert run(sessions, Keep(events_days=101, attempts_days=101, logs_days=101)) == 0
    assert [count(sessions, table) for table in (Event, Attempt, Outbox, Parity)] == before
    assert len(list(dest.list("logs/"))) == len(jobs)


def test_old_attempts_go_with_their_logs_and_the_newest_of_a_job_stays(
    sessions: sessionmaker[Session], jobs: dict[str, int], dest: ObjectStore
) -> None:
    assert run(sessions, Keep(attempts_days=99)) == 4  # two logs, two attempts
    assert list(dest.list("logs/")) == []
    with sessions() as session:
        kept = session.execute(select(Attempt.job_id, Attempt.fence, Attempt.outcome)).all()
    assert [tuple(row) for row in kept] == [(job, 2, AttemptOutcome.SUCCEEDED) for job in jobs.values()]
    assert (count(sessions, Parity), count(sessions, Job)) == (2, 2)
    assert run(sessions, Keep(attempts_days=99)) == 0


def test_logs_may_go_before_their_attempts(
    sessions: sessionmaker[Session], jobs: dict[str, int], dest: ObjectStore
) -> None:
    assert run(sessions, Keep(logs_days=30)) == len(jobs)
    assert list(dest.list("logs/")) == []
    with sessions() as session:
        assert session.scalars(select(Attempt.log_key)).all() == [None] * 4
    assert run(sessions, Keep(logs_days=30)) == 0


def test_old_events_and_delivered_notifications_go(
    sessions: sessionmaker[Session], jobs: dict[str, int]
) -> None:
    zoo.new_job(sessions, "young.h5")
    before = count(sessions, Event)
    gone = run(sessions, Keep(events_days=99))
    assert gone > 0
    with sessions() as session:
        moments = session.execute(select(Event.at, now())).all()
    assert all(there - at < timedelta(days=1) for at, there in moments)
    assert 0 < len(moments) < before
    assert count(sessions, Outbox) == 0


def test_a_notification_on_its_way_stays(sessions: sessionmaker[Session], jobs: dict[str, int]) -> None:
    with sessions.begin() as session:
        session.execute(update(Outbox).values(sent_at=None))
    run(sessions, Keep(events_days=99))
    assert count(sessions, Outbox) == 1


def test_it_goes_in_pieces(sessions: sessionmaker[Session], jobs: dict[str, int]) -> None:
    before = count(sessions, Event)
    with sessions.begin() as session:
        assert retention.delete_events(session, older_than_s=DAY, limit=3) == 3
    assert count(sessions, Event) == before - 3


def test_workers_that_were_not_heard_of_for_long_are_forgotten(sessions: sessionmaker[Session]) -> None:
    for name, days in (("old", 40), ("lost", 2), ("here", 0)):
        with sessions.begin() as session:
            workers.register(session, name, host="h", pid=1, slots=1, device="cpu", versions={})
            session.execute(
                update(Worker)
                .where(Worker.id == name)
                .values(heartbeat_at=now(-days * DAY), started_at=now(-50 * DAY))
            )
    assert run(sessions, Keep(workers_days=30)) == 1
    with sessions() as session:
        assert {row.id for row in workers.list_workers(session, gone=True)} == {"lost", "here"}
