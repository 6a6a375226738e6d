"""Acts on many jobs: counted exactly, done in the background, finished by whoever comes after a crash."""

import time
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session, sessionmaker

from dashboard.runner import Runner
from db.queries import audit, bulk, operations
from db.queries.audit import Actor
from db.search import parse
from db.states import JobState, OperationState
from tests.db import zoo

URL = "/api/v1/operations"
ANNA = Actor("anna", "dashboard")


def finished(client: TestClient, number: int) -> dict[str, Any]:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        found: dict[str, Any] = client.get(f"{URL}/{number}").json()
        if found["state"] != "running":
            return found
        time.sleep(0.02)
    raise AssertionError(f"operation {number} does not end")


def test_what_was_counted_is_done_and_recorded(
    client: TestClient, sessions: sessionmaker[Session], jobs: dict[str, int]
) -> None:
    asked = {"action": "retry", "q": "layer:Foo"}
    counted = client.post(URL, json={**asked, "dry_run": True})
    assert (counted.status_code, counted.json()["jobs"], counted.json()["operation"]) == (200, 2, None)
    assert zoo.state_of(sessions, jobs["foo1.h5"]) is JobState.FAILED
    begun = client.post(URL, json=asked)
    assert (begun.status_code, begun.json()["jobs"]) == (202, 2)
    assert begun.headers["location"].endswith(f"{URL}/{begun.json()['operation']}")
    found = finished(client, begun.json()["operation"])
    assert (found["state"], found["changed"], found["total"]) == ("finished", 2, 2)
    assert zoo.state_of(sessions, jobs["foo2.h5"]) is JobState.QUEUED
    assert zoo.state_of(sessions, jobs["short.h5"]) is JobState.FAILED
    with sessions() as session:
        (act,) = audit.list_audit(session)
    assert (act.action, act.subject, act.jobs) == ("retry", "layer:Foo", 2)


def test_cancelling_everything_must_be_said(client: TestClient, jobs: dict[str, int]) -> None:
    assert client.post(URL, json={"action": "cancel", "q": " "}).status_code == 422
    begun = client.post(URL, json={"action": "cancel", "q": "", "all": True}).json()
    found = finished(client, begun["operation"])
    assert (found["changed"], found["requested"]) == (1, 1)
    assert [row["id"] for row in client.get(URL).json()["operations"]] == [begun["operation"]]


@pytest.mark.parametrize(
    "asked", [{"action": "delete", "q": "a"}, {"action": "retry", "q": "no:such"}, {"action": "retry"}]
)
def test_what_means_nothing_is_not_done(client: TestClient, asked: dict[str, str]) -> None:
    assert client.post(URL, json=asked).status_code == 422
    assert client.get(f"{URL}/1").status_code == 404


def test_another_process_goes_on_where_one_died(
    sessions: sessionmaker[Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "_AT_ONCE", 40)
    zoo.new_batch(sessions, [f"{number}.h5" for number in range(100)])
    with sessions.begin() as session:
        number = operations.begin(session, bulk.cancel(parse(""), ""), ANNA)
    zoo.new_batch(sessions, ["later.h5"], source="/elsewhere")
    with sessions.begin() as session:
        assert operations.claim(session, -1.0) == number
        assert operations.step(session, number, -1.0)
    runner = Runner(sessions, sessions)
    assert runner.run_once()
    assert not runner.run_once()
    with sessions() as session:
        row = operations.find(session, number)
        (act,) = audit.list_audit(session)
    assert row is not None
    assert (row.state, row.changed, row.total) == (OperationState.FINISHED, 100, 100)
    assert act.jobs == 100
    assert zoo.state_of(sessions, zoo.job_ids(sessions)["later.h5"]) is JobState.QUEUED


def test_two_processes_do_not_do_the_same(sessions: sessionmaker[Session]) -> None:
    with sessions.begin() as session:
        number = operations.begin(session, bulk.retry(parse("state:failed"), "state:failed"), ANNA)
    with sessions.begin() as session:
        assert operations.claim(session, 60) == number
    with sessions.begin() as session:
        assert operations.claim(session, 60) is None
        operations.give_up(session, number, "no such field")
    with sessions() as session:
        row = operations.find(session, number)
    assert row is not None
    assert (row.state, row.error) == (OperationState.FAILED, "no such field")


def test_views_are_everybodys_own(client: TestClient, sessions: sessionmaker[Session]) -> None:
    url = "/api/v1/views"
    assert client.put(f"{url}/bad ones", json={"query": "q=state:failed"}).status_code == 204
    assert client.put(f"{url}/bad ones", json={"query": "q=state:quarantined"}).status_code == 204
    (view,) = client.get(url).json()
    assert (view["name"], view["query"]) == ("bad ones", "q=state:quarantined")
    assert client.delete(f"{url}/bad ones").status_code == 204
    assert client.delete(f"{url}/bad ones").status_code == 404
    assert client.get(url).json() == []
