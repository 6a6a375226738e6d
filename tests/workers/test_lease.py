import threading
import time
from collections.abc import Callable

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session, sessionmaker

from db.models import Attempt, Job
from db.queries import control
from db.session import make_engine, session_factory
from tests import servers
from tests.db import zoo
from workers.drain import Leases
from workers.lease import Lease, Stop
from workers.settings import WorkerSettings


def wait_until(true: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.01)


def lease_of(
    sessions: sessionmaker[Session], job_id: int, *, seconds: float = 4, beat: float = 0.05
) -> Lease:
    claim = zoo.claim(sessions, job_id)
    return Lease(sessions, job_id, claim.fence, lease_seconds=seconds, heartbeat_seconds=beat)


def test_a_lease_is_renewed_while_it_is_held(sessions: sessionmaker[Session]) -> None:
    job_id = zoo.new_job(sessions)
    until = select(Job.lease_until).where(Job.id == job_id)
    with lease_of(sessions, job_id) as lease:
        time.sleep(0.3)
        with sessions() as session:
            first = session.scalars(until).one()
        time.sleep(0.3)
        with sessions() as session:
            later = session.scalars(until).one()
    assert first is not None
    assert later is not None
    assert later > first
    assert not lease.stop.is_set()


def test_a_new_stage_is_told_before_the_next_beat_is_due(sessions: sessionmaker[Session]) -> None:
    job_id = zoo.new_job(sessions)
    stage = select(Attempt.stage).where(Attempt.job_id == job_id)

    def told() -> bool:
        with sessions() as session:
            return session.scalars(stage).one() == "convert"

    with lease_of(sessions, job_id, seconds=400, beat=100) as lease:
        lease.enter("download")
        lease.enter("convert")
        wait_until(told, seconds=5)
    assert set(lease.stage_seconds()) == {"download", "convert"}


def test_progress_is_told_with_the_beat_and_begins_anew_with_a_stage(sessions: sessionmaker[Session]) -> None:
    job_id = zoo.new_job(sessions)
    told = select(Attempt.stage, Attempt.progress).where(Attempt.job_id == job_id)

    def now() -> tuple[str | None, float | None]:
        with sessions() as session:
            stage, progress = session.execute(told).one()
        return stage, progress

    with lease_of(sessions, job_id) as lease:
        lease.enter("verify")
        lease.progress(0.5)
        wait_until(lambda: now() == ("verify", 0.5))
        lease.enter("publish")
        wait_until(lambda: now() == ("publish", None))


def test_a_cancelled_job_is_told_to_stop(sessions: sessionmaker[Session]) -> None:
    job_id = zoo.new_job(sessions)
    with lease_of(sessions, job_id) as lease:
        with sessions.begin() as session:
            control.cancel(session, [job_id])
        assert lease.stop.wait(10)
    assert lease.reason is Stop.CANCELLED


def test_a_job_that_was_told_to_stop_loses_its_lease_all_the_same(sessions: sessionmaker[Session]) -> None:
    """Or a draining worker whose database is away would try to record its end for ever."""
    job_id = zoo.new_job(sessions)
    with lease_of(sessions, job_id, seconds=1, beat=0.2) as lease:
        lease.end(Stop.DRAINED)
        assert not lease.lost
        wait_until(lambda: lease.lost)
    assert lease.reason is Stop.DRAINED


def test_a_newer_attempt_ends_the_older_one(sessions: sessionmaker[Session]) -> None:
    job_id = zoo.new_job(sessions)
    with lease_of(sessions, job_id) as lease:
        with sessions.begin() as session:
            session.execute(update(Job).where(Job.id == job_id).values(fence=Job.fence + 1))
        assert lease.stop.wait(10)
    assert lease.reason is Stop.LOST


def test_a_worker_that_cannot_reach_the_database_stops_itself_in_time() -> None:
    """The lease is 1.5 s; the beats fail from the moment the server is gone."""
    with servers.postgres() as server, server.database() as url:
        from db.session import upgrade

        upgrade(url)
        engine = make_engine(url)
        sessions = session_factory(engine)
        job_id = zoo.new_job(sessions)
        with lease_of(sessions, job_id, seconds=1.5, beat=0.1) as lease:
            time.sleep(0.3)
            gone_at = time.monotonic()
            server.kill()
            assert lease.stop.wait(10)
            assert time.monotonic() - gone_at < 1.5
        assert lease.reason is Stop.LOST
        engine.dispose()
        server.start()


def test_the_first_reason_stands(sessions: sessionmaker[Session]) -> None:
    lease = lease_of(sessions, zoo.new_job(sessions))
    lease.end(Stop.DRAINED)
    lease.end(Stop.LOST)
    assert lease.reason is Stop.DRAINED


@pytest.mark.parametrize("grace", [0.0, 0.3])
def test_draining_stops_what_runs_after_the_grace(sessions: sessionmaker[Session], grace: float) -> None:
    leases = Leases()
    claim = zoo.claim(sessions, zoo.new_job(sessions))
    with leases.hold(sessions, claim, WorkerSettings()) as lease:
        began = time.monotonic()
        leases.drain(grace)
        assert leases.draining
        assert lease.stop.wait(10)
        assert time.monotonic() - began >= grace
    assert lease.reason is Stop.DRAINED


def test_a_job_claimed_in_the_last_moment_is_handed_back_too(sessions: sessionmaker[Session]) -> None:
    leases = Leases()
    leases.drain(0)
    claim = zoo.claim(sessions, zoo.new_job(sessions))
    time.sleep(0.1)
    with leases.hold(sessions, claim, WorkerSettings()) as lease:
        assert lease.stop.wait(10)


def test_no_thread_outlives_its_lease(sessions: sessionmaker[Session]) -> None:
    before = threading.active_count()
    with lease_of(sessions, zoo.new_job(sessions)):
        assert threading.active_count() > before
    wait_until(lambda: threading.active_count() == before)
