"""What the dashboard is given by the installation it runs in."""

import psycopg
import pytest
from fastapi.testclient import TestClient

from dashboard.config import Config
from db.models import Base
from fleet import web
from fleet.settings import Settings
from tests import servers


def test_a_page_that_the_database_is_too_long_over_is_given_up(
    postgres_server: servers.Postgres, migrated_postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Another test may have left people in it, for whom the dashboard would ask.
    postgres_server.empty(migrated_postgres, Base.metadata.tables)
    monkeypatch.setattr(web, "READ_SECONDS", 0.2)
    app = web.application(Settings(), migrated_postgres, Config())
    with (
        TestClient(app, base_url="http://127.0.0.1:8080") as client,
        psycopg.connect(migrated_postgres) as other,
    ):
        assert client.get("/api/v1/jobs").status_code == 200
        other.execute("LOCK TABLE job")
        answer = client.get("/api/v1/jobs")
        other.rollback()
        assert (answer.status_code, answer.json()["detail"]) == (503, "the database took too long over this")
        assert client.get("/api/v1/jobs").status_code == 200
    for sessions in (app.state.services.reads, app.state.services.writes):
        sessions.kw["bind"].dispose()
