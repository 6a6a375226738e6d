"""Schedules on both stores: each tick once, whoever looks; what overlaps; what a pause and a crash leave."""

import multiprocessing
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, sessionmaker

from db.clock import now
from db.models import Batch, Recipe, Schedule, ScheduleRun
from db.queries import schedules
from db.session import make_engine, session_factory
from db.states import BatchState, Overlap, RunOutcome
from scheduler.discover import PAGE
from scheduler.recurring import Planner, Ticker
from tests.scheduler.stores import MadeUp

EVERY_MINUTE = "* * * * *"


def add(sessions: sessionmaker[Session], name: str = "nightly", **fields: Any) -> int:
    row = {"cron": EVERY_MINUTE, "timezone": "UTC", "source_url": "/made-up", "selection": {}} | fields
    with sessions.begin() as session:
        return schedules.add(
            session,
            name=name,
            converter_version="1",
            dest_url="/bundles",
            options={"backend": "theano"},
            **row,
        )


def let_pass(sessions: sessionmaker[Session], minutes: int) -> None:
    """As if so much time had gone by: everything that a schedule remembers is so much older."""
    with sessions.begin() as session:
        for run in session.scalars(select(ScheduleRun).order_by(ScheduleRun.scheduled_for)):
            run.scheduled_for -= timedelta(minutes=minutes)
            session.flush()
        for schedule in session.scalars(select(Schedule)):
            assert schedule.since is not None
            schedule.since -= timedelta(minutes=minutes)


def runs(sessions: sessionmaker[Session]) -> list[str]:
    with sessions() as session:
        return [
            f"{run.outcome}{'' if run.batch_id is None else ' with a batch'}"
            for run in session.scalars(select(ScheduleRun).order_by(ScheduleRun.scheduled_for))
        ]


def finish_all(sessions: sessionmaker[Session]) -> None:
    with sessions.begin() as session:
        session.execute(update(Batch).values(state=BatchState.FINISHED))


def test_what_was_missed_is_made_up_for_once(sessions: sessionmaker[Session]) -> None:
    ticker = Ticker(sessions, "2")
    add(sessions)
    let_pass(sessions, 3)
    assert ticker.run_once() == 1
    assert ticker.run_once() == 0
    assert runs(sessions) == ["started with a batch"]
    with sessions() as session:
        recipe = session.scalars(select(Recipe).join(Batch, Batch.recipe_id == Recipe.id)).one()
        assert (recipe.converter_version, recipe.options) == ("2", {"backend": "theano"})


@pytest.mark.parametrize(
    ("overlap", "then", "at_last"),
    [
        (Overlap.SKIP, ["skipped", "skipped"], ["skipped", "skipped"]),
        (Overlap.QUEUE, ["waiting", "skipped"], ["started with a batch", "skipped"]),
        (Overlap.ALLOW, ["started with a batch"] * 2, ["started with a batch"] * 2),
    ],
)
def test_what_comes_while_the_last_run_is_unfinished(
    sessions: sessionmaker[Session], overlap: Overlap, then: list[str], at_last: list[str]
) -> None:
    ticker = Ticker(sessions, "1")
    add(sessions, overlap=overlap)
    for _ in range(3):
        let_pass(sessions, 2)
        ticker.run_once()
    assert runs(sessions) == ["started with a batch", *then]
    finish_all(sessions)
    ticker.run_once()
    assert runs(sessions)[:3] == ["started with a batch", *at_last]


