from sqlalchemy import update
from sqlalchemy.orm import Session, sessionmaker

from db.clock import now
from db.models import Worker
from db.queries import workers
from db.states import WorkerState
from tests.db import zoo


def register(sessions: sessionmaker[Session], worker_id: str) -> None:
    with sessions.begin() as session:
        workers.register(
            session, worker_id, host="h", pid=1, slots=2, device="cpu", versions={"keras2torch": "0.1.0"}
        )


def test_who_was_not_answered_registers_again(sessions: sessionmaker[Session]) -> None:
    register(sessions, "w1")
    register(sessions, "w1")
    with sessions() as session:
        assert [row.id for row in workers.list_workers(session)] == ["w1"]


def silence(sessions: sessionmaker[Session], worker_id: str, seconds: float) -> None:
    with sessions.begin() as session:
        session.execute(update(Worker).where(Worker.id == worker_id).values(heartbeat_at=now(-seconds)))


def test_a_worker_and_its_jobs(sessions: sessionmaker[Session]) -> None:
    register(sessions, "w1")
    register(sessions, "w2")
    zoo.claim(sessions, zoo.new_job(sessions), "w1")
    with sessions() as session:
        rows = {row.id: row for row in workers.list_workers(session)}
    assert (rows["w1"].running, rows["w2"].running) == (1, 0)
    assert (rows["w1"].slots, rows["w1"].versions) == (2, {"keras2torch": "0.1.0"})
    assert rows["w1"].state is WorkerState.ACTIVE


def test_a_beat_is_remembered_and_says_the_state(sessions: sessionmaker[Session]) -> None:
    register(sessions, "w1")
    silence(sessions, "w1", 500)
    with sessions.begin() as session:
        assert workers.beat(session, "w1", WorkerState.DRAINING) == workers.Heard(known=True, drain=False)
        assert workers.beat(session, "stranger") == workers.Heard(known=False, drain=False)
        assert workers.mark_gone(session, silent_for_s=90) == []
        (row,) = workers.list_workers(session)
    assert row.state is WorkerState.DRAINING


def test_a_worker_hears_at_its_next_beat_that_it_is_to_stop(sessions: sessionmaker[Session]) -> None:
    register(sessions, "w1")
    with sessions.begin() as session:
        assert workers.request_drain(session, "w1")
        assert not workers.request_drain(session, "stranger")
        assert workers.beat(session, "w1").drain
        workers.beat(session, "w1", WorkerState.GONE)
        assert not workers.request_drain(session, "w1"), "it has stopped"


def test_silent_workers_are_marked_once(sessions: sessionmaker[Session]) -> None:
    register(sessions, "quiet")
    register(sessions, "talks")
    silence(sessions, "quiet", 100)
    with sessions.begin() as session:
        assert workers.mark_gone(session, silent_for_s=90) == ["quiet"]
    with sessions.begin() as session:
        assert workers.mark_gone(session, silent_for_s=90) == []
        assert [row.id for row in workers.list_workers(session)] == ["talks"]
        assert len(workers.list_workers(session, gone=True)) == 2


def test_a_worker_that_missed_six_heartbeats_is_lost_until_it_is_heard_again(
    sessions: sessionmaker[Session],
) -> None:
    for worker_id, seconds in (("often", 0.5), ("seldom", 100)):
        with sessions.begin() as session:
            workers.register(
                session,
                worker_id,
                host="h",
                pid=1,
                slots=2,
                device="cpu",
                versions={},
                heartbeat_seconds=seconds,
            )
        silence(sessions, worker_id, 60)
    with sessions.begin() as session:
        assert states(session) == {"often": WorkerState.LOST, "seldom": WorkerState.ACTIVE}
        assert not workers.request_drain(session, "often"), "nobody would hear it"
        workers.beat(session, "often")
        assert states(session)["often"] is WorkerState.ACTIVE


def test_a_lost_worker_is_shown_for_a_day(sessions: sessionmaker[Session]) -> None:
    register(sessions, "w1")
    with sessions.begin() as session:
        workers.beat(session, "w1", WorkerState.DRAINING)
    silence(sessions, "w1", 80_000)
    with sessions() as session:
        assert states(session) == {"w1": WorkerState.LOST}
    silence(sessions, "w1", 90_000)
    with sessions() as session:
        assert states(session) == {}
        assert states(session, gone=True) == {"w1": WorkerState.LOST}


def test_who_said_that_it_stops_is_gone_and_not_lost(sessions: sessionmaker[Session]) -> None:
    register(sessions, "w1")
    with sessions.begin() as session:
        workers.beat(session, "w1", WorkerState.GONE)
    silence(sessions, "w1", 80_000)
    with sessions() as session:
        assert states(session, gone=True) == {"w1": WorkerState.GONE}


def states(session: Session, *, gone: bool = False) -> dict[str, WorkerState]:
    return {row.id: row.state for row in workers.list_workers(session, gone=gone)}
