"""Eight threads at once, on both stores. Each test fails where a guard is a read followed by a write."""

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session, sessionmaker

from db.clock import now
from db.models import Attempt, BatchJob, Job, Recipe, Source
from db.queries import control, inventory, queue, reap, saved_views
from db.states import AttemptOutcome, JobState
from tests.db import zoo

THREADS = 8
T = TypeVar("T")


def at_once(work: Callable[[int], T]) -> list[T]:
    """Runs `work(0)`, `work(1)` ... in threads that start together; raises what any of them raised."""
    barrier = threading.Barrier(THREADS)

    def begin(number: int) -> T:
        barrier.wait()
        return work(number)

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(begin, range(THREADS)))


def test_no_job_is_claimed_twice(sessions: sessionmaker[Session]) -> None:
    zoo.new_batch(sessions, [f"{number}.h5" for number in range(40)])
    jobs = list(zoo.job_ids(sessions).values())

    def claim_all(number: int) -> list[int]:
        won = []
        for job_id in jobs:
            with sessions.begin() as session:
                if queue.claim(session, job_id, f"w{number}", zoo.LEASE) is not None:
                    won.append(job_id)
        return won

    won = Counter(job_id for mine in at_once(claim_all) for job_id in mine)
    assert won == Counter(jobs)
    with sessions() as session:
        assert session.scalars(select(func.count()).select_from(Attempt)).one() == len(jobs)
        assert set(session.scalars(select(Job.fence))) == {1}


def test_two_equal_results_at_once_are_one_result(sessions: sessionmaker[Session]) -> None:
    zoo.new_batch(sessions, [f"{number}.h5" for number in range(THREADS)])
    claims = [zoo.claim(sessions, job_id) for job_id in zoo.job_ids(sessions).values()]
    assert all(at_once(lambda number: zoo.succeed(sessions, claims[number], content="same")))
    with sessions() as session:
        rows = session.execute(select(Job.id, Job.state, Job.reused_from)).all()
    assert {row.state for row in rows} == {JobState.SUCCEEDED}
    (original,) = [row.id for row in rows if row.reused_from is None]
    assert {row.reused_from for row in rows if row.id != original} == {original}


def test_planning_the_same_listing_at_once_makes_each_job_once(sessions: sessionmaker[Session]) -> None:
    keys = [f"{number:03}.h5" for number in range(150)]
    batches = at_once(lambda _: zoo.new_batch(sessions, keys))
    with sessions() as session:
        assert session.scalars(select(func.count()).select_from(Source)).one() == len(keys)
        assert session.scalars(select(func.count()).select_from(Job)).one() == len(keys)
        assert session.scalars(select(func.count()).select_from(Recipe)).one() == 1
        assert session.scalars(select(func.count()).select_from(BatchJob)).one() == len(keys) * len(batches)


def test_a_lost_job_is_reaped_once(sessions: sessionmaker[Session]) -> None:
    zoo.new_batch(sessions, [f"{number}.h5" for number in range(20)])
    jobs = list(zoo.job_ids(sessions).values())
    for job_id in jobs:
        zoo.claim(sessions, job_id)
        zoo.expire_lease(sessions, job_id)

    def reap_some(_: int) -> list[int]:
        with sessions.begin() as session:
            return [reaped.job_id for reaped in reap.reap(session)]

    reaped = Counter(job_id for mine in at_once(reap_some) for job_id in mine)
    assert reaped == Counter(jobs)
    with sessions() as session:
        assert set(session.scalars(select(Job.lost_count))) == {1}


