"""Engines, sessions and the schema's version. Nothing here runs at import."""

import math
import sqlite3
import time
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.orm import Session, sessionmaker

_BUSY_SECONDS = 30
# A server that vanished without a word is noticed within half a minute, well inside a lease.
_POSTGRESQL: dict[str, Any] = {
    "connect_timeout": 10,
    "tcp_user_timeout": 30_000,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    # A database made without a locale (SQL_ASCII) would otherwise answer in bytes, which nothing here could read.
    "client_encoding": "utf8",
    # A process that stands still within a transaction keeps its rows locked, and the reaper passes locked rows over:
    # the server ends such a transaction, so that its job is free within a lease. None here waits for anything.
    "options": "-c idle_in_transaction_session_timeout=30s",
}
_ALONE = "-c max_parallel_workers_per_gather=0"
_KEPT_CONNECTIONS = 10
_IDLE_SECONDS = 1.0
_READ_ONLY = "fleet_read_only"


def make_engine(url: str, *, for_many: bool = False, statement_seconds: float | None = None) -> Engine:
    """An engine for `sqlite:///file` or `postgresql://...`, with what each store needs to be safe.

    SQLite: write-ahead log, enforced foreign keys, 30 s of patience with other writers, and the write
    lock taken when a transaction begins (taking it later could fail at once). A killed process loses
    nothing; a power cut may undo the last commits, which the fleet then does again.
    PostgreSQL: psycopg 3, connections that lay idle for a second checked before use. `for_many`, in a process that many
    people ask at once: more connections are kept, since opening one takes longer than most answers, and no statement
    takes more than one core of the server from the others. A statement that takes longer than `statement_seconds`
    (None: however long) is ended by the server, and fails with `OperationalError`.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        return _sqlite_engine(parsed.render_as_string(hide_password=False))
    options = _POSTGRESQL["options"]
    if statement_seconds is not None:
        options += f" -c statement_timeout={statement_seconds * 1000:.0f}ms"
    parsed = parsed.set(drivername="postgresql+psycopg")
    if for_many:
        arguments = {**_POSTGRESQL, "options": f"{options} {_ALONE}"}
        # The one used last first: it has the statements prepared.
        engine = create_engine(
            parsed, connect_args=arguments, pool_size=_KEPT_CONNECTIONS, pool_use_lifo=True
        )
    else:
        engine = create_engine(parsed, connect_args={**_POSTGRESQL, "options": options})
    _check_idle_connections(engine)
    return engine


def session_factory(engine: Engine, *, read_only: bool = False) -> sessionmaker[Session]:
    """Makes sessions. `read_only` ones never wait for SQLite's writer and must not write.

    On PostgreSQL each of their statements is a transaction of its own, as it sees what is committed when it begins
    anyway: BEGIN and ROLLBACK would be two more questions to the server.
    """
    if not read_only:
        return sessionmaker(engine, expire_on_commit=False)
    options = {_READ_ONLY: True} if engine.dialect.name == "sqlite" else {"isolation_level": "AUTOCOMMIT"}
    return sessionmaker(engine.execution_options(**options), expire_on_commit=False)


def upgrade(url: str) -> None:
    """Creates the schema or brings it up to date. Safe to run in several processes at once."""
    engine = make_engine(url)
    try:
        with engine.begin() as connection:
            command.upgrade(alembic_config(connection), "head")
    finally:
        engine.dispose()


def schema_is_current(engine: Engine) -> bool:
    """Whether the database has exactly the schema this code expects."""
    found, expected = schema_versions(engine)
    return found == expected


def schema_versions(engine: Engine) -> tuple[set[str], set[str]]:
    """The revisions that the database is at (none: it is empty), and those that this code expects."""
    with engine.connect() as connection:
        found = MigrationContext.configure(connection).get_current_heads()
    return set(found), set(ScriptDirectory.from_config(alembic_config()).get_heads())


def alembic_config(connection: Connection | None = None) -> Config:
    """Alembic's settings, without an ini file; `connection` is the one migrations run on."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def _check_idle_connections(engine: Engine) -> None:
    """Ask a connection whether it still stands, as `pool_pre_ping` would, but only one that lay idle for a while: a
    job's transactions follow one another within milliseconds, and each would wait for one more answer.
    """

    @event.listens_for(engine, "checkin")
    def left(_connection: Any, record: Any) -> None:
        record.info["left"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def taken(connection: Any, record: Any, _proxy: Any) -> None:
        if time.monotonic() - record.info.get("left", math.inf) > _IDLE_SECONDS:
            try:
                engine.dialect.do_ping(connection)
            except engine.dialect.dbapi.Error as error:  # type: ignore[union-attr]  # it is loaded by now
                # All that are older than this moment went with it.
                raise InvalidatePoolError from error


def _sqlite_engine(url: str) -> Engine:
    engine = create_engine(url, connect_args={"timeout": _BUSY_SECONDS})

    @event.listens_for(engine, "connect")
    def configure(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None  # transactions begin where `begin` below says, nowhere else
        _keep_write_ahead_log(connection)
        for pragma in ("synchronous=NORMAL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        read_only = connection.get_execution_options().get(_READ_ONLY, False)
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")

    return engine


def _keep_write_ahead_log(connection: sqlite3.Connection) -> None:
    """Sets the mode, which stays in the file. SQLite does not wait for a second process doing the same
    to a new file (its busy handler is not called where waiting could deadlock), so this does.
    """
    deadline = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return
