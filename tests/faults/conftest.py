from collections.abc import Iterator
from pathlib import Path

import pytest

from db import session as db_session
from tests import servers
from tests.fleet.command import Fleet

#: A worker that is silent for six seconds is lost: long enough for a loaded machine, short enough for a test.
HASTE = {"FLEET_LEASE_SECONDS": "6", "FLEET_HEARTBEAT_SECONDS": "1", "FLEET_REAP_SECONDS": "1"}


@pytest.fixture
def own_postgres() -> Iterator[tuple[servers.Postgres, str]]:
    """A server that the test may kill, and a database with the schema in it."""
    with servers.postgres() as server, server.database() as url:
        db_session.upgrade(url)
        yield server, url


@pytest.fixture
def fleet_of(tmp_path: Path, broker_url: str) -> "FleetOf":
    return FleetOf(tmp_path / "home", broker_url)


class FleetOf:
    """Makes fleets for a database."""

    def __init__(self, home: Path, broker_url: str) -> None:
        self._home = home
        self._broker_url = broker_url

    def __call__(self, database_url: str, **env: str) -> Fleet:
        settings = {"FLEET_DATABASE_URL": database_url, "FLEET_BROKER_URL": self._broker_url, **HASTE, **env}
        return Fleet(self._home, **settings)
