"""Fixtures for every test: real servers, one of each a session, and a fresh place in each for each test."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker

from db import session as db_session
from db.models import Base
from tests import servers


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[servers.Postgres]:
    with servers.postgres() as server:
        yield server


@pytest.fixture(scope="session")
def valkey_server() -> Iterator[servers.Valkey]:
    with servers.valkey() as server:
        yield server


@pytest.fixture(scope="session")
def s3_server() -> Iterator[servers.S3]:
    """The endpoint, with its credentials in the environment."""
    with pytest.MonkeyPatch.context() as environment, servers.s3() as server:
        for name, value in server.credentials.items():
            environment.setenv(name, value)
        yield server


@pytest.fixture
def postgres_url(postgres_server: servers.Postgres) -> Iterator[str]:
    """An empty database."""
    with postgres_server.database() as url:
        yield url


@pytest.fixture
def broker_url(valkey_server: servers.Valkey) -> str:
    """An empty broker."""
    valkey_server.flush()
    return valkey_server.url


@pytest.fixture
def s3_bucket(s3_server: servers.S3) -> Iterator[str]:
    """The name of an empty bucket at `s3_server.endpoint`."""
    with s3_server.bucket() as name:
        yield name


@pytest.fixture(scope="session")
def migrated_postgres(postgres_server: servers.Postgres) -> Iterator[str]:
    """The URL of a database that migrations have brought up to date."""
    with postgres_server.database() as url:
        db_session.upgrade(url)
        yield url


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database file that migrations have brought up to date, to be copied."""
    path = tmp_path_factory.mktemp("migrated") / "fleet.db"
    db_session.upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database with the schema and no rows: every test that asks for it runs on both stores.

    A test that changes the schema makes a database of its own.
    """
    if request.param == "sqlite":
        path = tmp_path / "fleet.db"
        shutil.copyfile(request.getfixturevalue("migrated_sqlite"), path)
        yield f"sqlite:///{path}"
    else:
        # Emptied, not made anew: that takes 0.03 s in place of 0.5 s.
        url = request.getfixturevalue("migrated_postgres")
        request.getfixturevalue("postgres_server").empty(url, Base.metadata.tables)
        yield url


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = db_session.make_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def sessions(engine: Engine) -> sessionmaker[Session]:
    return db_session.session_factory(engine)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how far the examples of each family were off, at worst, in float64."""
    errors: dict[str, list[float]] = {}
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if name == "proven":
                family, error = value
                errors.setdefault(family, []).append(error)
    if errors:
        terminalreporter.section("proven examples: family, how many, worst float64 error relative to scale")
        for family, found in sorted(errors.items()):
            terminalreporter.write_line(f"{family:<16} {len(found):>4}  {max(found):.1e}")
        every = [error for found in errors.values() for error in found]
        terminalreporter.write_line(f"{'in all':<16} {len(every):>4}  {max(every):.1e}")
