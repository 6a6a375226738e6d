from sqlalchemy import select, update
from sqlalchemy.orm import Session, sessionmaker

from db.clock import now
from db.models import Job
from db.queries import control, dispatch, inventory, queue
from db.states import AttemptOutcome
from tests.db import zoo

RESEND = 60.0


def due(sessions: sessionmaker[Session], window: int = 100) -> list[int]:
    with sessions() as session:
        return [item.job_id for item in dispatch.due_for_dispatch(session, window, RESEND)]


def mark(sessions: sessionmaker[Session], job_ids: list[int]) -> None:
    with sessions.begin() as session:
        dispatch.mark_dispatched(session, job_ids)


def age_messages(sessions: sessionmaker[Session], seconds: float) -> None:
    with sessions.begin() as session:
        session.execute(update(Job).where(Job.dispatched_at.is_not(None)).values(dispatched_at=now(-seconds)))


def test_urgent_first_then_in_order(sessions: sessionmaker[Session]) -> None:
    zoo.new_batch(sessions, ["b.h5", "c.h5"])
    with sessions.begin() as session:
        batch_id = inventory.create_batch(
            session, source_url="/models", dest_url="/bundles", converter_version="1", options={}
        )
        inventory.plan(session, batch_id, [zoo.Listed("a.h5")], priority=-1, queue="urgent")
    jobs = zoo.job_ids(sessions)
    assert due(sessions) == [jobs["a.h5"], jobs["b.h5"], jobs["c.h5"]]
    with sessions() as session:
        queues = [item.queue for item in dispatch.due_for_dispatch(session, 2, RESEND)]
    assert queues == ["urgent", "default"]


def test_a_queue_that_nobody_takes_holds_up_no_other(sessions: sessionmaker[Session]) -> None:
    """More large jobs stand first in line than the window holds, and stay there."""
    with sessions.begin() as session:
        batch_id = inventory.create_batch(
            session, source_url="/models", dest_url="/bundles", converter_version="1", options={}
        )
        listed = [zoo.Listed(f"large{number}.h5") for number in range(5)]
        inventory.plan(session, batch_id, listed, priority=-1, queue="large")
    zoo.new_batch(sessions, ["a.h5", "b.h5", "c.h5", "d.h5"])
    jobs = zoo.job_ids(sessions)
    first = due(sessions, window=3)
    assert first == [jobs[f"large{number}.h5"] for number in range(3)]
    mark(sessions, first)
    second = due(sessions, window=3)
    assert second == [jobs["a.h5"], jobs["b.h5"], jobs["c.h5"]]
    mark(sessions, second)
    assert due(sessions, window=3) == []
    zoo.claim(sessions, jobs["a.h5"])
    assert due(sessions, window=3) == [jobs["d.h5"]]
    mark(sessions, [jobs["d.h5"]])
    zoo.claim(sessions, jobs["large0.h5"])
    zoo.claim(sessions, jobs["b.h5"])
    assert due(sessions, window=3) == [jobs["large3.h5"]]


def test_the_window_counts_what_is_already_announced(sessions: sessionmaker[Session]) -> None:
    zoo.new_batch(sessions, [f"{number}.h5" for number in range(5)])
    first = due(sessions, window=3)
    assert len(first) == 3
    mark(sessions, first)
    assert due(sessions, window=3) == []
    assert len(due(sessions, window=4)) == 1
    zoo.claim(sessions, first[0])
    assert len(due(sessions, window=3)) == 1, "a claimed job makes room"


def test_a_message_that_went_nowhere_is_sent_again(sessions: sessionmaker[Session]) -> None:
    job_id = zoo.new_job(sessions)
    mark(sessions, [job_id])
    assert due(sessions) == []
    age_messages(sessions, RESEND + 1)
    assert due(sessions) == [job_id]
    mark(sessions, [job_id])
    assert due(sessions) == []


def test_a_job_given_back_is_announced_once_it_is_due(sessions: sessionmaker[Session]) -> None:
    job_id = zoo.new_job(sessions)
    mark(sessions, [job_id])
    claim = zoo.claim(sessions, job_id)
    with sessions.begin() as session:
        queue.release(session, job_id, claim.fence, outcome=AttemptOutcome.RETRY, delay_s=60)
    assert due(sessions) == []
    zoo.make_due(sessions, job_id)
    assert due(sessions) == [job_id]


def test_held_and_finished_jobs_are_not_announced(sessions: sessionmaker[Session]) -> None:
    batch_id = zoo.new_batch(sessions, ["a.h5", "b.h5"])
    zoo.succeed(sessions, zoo.claim(sessions, zoo.job_ids(sessions)["b.h5"]))
    with sessions.begin() as session:
        control.hold(session, batch_id)
    assert due(sessions) == []


def test_a_mark_that_comes_late_does_not_touch_a_claimed_job(sessions: sessionmaker[Session]) -> None:
    job_id = zoo.new_job(sessions)
    zoo.claim(sessions, job_id)
    mark(sessions, [job_id])
    with sessions() as session:
        assert session.scalars(select(Job.dispatched_at)).one() is None


def test_in_flight(sessions: sessionmaker[Session]) -> None:
    zoo.new_batch(sessions, [f"{number}.h5" for number in range(6)])
    jobs = list(zoo.job_ids(sessions).values())
    claim = zoo.claim(sessions, jobs[0])
    zoo.claim(sessions, jobs[1])
    with sessions.begin() as session:
        queue.release(session, jobs[0], claim.fence, outcome=AttemptOutcome.RETRY, delay_s=60)
    mark(sessions, jobs[2:4])
    with sessions() as session:
        found = dispatch.in_flight(session, RESEND)
    assert found == dispatch.InFlight(queued=5, announced=2, delayed=1, running=1)
