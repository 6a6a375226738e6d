"""What a page answers where the database does not, and where it refuses."""

from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from dashboard import problems
from db import session as db_session


@pytest.fixture
def asking(engine: Engine) -> Iterator[TestClient]:
    away = db_session.make_engine("postgresql://nobody@127.0.0.1:1/nothing")
    app = FastAPI()
    problems.install(app, lambda *_: None)

    @app.get("/{which}")
    def ask(which: str) -> None:
        with (away if which == "away" else engine).connect() as connection:
            connection.execute(text("SELECT * FROM nothing"))

    with TestClient(app, raise_server_exceptions=False) as client:
        yield client
    away.dispose()


def test_a_database_that_is_away_is_said_to_be(asking: TestClient) -> None:
    answer = asking.get("/away")
    assert (answer.status_code, answer.json()["detail"]) == (503, "the database does not answer")


def test_a_missing_table_is_an_error_of_ours_and_no_outage(asking: TestClient) -> None:
    answer = asking.get("/here")
    assert (answer.status_code, answer.json()["detail"]) == (500, "something went wrong here")
