"""New work: sources are counted before they are planned, files are kept and planned at once, schedules repeat."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session, sessionmaker

from dashboard import uploads
from dashboard.services import Services
from db.queries import audit
from db.roles import Role
from fleet.web import _recipe
from scheduler.recurring import Planner
from storage import open_store
from tests.dashboard.people import token_of
from tests.db import zoo

URL = "/api/v1/submissions"


@pytest.fixture
def source(tmp_path: Path) -> str:
    store = open_store(str(tmp_path / "models"))
    for key in ("a.h5", "deep/b.h5", "notes.txt", "old/c.h5"):
        store.put_bytes(key, b"12345")
    return store.url


@pytest.fixture
def dest(tmp_path: Path) -> str:
    return str(tmp_path / "bundles")


def test_a_source_is_counted_then_planned_by_a_scheduler(
    client: TestClient, services: Services, sessions: sessionmaker[Session], source: str, dest: str
) -> None:
    asked = {"source": source, "dest": dest, "exclude": ["old/**"]}
    counted = client.post(URL, json={**asked, "dry_run": True})
    assert counted.status_code == 200
    forecast = counted.json()["forecast"]
    assert (forecast["listed"], forecast["models"], forecast["bytes"], forecast["complete"]) == (
        4,
        2,
        10,
        True,
    )
    assert forecast["outlooks"]["new"] == 2
    assert [example["key"] for example in forecast["examples"]] == ["a.h5", "deep/b.h5"]
    assert client.get("/api/v1/batches").json()["batches"] == []

    begun = client.post(URL, json=asked)
    assert begun.status_code == 202
    assert Planner(sessions, open_store).run_once() == 2
    (batch,) = client.get("/api/v1/batches").json()["batches"]
    assert (batch["id"], batch["total"], batch["dest_url"]) == (begun.json()["batch"], 2, dest)
    with sessions() as session:
        assert [act.action for act in audit.list_audit(session)] == ["submit"]
    # The destination need not be said twice.
    again = client.post(URL, json={"source": source, "dry_run": True}).json()["forecast"]
    assert (again["dest"], again["outlooks"]["known"], again["outlooks"]["new"]) == (dest, 2, 1)


def test_a_batch_of_the_command_is_not_the_schedulers(sessions: sessionmaker[Session], source: str) -> None:
    zoo.new_batch(sessions, ["a.h5"], source=source)
    assert Planner(sessions, open_store).run_once() == 0


def test_only_sources_that_are_allowed_may_be_named(
    services: Services, client: TestClient, sessions: sessionmaker[Session], source: str, tmp_path: Path
) -> None:
    operator = token_of(services, "op", Role.OPERATOR)
    asked = {"source": source, "dest": str(tmp_path / "models"), "dry_run": True}
    refused = client.post(URL, json=asked, headers=operator)
    assert (refused.status_code, "may not be named" in refused.json()["detail"]) == (403, True)
    vars(services)["config"] = replace(services.config, sources=(str(tmp_path),))
    assert client.post(URL, json=asked, headers=operator).status_code == 200
    vars(services)["config"] = replace(services.config, sources=(str(tmp_path / "mod"),))
    assert client.post(URL, json=asked, headers=operator).status_code == 403
    zoo.new_batch(sessions, [], source=source, dest=source)
    assert client.post(URL, json=asked, headers=operator).status_code == 200


@pytest.mark.parametrize(
    "wrong",
    [
        {"source": "ftp://nowhere/"},
        {"source": ""},
        {"include": ["[a"]},
        {"options": {"dtype": "int8"}},
        {"options": {"layers": ["/etc/passwd"]}},
        {"options": {"architecture": "/etc/passwd"}},
        {"options": {"input_shape": ["x"]}},
        {"options": {"limits": ["layers=many"]}},
    ],
)
def test_what_every_job_would_refuse_is_refused_at_once(
    services: Services, client: TestClient, source: str, dest: str, wrong: dict[str, Any]
) -> None:
    vars(services)["recipe"] = _recipe
    answer = client.post(URL, json={"source": source, "dest": dest, "dry_run": True, **wrong})
    assert answer.status_code == 422, answer.text


def test_options_become_a_recipe(services: Services, client: TestClient, source: str, dest: str) -> None:
    vars(services)["recipe"] = _recipe
    options = {"input_shape": ["1=32,32,3"], "export": ["onnx", "pt2"], "style": "flat"}
    client.post(URL, json={"source": source, "dest": dest, "options": options})
    (batch,) = client.get("/api/v1/batches").json()["batches"]
    assert batch["options"] == {"input_shape": ["1=32,32,3"], "style": "flat", "export": ["pt2", "onnx"]}


def test_files_are_kept_and_planned(client: TestClient, sessions: sessionmaker[Session], dest: str) -> None:
    files = [
        ("files", ("../../etc/a.h5", b"one")),
        ("files", ("C:\\models\\a.h5", b"two!")),
        ("files", ("b.keras", b"three")),
    ]
    answer = client.post(f"{URL}/files", files=files, data={"dest": dest})
    assert answer.status_code == 202, answer.text
    assert answer.json()["files"] == 3
    page = client.get("/api/v1/jobs", params={"q": f"batch:{answer.json()['batch']}", "sort": "id"}).json()
    assert [job["key"].rpartition("/")[2] for job in page["jobs"]] == ["a-2.h5", "a.h5", "b.keras"]
    kept = {info.key: info.size for info in open_store(dest).list()}
    assert sorted(kept.values()) == [3, 4, 5]
    assert all(uploads.is_upload(key.removeprefix("uploads/")) for key in kept)
    assert client.get(answer.json()["bundles"]).status_code == 404
    with sessions() as session:
        (act,) = audit.list_audit(session)
    assert (act.action, act.jobs) == ("upload", 3)


@pytest.mark.parametrize("name", ["a.exe", ".h5", "a.h5/../../b", "\u202e"])
def test_what_is_no_model_by_its_name_is_not_kept(client: TestClient, dest: str, name: str) -> None:
    answer = client.post(f"{URL}/files", files=[("files", (name, b"x"))], data={"dest": dest})
    assert answer.status_code == 422
    assert not Path(dest, "uploads").exists()


def test_uploads_have_an_end(services: Services, client: TestClient, dest: str) -> None:
    vars(services)["config"] = replace(services.config, upload_bytes=1000)
    small = client.post(f"{URL}/files", files=[("files", ("a.h5", b"x"))], data={"dest": dest})
    large = client.post(f"{URL}/files", files=[("files", ("a.h5", b"x" * 1001))], data={"dest": dest})
    unsaid = client.post(f"{URL}/files", content=iter([b"x"]))
    assert (small.status_code, large.status_code, unsaid.status_code) == (202, 413, 411)


def test_a_schedule_lives(
    client: TestClient, sessions: sessionmaker[Session], source: str, dest: str
) -> None:
    url = "/api/v1/schedules"
    new = {
        "name": "nightly",
        "cron": "30 2 * * *",
        "source": source,
        "dest": dest,
        "timezone": "Europe/Berlin",
    }
    made = client.post(url, json=new)
    assert made.status_code == 201, made.text
    assert made.json()["selection"] == {"only_needed": True}
    assert made.json()["next_tick"] is not None
    assert client.post(url, json=new).status_code == 409
    assert client.patch(f"{url}/nightly", json={"enabled": False}).json()["next_tick"] is None
    changed = client.patch(
        f"{url}/nightly", json={"cron": "0 4 * * *", "taken": {"include": ["prod/**"]}}
    ).json()
    assert (changed["cron"], changed["selection"]) == ("0 4 * * *", {"include": ["prod/**"]})
    batch = client.post(f"{url}/nightly/run").json()["batch"]
    (run,) = client.get(f"{url}/nightly/runs").json()
    assert (run["batch_id"], run["outcome"], run["batch_state"]) == (batch, "started", "planning")
    assert [row["name"] for row in client.get(url).json()] == ["nightly"]
    assert client.delete(f"{url}/nightly").status_code == 204
    for method, path in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/run"), ("GET", "/runs")):
        assert client.request(method, f"{url}/nightly{path}", json={}).status_code == 404
    with sessions() as session:
        acts = [act.action for act in audit.list_audit(session)]
    assert acts == ["schedule-remove", "schedule-run", "schedule-edit", "schedule-pause", "schedule-add"]


@pytest.mark.parametrize(
    "wrong", [{"cron": "61 * * * *"}, {"timezone": "Mars/Olympus"}, {"name": "a/b"}, {"overlap": "perhaps"}]
)
def test_a_schedule_that_means_nothing_is_not_made(
    client: TestClient, source: str, dest: str, wrong: dict[str, str]
) -> None:
    new = {"name": "nightly", "cron": "30 2 * * *", "source": source, "dest": dest, **wrong}
    assert client.post("/api/v1/schedules", json=new).status_code == 422
