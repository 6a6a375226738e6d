"""The statements that run all day must find their rows by index, however many jobs there are."""

import pytest
from sqlalchemy import Engine, event, text
from sqlalchemy.orm import Session, sessionmaker

from db.queries import dispatch, jobs, reap
from tests.db import zoo


def explain(engine: Engine, sessions: sessionmaker[Session], run: object) -> str:
    """The plans of every SELECT that `run(session)` sends."""
    assert callable(run)
    sent: list[tuple[str, object]] = []
    note = lambda _c, _cursor, sql, parameters, *_rest: sent.append((sql, parameters))  # noqa: E731
    event.listen(engine, "before_cursor_execute", note)
    with sessions() as session:
        run(session)
    event.remove(engine, "before_cursor_execute", note)
    plans = []
    prefix = "EXPLAIN QUERY PLAN " if engine.dialect.name == "sqlite" else "EXPLAIN "
    with engine.connect() as connection:
        for sql, parameters in sent:
            if sql.startswith("SELECT"):
                plans += [str(row) for row in connection.exec_driver_sql(prefix + sql, parameters)]
    return "\n".join(plans)


@pytest.mark.parametrize(
    ("statement", "index"),
    [
        (lambda session: dispatch.due_for_dispatch(session, 100, 60.0), "ix_job_dispatch"),
        (lambda session: dispatch.due_for_dispatch(session, 100, 60.0), "ix_job_dispatched"),
        (reap.reap, "ix_job_lease"),
        (lambda session: jobs.list_jobs(session, after=10), "job"),
    ],
)
def test_hot_statements_use_their_index(
    engine: Engine, sessions: sessionmaker[Session], statement: object, index: str
) -> None:
    zoo.new_batch(sessions, [f"{number}.h5" for number in range(3000)])
    with engine.connect() as connection:
        connection.execute(text("ANALYZE"))
        connection.commit()
    plan = explain(engine, sessions, statement)
    assert index in plan
    assert "Seq Scan on job" not in plan
    assert "SCAN job\\b" not in plan