def test_a_pause_is_not_made_up_for_and_running_now_needs_no_tick(sessions: sessionmaker[Session]) -> None:
    ticker = Ticker(sessions, "1")
    add(sessions)
    with sessions.begin() as session:
        assert schedules.change(session, "nightly", enabled=False)
    let_pass(sessions, 10)
    assert ticker.run_once() == 0
    with sessions.begin() as session:
        assert schedules.run_now(session, "nightly", "1") is not None
        assert schedules.run_now(session, "weekly", "1") is None
        assert schedules.change(session, "nightly", enabled=True)
        assert not schedules.change(session, "weekly", enabled=True)
    assert runs(sessions) == ["started with a batch"]
    with sessions() as session:
        (row,) = schedules.list_schedules(session)
        assert (row.last_outcome, row.last_state) == (RunOutcome.STARTED, BatchState.PLANNING)
    with sessions.begin() as session:
        assert schedules.remove(session, "nightly")
        assert not schedules.remove(session, "nightly")
        assert session.scalars(select(Batch.id)).one()


def test_a_late_scheduler_fires_no_older_tick(sessions: sessionmaker[Session]) -> None:
    schedule_id = add(sessions, overlap=Overlap.ALLOW)
    let_pass(sessions, 10)
    with sessions.begin() as session:
        (due,) = schedules.candidates(session)
        newer, older = due.now - timedelta(minutes=1), due.now - timedelta(minutes=2)
        assert schedules.fire(session, schedule_id, newer, "1") is RunOutcome.STARTED
        assert schedules.fire(session, schedule_id, older, "1") is None
        assert schedules.fire(session, schedule_id, newer, "1") is None


def test_a_name_is_taken_once(sessions: sessionmaker[Session]) -> None:
    add(sessions)
    with pytest.raises(IntegrityError):
        add(sessions)


def tick_often(database_url: str, barrier: Any) -> None:
    """In a process of its own: a scheduler that looks again and again."""
    engine = make_engine(database_url)
    ticker = Ticker(session_factory(engine), "1")
    barrier.wait()
    for _ in range(4):
        ticker.run_once()
    engine.dispose()


def test_each_tick_fires_once_among_several_schedulers(
    database_url: str, sessions: sessionmaker[Session]
) -> None:
    for number in range(10):
        add(sessions, f"s{number}", overlap=Overlap.ALLOW, cron="0 * * * *")
    let_pass(sessions, 90)
    spawn = multiprocessing.get_context("spawn")
    barrier = spawn.Barrier(4)
    crowd = [spawn.Process(target=tick_often, args=(database_url, barrier)) for _ in range(4)]
    for each in crowd:
        each.start()
    for each in crowd:
        each.join(120)
    assert [each.exitcode for each in crowd] == [0] * 4
    with sessions() as session:
        rows = session.execute(select(ScheduleRun.schedule_id, ScheduleRun.scheduled_for))
        ticks = Counter((row.schedule_id, row.scheduled_for) for row in rows)
        batches = session.scalars(select(Batch.id)).all()
    assert len(ticks) in (10, 20)  # an hour may have struck meanwhile
    assert set(ticks.values()) == {1}
    assert len(batches) == len(ticks)


def test_a_planner_goes_on_where_the_one_before_stopped(sessions: sessionmaker[Session]) -> None:
    add(sessions, selection={"exclude": ["*9.h5"]})
    with sessions.begin() as session:
        schedules.run_now(session, "nightly", "1")
    store = MadeUp(2 * PAGE + 500)
    planner = Planner(sessions, lambda _: store, seconds=0)
    assert planner.run_once() == 0.9 * PAGE
    with sessions.begin() as session:
        held = schedules.claim_planning(session, 60)
        assert held is not None
    assert planner.run_once() == 0
    with sessions.begin() as session:
        schedules.keep_planning(session, held.batch_id, 0)
    assert [planner.run_once() for _ in range(3)] == [0.9 * PAGE, 450, 0]
    # The last page ended the listing only for a planner that had time to see its end.
    with sessions() as session:
        assert session.scalars(select(Batch.state)).one() is BatchState.RUNNING


def test_the_database_says_what_time_it_is(sessions: sessionmaker[Session]) -> None:
    add(sessions)
    with sessions() as session:
        (due,) = schedules.candidates(session)
        assert abs((session.scalars(select(now())).one() - due.now).total_seconds()) < 60
        assert due.after <= due.now
