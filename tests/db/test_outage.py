"""Errors of real databases, each brought about: which are waited out, and which are said at once."""

import resource
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from db import session as db_session
from db.outage import is_outage
from tests.servers import Postgres


def say(connection: Connection, *statements: str) -> None:
    for statement in statements:
        connection.execute(text(statement))


def deadlock(mine: Connection, other: Connection) -> None:
    say(mine, "SET deadlock_timeout = '10ms'", "UPDATE thing SET m = 1 WHERE n = 1")
    say(other, "SET deadlock_timeout = '1min'", "UPDATE thing SET m = 2 WHERE n = 2")
    # Sent and not waited for, by the driver itself: SQLAlchemy would wait.
    libpq = other.connection.dbapi_connection.pgconn  # type: ignore[union-attr]
    libpq.send_query(b"UPDATE thing SET m = 2 WHERE n = 1")
    try:
        say(mine, "UPDATE thing SET m = 1 WHERE n = 2")
    finally:
        other.invalidate()


def serialization(mine: Connection, other: Connection) -> None:
    say(mine, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", "SELECT * FROM thing")
    say(other, "UPDATE thing SET m = 7")
    other.commit()
    say(mine, "UPDATE thing SET m = 8")


def locked(mine: Connection, other: Connection) -> None:
    say(other, "LOCK thing")
    say(mine, "SET lock_timeout = '1ms'", "SELECT * FROM thing")


def stood_still(mine: Connection, _other: Connection) -> None:
    say(mine, "SET idle_in_transaction_session_timeout = '10ms'")
    time.sleep(0.2)
    say(mine, "SELECT 1")


def ended(mine: Connection, other: Connection) -> None:
    say(other, f"SELECT pg_terminate_backend({mine.scalar(text('SELECT pg_backend_pid()'))}, 5000)")
    say(mine, "SELECT 1")


def asked(*statements: str) -> Callable[[Connection, Connection], None]:
    return lambda mine, _other: say(mine, *statements)


POSTGRESQL: dict[str, tuple[bool, Callable[[Connection, Connection], None]]] = {
    "40P01": (True, deadlock),
    "40001": (True, serialization),
    "55P03": (True, locked),
    "25P03": (True, stood_still),
    "57P01": (True, ended),
    "57014": (True, asked("SET statement_timeout = '1ms'", "SELECT pg_sleep(1)")),
    "25006": (True, asked("SET TRANSACTION READ ONLY", "DELETE FROM thing")),
    "42P01": (False, asked("SELECT * FROM nothing")),
    "42703": (False, asked("SELECT o FROM thing")),
    "42601": (False, asked("SELEC")),
    "42501": (False, asked("SET ROLE stranger", "SELECT * FROM thing")),
    "23505": (False, asked("INSERT INTO thing VALUES (1)")),
    "22012": (False, asked("SELECT 1 / 0")),
}


@pytest.fixture(scope="module")
def postgresql(postgres_server: Postgres) -> Iterator[Engine]:
    with postgres_server.database() as url:
        engine = db_session.make_engine(url)
        with engine.begin() as connection:
            say(
                connection,
                "CREATE TABLE thing (n int PRIMARY KEY, m int)",
                "INSERT INTO thing VALUES (1), (2)",
            )
            say(connection, "CREATE ROLE stranger")
        yield engine
        with engine.begin() as connection:
            say(connection, "DROP ROLE stranger")
        engine.dispose()


@pytest.mark.parametrize("state", POSTGRESQL)
def test_postgresql_tells_by_its_states(postgresql: Engine, state: str) -> None:
    outage, bring_about = POSTGRESQL[state]
    with postgresql.connect() as mine, postgresql.connect() as other:
        with pytest.raises(DBAPIError) as caught:
            bring_about(mine, other)
        # Whatever was set is not to stay.
        mine.invalidate()
        other.invalidate()
    assert getattr(caught.value.orig, "sqlstate", None) == state
    assert is_outage(caught.value) is outage


def test_a_server_that_is_not_there_gives_no_code_and_is_an_outage() -> None:
    engine = db_session.make_engine("postgresql://nobody@127.0.0.1:1/nothing")
    with pytest.raises(DBAPIError) as caught, engine.connect():
        pass
    engine.dispose()
    assert is_outage(caught.value)


def test_a_pool_without_a_free_connection_is_an_outage(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'a.db'}", pool_size=1, max_overflow=0, pool_timeout=0.01)
    with engine.connect(), pytest.raises(SQLAlchemyError) as caught, engine.connect():
        pass
    engine.dispose()
    assert is_outage(caught.value)


def busy(engine: Engine, _path: Path) -> None:
    with engine.begin(), engine.begin():
        pass


def locked_table(engine: Engine, _path: Path) -> None:
    with engine.begin() as connection:
        say(connection, "INSERT INTO thing VALUES (1, 1)", "PRAGMA wal_checkpoint")


def full(engine: Engine, _path: Path) -> None:
    with engine.begin() as connection:
        say(connection, "PRAGMA max_page_count = 3", "INSERT INTO thing VALUES (1, zeroblob(100000))")


def failing_disk(engine: Engine, _path: Path) -> None:
    """One that writes no more than a limit of this process's lets it."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, limits[1]))
    try:
        with engine.begin() as connection:
            say(connection, "INSERT INTO thing VALUES (1, zeroblob(1000000))")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def nowhere(_engine: Engine, path: Path) -> None:
    with db_session.make_engine(f"sqlite:///{path.parent / 'no' / 'a.db'}").connect():
        pass


def told(*statements: str) -> Callable[[Engine, Path], None]:
    def tell(engine: Engine, _path: Path) -> None:
        with engine.begin() as connection:
            say(connection, *statements)

    return tell


def spoilt(engine: Engine, path: Path) -> None:
    with engine.begin() as connection:
        say(connection, "INSERT INTO thing VALUES (1, zeroblob(1000000))")
    engine.dispose()
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 4096)
    with engine.connect() as connection:
        say(connection, "SELECT * FROM thing")


def another_file(engine: Engine, path: Path) -> None:
    engine.dispose()
    path.write_bytes(b"no database at all" * 1000)
    with engine.connect():
        pass


SQLITE: dict[str, tuple[bool, Callable[[Engine, Path], None]]] = {
    "SQLITE_BUSY": (True, busy),
    "SQLITE_FULL": (True, full),
    "SQLITE_LOCKED": (True, locked_table),
    "SQLITE_IOERR": (True, failing_disk),
    "SQLITE_CANTOPEN": (True, nowhere),
    "SQLITE_ERROR": (False, told("SELECT * FROM nothing")),
    "SQLITE_READONLY": (False, told("PRAGMA query_only = 1", "DELETE FROM thing")),
    "SQLITE_CONSTRAINT": (False, told("INSERT INTO thing VALUES (1, 1)", "INSERT INTO thing VALUES (1, 1)")),
    "SQLITE_CORRUPT": (False, spoilt),
    "SQLITE_NOTADB": (False, another_file),
}


@pytest.mark.parametrize("name", SQLITE)
def test_sqlite_tells_by_its_codes(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(db_session, "_BUSY_SECONDS", 0)
    outage, bring_about = SQLITE[name]
    path = tmp_path / "a.db"
    engine = db_session.make_engine(f"sqlite:///{path}")
    try:
        with engine.begin() as connection:
            say(connection, "CREATE TABLE thing (n INTEGER PRIMARY KEY, m)")
        with pytest.raises(DBAPIError) as caught:
            bring_about(engine, path)
    finally:
        engine.dispose()
    assert str(getattr(caught.value.orig, "sqlite_errorname", None)).startswith(name)
    assert is_outage(caught.value) is outage


def test_what_is_no_error_of_a_database_is_no_outage_of_one() -> None:
    assert not is_outage(OSError("no route to host"))
    assert not is_outage(SQLAlchemyError("asked nonsense"))
