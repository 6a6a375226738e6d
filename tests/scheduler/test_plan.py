"""Planning on both stores, killed in the middle and continued; and what is needed of what another version did."""

import multiprocessing
import os
import signal
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session, sessionmaker

from db.models import Batch, BatchJob, Job, Source
from db.queries import inventory
from db.records import ErrorInfo
from db.session import make_engine, session_factory
from db.states import BatchState
from scheduler.discover import PAGE
from scheduler.plan import plan, plan_up_to
from scheduler.selection import Selection
from tests.db import zoo
from tests.scheduler.stores import MadeUp, key_of

OBJECTS = 3 * PAGE + 500
REQUEST: dict[str, Any] = {
    "source_url": "/made-up",
    "dest_url": "/bundles",
    "converter_version": "1",
    "options": {},
}


def create(sessions: sessionmaker[Session], **changed: Any) -> int:
    with sessions.begin() as session:
        return inventory.create_batch(session, **(REQUEST | changed))


def count(sessions: sessionmaker[Session], table: type[Any]) -> int:
    with sessions() as session:
        return session.scalars(select(func.count()).select_from(table)).one()


def plan_and_die(database_url: str, batch_id: int, pages: int) -> None:
    """In a process of its own: plans some pages and is killed with the next one in hand."""
    sessions = session_factory(make_engine(database_url))
    planning = plan(sessions, MadeUp(OBJECTS), batch_id)
    for _ in range(pages):
        next(planning)
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_listing_goes_on_behind_its_last_page(
    database_url: str, sessions: sessionmaker[Session]
) -> None:
    batch_id = create(sessions)
    child = multiprocessing.get_context("spawn").Process(
        target=plan_and_die, args=(database_url, batch_id, 2)
    )
    child.start()
    child.join(120)
    assert child.exitcode == -signal.SIGKILL
    with sessions() as session:
        assert inventory.interrupted_batch(session, **REQUEST) == batch_id
        assert inventory.interrupted_batch(session, **REQUEST, selection={"include": ["a"]}) is None
        assert inventory.listed_after(session, batch_id) == key_of(2 * PAGE - 1)
    store = MadeUp(OBJECTS)
    done = list(plan(sessions, store, batch_id))
    assert store.listed == PAGE + 500
    assert sum(each.new for each in done) == PAGE + 500
    assert [count(sessions, table) for table in (Source, Job, BatchJob)] == [OBJECTS] * 3
    with sessions() as session:
        batch = session.get_one(Batch, batch_id)
        assert (batch.state, batch.jobs_new) == (BatchState.RUNNING, OBJECTS)
        assert inventory.interrupted_batch(session, **REQUEST) is None


def test_what_came_before_the_checkpoint_since_is_found_too(sessions: sessionmaker[Session]) -> None:
    batch_id = create(sessions)
    planning = plan(sessions, MadeUp(3000), batch_id)
    next(planning)
    changed = MadeUp(3000, etags={7: "changed"})
    list(plan(sessions, changed, batch_id))
    assert count(sessions, Job) == 3000
    changed.listed = 0
    list(plan_up_to(sessions, changed, batch_id, key_of(999)))
    assert changed.listed == 1001
    assert count(sessions, Job) == 3001


def test_patterns_choose_and_the_checkpoint_passes_what_they_leave(sessions: sessionmaker[Session]) -> None:
    selection = Selection(include=("models/00000000*.h5",), exclude=("*7.h5",))
    batch_id = create(sessions, selection=selection.as_json())
    planning = plan(sessions, MadeUp(OBJECTS), batch_id, selection)
    assert [next(planning).new, next(planning).new] == [9, 0]
    with sessions() as session:
        assert inventory.listed_after(session, batch_id) == key_of(2 * PAGE - 1)
        assert set(session.scalars(select(Source.key))) == {key_of(n) for n in range(10) if n != 7}


@pytest.mark.parametrize("only_needed", [True, False])
def test_only_what_is_new_changed_or_failed_is_done_by_a_newer_converter(
    sessions: sessionmaker[Session], only_needed: bool
) -> None:
    list(plan(sessions, MadeUp(4), create(sessions)))
    jobs = zoo.job_ids(sessions)
    zoo.succeed(sessions, zoo.claim(sessions, jobs[key_of(0)]), content="a")
    zoo.fail(
        sessions, zoo.claim(sessions, jobs[key_of(1)]), ErrorInfo(kind="unsupported-model", message="no rule")
    )
    zoo.succeed(sessions, zoo.claim(sessions, jobs[key_of(2)]), content="b")
    zoo.claim(sessions, jobs[key_of(3)])
    batch_id = create(sessions, converter_version="2")
    selection = Selection(only_needed=only_needed)
    # Number 2 has changed since, number 4 is new, number 3 is being converted.
    list(plan(sessions, MadeUp(5, etags={2: "changed"}), batch_id, selection))
    with sessions() as session:
        planned = session.scalars(
            select(Source.key)
            .join(Job, Job.source_id == Source.id)
            .join(BatchJob, BatchJob.job_id == Job.id)
            .where(BatchJob.batch_id == batch_id)
            .order_by(Source.key)
        ).all()
    wanted = [1, 2, 4] if only_needed else [0, 1, 2, 3, 4]
    assert planned == [key_of(number) for number in wanted]
    # Elsewhere, nothing has been done yet.
    other = create(sessions, converter_version="2", dest_url="/elsewhere")
    assert sum(each.new for each in plan(sessions, MadeUp(5), other, selection)) == 5