@pytest.mark.parametrize("rival", ["reap", "cancel"])
def test_a_finish_and_its_rival_cannot_both_win(sessions: sessionmaker[Session], rival: str) -> None:
    zoo.new_batch(sessions, [f"{number}.h5" for number in range(24)])
    claims = [zoo.claim(sessions, job_id) for job_id in zoo.job_ids(sessions).values()]
    with sessions.begin() as session:
        session.execute(update(Job).values(lease_until=now(-1)))
    finished: dict[int, bool] = {}

    def take_part(number: int) -> None:
        for claim in claims:
            if number == 0:
                finished[claim.job_id] = zoo.succeed_if_held(sessions, claim)
                continue
            with sessions.begin() as session:
                if rival == "reap":
                    reap.reap(session)
                else:
                    control.cancel(session, [claim.job_id])

    at_once(take_part)
    with sessions() as session:
        jobs = {job.id: job for job in session.scalars(select(Job))}
        attempts = {attempt.job_id: attempt for attempt in session.scalars(select(Attempt))}
    for claim in claims:
        succeeded = jobs[claim.job_id].state is JobState.SUCCEEDED
        assert succeeded == finished[claim.job_id]
        outcome = attempts[claim.job_id].outcome
        assert outcome is (AttemptOutcome.SUCCEEDED if succeeded else AttemptOutcome.LOST)
        assert jobs[claim.job_id].lost_count == (0 if succeeded else 1)


def test_a_job_given_back_while_it_is_cancelled_is_cancelled(sessions: sessionmaker[Session]) -> None:
    """Whoever comes first: a queued job that is to be cancelled could neither run nor end."""
    zoo.new_batch(sessions, [f"{number}.h5" for number in range(60)])
    claims = [zoo.claim(sessions, job_id) for job_id in zoo.job_ids(sessions).values()]

    def take_part(number: int) -> None:
        for claim in claims[number % 4 :: 4]:
            with sessions.begin() as session:
                if number < 4:
                    assert queue.release(session, claim.job_id, claim.fence, outcome=AttemptOutcome.RETRY)
                else:
                    control.cancel(session, [claim.job_id])

    at_once(take_part)
    with sessions() as session:
        assert set(session.scalars(select(Job.state))) == {JobState.CANCELLED}


def test_no_job_of_a_batch_escapes_its_pause(sessions: sessionmaker[Session]) -> None:
    """While workers claim and give back as fast as they can."""
    batch_id = zoo.new_batch(sessions, [f"{number}.h5" for number in range(40)])
    jobs = list(zoo.job_ids(sessions).values())

    def take_part(number: int) -> None:
        if number == 0:
            with sessions.begin() as session:
                control.hold(session, batch_id)
            return
        for job_id in jobs[number - 1 :: THREADS - 1]:
            with sessions.begin() as session:
                claim = queue.claim(session, job_id, f"w{number}", zoo.LEASE)
            if claim is not None:
                with sessions.begin() as session:
                    assert queue.release(session, job_id, claim.fence, outcome=AttemptOutcome.DRAINED)

    at_once(take_part)
    with sessions() as session:
        assert set(session.scalars(select(Job.state))) == {JobState.HELD}


def test_interrupted_planning_goes_on_where_it_was(sessions: sessionmaker[Session]) -> None:
    with sessions.begin() as session:
        batch_id = inventory.create_batch(
            session, source_url="/models", dest_url="/bundles", converter_version="1", options={}
        )
    with sessions.begin() as session:
        inventory.plan(session, batch_id, [zoo.Listed("a.h5"), zoo.Listed("b.h5")])
    with sessions() as session:
        inventory.plan(session, batch_id, [zoo.Listed("c.h5")])
        session.rollback()
    with sessions() as session:
        assert inventory.listed_after(session, batch_id) == "b.h5"
    assert set(zoo.job_ids(sessions)) == {"a.h5", "b.h5"}


def test_a_view_that_all_tabs_keep_at_once_is_kept_once(sessions: sessionmaker[Session]) -> None:
    def keep(number: int) -> bool:
        kept = []
        for name in range(20):
            with sessions.begin() as session:
                kept.append(saved_views.save(session, "anna", f"view {name}", f"q={number}"))
        return all(kept)

    assert all(at_once(keep))
    with sessions() as session:
        names = [view.name for view in saved_views.list_views(session, "anna")]
    assert sorted(names) == sorted({f"view {name}" for name in range(20)})
