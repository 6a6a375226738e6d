"""A worker that is stopped within a transaction: the rows it has locked come free without it."""

import time

import pytest
from sqlalchemy import select

from db import session as db_session
from db.models import Base, Job
from db.queries import queue, reap
from tests import servers
from tests.db import zoo


def test_a_process_that_stands_still_in_a_transaction_keeps_no_job_from_the_reaper(
    postgres_server: servers.Postgres, migrated_postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    postgres_server.empty(migrated_postgres, Base.metadata.tables)
    assert "idle_in_transaction_session_timeout=30s" in str(db_session._POSTGRESQL["options"])
    monkeypatch.setitem(db_session._POSTGRESQL, "options", "-c idle_in_transaction_session_timeout=300ms")
    engine = db_session.make_engine(migrated_postgres)
    sessions = db_session.session_factory(engine)
    job_id = zoo.new_job(sessions)
    with sessions.begin() as session:
        assert queue.claim(session, job_id, "w1", 0.1) is not None
    stopped = sessions()
    try:
        stopped.execute(select(Job.id).where(Job.id == job_id).with_for_update())
        time.sleep(0.15)
        with sessions.begin() as session:
            assert reap.reap(session) == []
        time.sleep(0.5)
        with sessions.begin() as session:
            assert [job.job_id for job in reap.reap(session)] == [job_id]
    finally:
        stopped.invalidate()
        engine.dispose()
