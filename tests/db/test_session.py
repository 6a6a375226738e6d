import subprocess
import sys
import threading
from pathlib import Path

import psycopg
import pytest
from alembic import command
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Engine, insert, inspect, select, text
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import Session, sessionmaker

from db import session as db_session
from db.models import Base, BatchJob, Event
from tests.servers import Postgres


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'empty.db'}"
    url: str = request.getfixturevalue("postgres_url")
    return url


def test_migrations_and_models_agree(engine: Engine) -> None:
    with engine.begin() as connection:
        command.check(db_session.alembic_config(connection))


def test_alembic_check_notices_a_difference(empty_url: str) -> None:
    """Guards the test above: a check that compares nothing would pass it."""
    db_session.upgrade(empty_url)
    engine = db_session.make_engine(empty_url)
    with engine.begin() as connection:
        connection.execute(text("DROP INDEX ix_job_lease"))
        connection.execute(text("ALTER TABLE worker DROP COLUMN device"))
        with pytest.raises(CommandError, match="ix_job_lease") as caught:
            command.check(db_session.alembic_config(connection))
    engine.dispose()
    assert "device" in str(caught.value)


def test_upgrade_may_run_in_many_processes_and_again(empty_url: str) -> None:
    command = [sys.executable, "-c", f"from db.session import upgrade; upgrade({empty_url!r})"]
    started = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    failures = [errors for process in started for errors in [process.communicate()[1]] if process.returncode]
    assert not failures
    db_session.upgrade(empty_url)
    engine = db_session.make_engine(empty_url)
    partitions = {name for name in inspect(engine).get_table_names() if name.startswith("event_")}
    assert bool(partitions) == (engine.dialect.name == "postgresql")
    assert set(inspect(engine).get_table_names()) - partitions == {*Base.metadata.tables, "alembic_version"}
    engine.dispose()


def test_a_new_sqlite_file_may_be_opened_by_many_at_once(tmp_path: Path) -> None:
    """SQLite refuses at once, whatever its patience, to change the mode of a file that another changes."""
    failures: list[BaseException] = []

    def connect(engine: Engine, together: threading.Barrier) -> None:
        together.wait()
        try:
            with engine.begin() as connection:
                connection.execute(text("CREATE TABLE IF NOT EXISTS seen (n)"))
        except OperationalError as error:
            failures.append(error)

    for number in range(40):
        engines = [db_session.make_engine(f"sqlite:///{tmp_path / f'{number}.db'}") for _ in range(6)]
        together = threading.Barrier(6)
        threads = [threading.Thread(target=connect, args=(engine, together)) for engine in engines]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for engine in engines:
            engine.dispose()
    assert not failures


def test_downgrade_leaves_nothing(empty_url: str) -> None:
    db_session.upgrade(empty_url)
    engine = db_session.make_engine(empty_url)
    with engine.begin() as connection:
        command.downgrade(db_session.alembic_config(connection), "base")
    assert inspect(engine).get_table_names() == ["alembic_version"]
    engine.dispose()


def test_schema_is_current(empty_url: str) -> None:
    engine = db_session.make_engine(empty_url)
    assert not db_session.schema_is_current(engine)
    db_session.upgrade(empty_url)
    assert db_session.schema_is_current(engine)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0000'"))
    assert not db_session.schema_is_current(engine)
    engine.dispose()


def test_a_database_made_without_a_locale_serves_as_well(postgres_server: Postgres) -> None:
    with postgres_server.database() as url:
        name = url.rpartition("/")[2]
        postgres_server.execute(f"DROP DATABASE {name}")
        postgres_server.execute(
            f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'"
        )
        db_session.upgrade(url)
        engine = db_session.make_engine(url)
        assert db_session.schema_is_current(engine)
        with engine.connect() as connection:
            assert connection.scalar(text("SELECT CAST('zürich' AS text)")) == "zürich"
        engine.dispose()


def test_there_is_one_line_of_migrations() -> None:
    script = ScriptDirectory.from_config(db_session.alembic_config())
    assert len(script.get_heads()) == 1


def test_foreign_keys_are_enforced(sessions: sessionmaker[Session]) -> None:
    with pytest.raises(IntegrityError), sessions.begin() as session:
        session.execute(insert(BatchJob).values(batch_id=1, job_id=1))


def test_reading_does_not_wait_for_a_writer(engine: Engine) -> None:
    write = db_session.session_factory(engine)
    read = db_session.session_factory(engine, read_only=True)
    with write.begin() as writer:
        writer.execute(insert(Event).values(type="half-done", data={}))
        with read() as reader:
            assert reader.scalars(select(Event)).all() == []
    with read() as reader:
        assert [event.type for event in reader.scalars(select(Event))] == ["half-done"]


def test_sqlite_writers_wait_for_each_other(tmp_path: Path) -> None:
    """Two transactions that read, then write: without the early lock the second fails at once."""
    url = f"sqlite:///{tmp_path / 'fleet.db'}"
    db_session.upgrade(url)
    engine = db_session.make_engine(url)
    sessions = db_session.session_factory(engine)
    both_ready = threading.Barrier(4)
    failures: list[BaseException] = []

    def count_up() -> None:
        try:
            both_ready.wait()
            for _ in range(20):
                with sessions.begin() as session:
                    seen = len(session.scalars(select(Event.id)).all())
                    session.execute(insert(Event).values(type=str(seen), data={}))
        except BaseException as error:
            failures.append(error)
            raise

    threads = [threading.Thread(target=count_up) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    with sessions() as session:
        assert sorted(int(kind) for kind in session.scalars(select(Event.type))) == list(range(80))
    engine.dispose()


def test_a_database_that_is_down_is_an_operational_error() -> None:
    engine = db_session.make_engine("postgresql://nobody@127.0.0.1:1/nothing")
    with pytest.raises(OperationalError), engine.connect():
        pass
    engine.dispose()


def test_a_connection_that_died_while_it_lay_idle_is_replaced(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(db_session, "_IDLE_SECONDS", 0.0)
    engine = db_session.make_engine(postgres_url)
    own = text("SELECT pg_backend_pid()")
    try:
        with engine.connect() as connection:
            first = connection.scalar(own)
        with psycopg.connect(postgres_url, autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s)", [first])
        with engine.connect() as connection:
            assert connection.scalar(own) != first
    finally:
        engine.dispose()
