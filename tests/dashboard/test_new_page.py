"""New work from the pages: looked at first, planned when asked, files taken in; and views that are kept."""

import re
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session, sessionmaker

from dashboard.services import Services
from db.roles import Role
from scheduler.recurring import Planner
from storage import open_store
from tests.dashboard import people
from tests.dashboard.browsing import PAGE, Seen


@pytest.fixture
def source(tmp_path: Path) -> str:
    store = open_store(str(tmp_path / "models"))
    for key in ("a.h5", "deep/b.h5", "notes.txt"):
        store.put_bytes(key, b"12345")
    return store.url


@pytest.fixture
def dest(tmp_path: Path) -> str:
    return open_store(str(tmp_path / "bundles")).url


def test_a_folder_is_looked_at_then_planned_with_what_was_typed(
    client: TestClient, sessions: sessionmaker[Session], source: str, dest: str
) -> None:
    fields = {"source": source, "dest": dest, "include": "deep/**\n", "only_needed": "true"}
    looked = client.post("/new", data=fields, headers=PAGE)
    assert looked.status_code == 200, looked.text
    assert not Seen(looked.text).inline
    assert "Convert these 1" in looked.text
    assert "deep/b.h5" in looked.text
    form = re.findall(r'<form method="post" action="/new" class="acts">.*?</form>', looked.text, re.DOTALL)[0]
    hidden = {field["name"]: field["value"] for field in Seen(form).fields if field.get("type") == "hidden"}
    assert client.get("/batches", headers=PAGE).text.count("/batches/1") == 0
    planned = client.post("/new", data=hidden, headers=PAGE)
    assert planned.url.path == "/batches/1"
    assert "Planned; a scheduler lists its source now." in planned.text
    assert Planner(sessions, open_store).run_once() == 1
    assert "deep/b.h5" in client.get("/jobs", headers=PAGE).text


def test_what_is_wrong_is_said_beside_what_was_typed(client: TestClient, source: str, dest: str) -> None:
    fields = {"source": source, "dest": dest, "architecture": "somewhere.json"}
    answer = client.post("/new", data=fields, headers=PAGE)
    assert answer.status_code == 422
    assert "architecture" in answer.text
    assert 'value="somewhere.json"' in answer.text


def test_what_was_typed_becomes_a_schedule_that_takes_what_is_needed(
    client: TestClient, source: str, dest: str
) -> None:
    fields = {"source": source, "dest": dest, "include": "deep/**", "repeat": "true"}
    nameless = client.post("/new", data={**fields, "cron": "30 2 * * *"}, headers=PAGE)
    assert nameless.status_code == 422
    assert 'value="30 2 * * *"' in nameless.text
    assert '<details id="repeat" open>' in nameless.text
    never = client.post("/new", data={**fields, "name": "nightly", "cron": "30 2 31 2 *"}, headers=PAGE)
    assert never.status_code == 422
    when = {"name": "nightly", "cron": "30 2 * * *", "timezone": "Europe/Berlin"}
    made = client.post("/new", data={**fields, **when}, headers=PAGE)
    assert made.url.path == "/schedules/1"
    assert "Made; the next time is its first." in made.text
    assert "in Europe/Berlin" in made.text
    (kept,) = client.get("/api/v1/schedules").json()
    assert kept["selection"]["include"] == ["deep/**"]
    assert kept["selection"]["only_needed"] is True
    again = client.post("/new", data={**fields, **when}, headers=PAGE)
    assert again.status_code == 422
    assert "there is a schedule &#39;nightly&#39; already" in again.text


def test_files_that_are_dropped_become_a_batch(
    client: TestClient, services: Services, sessions: sessionmaker[Session], source: str, dest: str
) -> None:
    client.post("/new", data={"source": source, "dest": dest, "plan": "true"}, headers=PAGE)
    assert dest in client.get("/new", headers=PAGE).text
    files = [("files", (name, b"123")) for name in ("one.h5", "two.h5")]
    answer = client.post("/new/files", files=files, headers=PAGE)
    assert answer.url.path == "/batches/2"
    assert "2 files were taken in." in answer.text
    refused = client.post("/new/files", files=[("files", ("notes.txt", b"1"))], headers=PAGE)
    assert refused.status_code == 422


def test_files_of_a_foreign_form_are_refused(client: TestClient, services: Services) -> None:
    people.add(services, "otto", Role.OPERATOR)
    people.sign_in(client, "otto")
    files = {"files": ("one.h5", b"123")}
    assert client.post("/new/files", files=files, headers=PAGE).status_code == 403
    assert client.post("/new/files", files=files, data={"csrf": "guessed"}, headers=PAGE).status_code == 403


def test_a_view_is_kept_shown_and_forgotten(client: TestClient) -> None:
    fields = {"name": "what failed", "query": "q=state%3Afailed&sort=-finished"}
    kept = client.post("/views/save", data=fields, headers=PAGE)
    assert "The view is saved." in kept.text
    assert kept.url.params["sort"] == "-finished"
    assert 'href="/jobs?q=state%3Afailed&amp;sort=-finished"' in client.get("/jobs", headers=PAGE).text
    gone = client.post("/views/forget", data={"name": "what failed"}, headers=PAGE)
    assert "The view is forgotten." in gone.text
    assert "what failed" not in gone.text
