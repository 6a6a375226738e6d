"""The statements that run all day find their rows by index, however many jobs there are."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine, event, text, update
from sqlalchemy.orm import Session, sessionmaker

from db.clock import now
from db.models import Job
from db.queries import dispatch, job_pages, jobs, reap
from db.search import parse
from db.states import JobState
from tests.db import zoo


def plans_of(engine: Engine, run: Callable[[Session], object]) -> str:
    """How the database means to answer every SELECT that `run` sends."""
    sent: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, sql: str, parameters: Any, _context: Any, _many: bool) -> None:
        sent.append((sql, parameters))

    event.listen(engine, "before_cursor_execute", note)
    with Session(engine) as session:
        run(session)
    event.remove(engine, "before_cursor_execute", note)
    explain = "EXPLAIN QUERY PLAN " if engine.dialect.name == "sqlite" else "EXPLAIN "
    with engine.connect() as connection:
        return "\n".join(
            str(tuple(row))
            for sql, parameters in sent
            if sql.startswith("SELECT")
            for row in connection.exec_driver_sql(explain + sql, parameters)
        )


@pytest.fixture
def busy(engine: Engine, sessions: sessionmaker[Session]) -> Engine:
    """Many jobs queued, many running, few of them announced."""
    zoo.new_batch(sessions, [f"{number}.h5" for number in range(4000)])
    with sessions.begin() as session:
        running = update(Job).where(Job.id % 2 == 0)
        session.execute(running.values(state=JobState.RUNNING, lease_until=now(90)))
        session.execute(update(Job).where(Job.id % 400 == 0).values(worker_id="one"))
        session.execute(update(Job).where(Job.id < 20).values(dispatched_at=now()))
        session.execute(text("ANALYZE"))
    return engine


@pytest.mark.parametrize(
    ("run", "indexes"),
    [
        (
            lambda session: dispatch.due_for_dispatch(session, 100, 60.0),
            ["ix_job_dispatched", "ix_job_dispatch"],
        ),
        (reap.reap, ["ix_job_lease"]),
        (lambda session: jobs.list_jobs(session, after=2000, limit=10), []),
        (lambda session: job_pages.page_of_jobs(session, parse("worker:one"), limit=10), ["ix_job_worker"]),
    ],
)
def test_hot_statements_use_their_indexes(
    busy: Engine, run: Callable[[Session], object], indexes: list[str]
) -> None:
    plan = plans_of(busy, run)
    assert plan
    for index in indexes:
        assert index in plan
    for whole_table in ("Seq Scan on job", "'SCAN job')", "'SCAN source')"):
        assert whole_table not in plan
