"""Lists of jobs, single jobs, and what may be done to them."""

import csv
import io
import json

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session, sessionmaker

from db.queries import audit
from db.records import ErrorInfo
from db.states import JobState
from tests.dashboard import fleet
from tests.db import zoo


def test_pages_lead_to_one_another(client: TestClient, jobs: dict[str, int]) -> None:
    for sort in ("-id", "-finished"):
        first = client.get("/api/v1/jobs", params={"sort": sort, "limit": 2}).json()
        second = client.get("/api/v1/jobs", params={"sort": sort, "limit": 2, "after": first["next"]}).json()
        back = client.get("/api/v1/jobs", params={"sort": sort, "limit": 2, "before": second["previous"]})
        assert first["previous"] is None
        assert back.json()["jobs"] == first["jobs"]
        assert not {job["id"] for job in first["jobs"]} & {job["id"] for job in second["jobs"]}
        assert first["total"] == {"count": 6, "exact": True}


def test_the_filter_is_the_language_of_the_command(client: TestClient, jobs: dict[str, int]) -> None:
    found = client.get("/api/v1/jobs", params={"q": "state:failed -key:foo2", "sort": "id"}).json()
    assert [job["key"] for job in found["jobs"]] == ["foo1.h5", "short.h5"]
    assert found["total"] == {"count": 2, "exact": True}


@pytest.mark.parametrize(
    "params",
    [
        {"q": "nothing:such"},
        {"q": "a" * 2001},
        {"q": "\0"},
        {"limit": 0},
        {"limit": 1001},
        {"after": "x"},
        {"after": "99999999999999999999"},
        {"after": "20261301T000000.000000Z~5", "sort": "-finished"},
        {"after": "5", "sort": "-finished"},
        {"after": "5", "before": "6"},
        {"sort": "key"},
    ],
)
def test_what_means_nothing_is_refused_in_one_line(client: TestClient, params: dict[str, str]) -> None:
    answer = client.get("/api/v1/jobs", params=params)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert "\n" not in answer.json()["detail"]


def test_an_export_holds_every_job_and_no_formula(client: TestClient, jobs: dict[str, int]) -> None:
    answer = client.get("/api/v1/jobs/export", params={"sort": "id"})
    assert answer.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [int(row["id"]) for row in rows] == sorted(jobs.values())
    (hostile,) = [row["key"] for row in rows if "calc" in row["key"]]
    assert hostile == f"'{fleet.HOSTILE}"
    lines = client.get(
        "/api/v1/jobs/export", params={"format": "jsonl", "q": "state:failed", "limit": 2}
    ).text
    assert [json.loads(line)["state"] for line in lines.splitlines()] == ["failed", "failed"]


def test_a_job_is_shown_with_its_history(client: TestClient, jobs: dict[str, int]) -> None:
    found = client.get(f"/api/v1/jobs/{jobs['foo1.h5']}").json()
    assert (found["state"], found["actions"]) == ("failed", ["retry"])
    assert found["reasons"] == [
        {"kind": "unsupported-layer", "subject": "Foo", "layer": "l", "message": "no rule for Foo"}
    ]
    assert [event["type"] for event in found["events"]] == ["claimed", "failed"]
    done = client.get(f"/api/v1/jobs/{jobs['done.h5']}").json()
    assert done["parity"][0]["structure_error"] == 1e-15
    assert client.get("/api/v1/jobs/999999").status_code == 404


def test_two_attempts_are_compared(
    client: TestClient, sessions: sessionmaker[Session], jobs: dict[str, int]
) -> None:
    job = jobs["short.h5"]
    client.post(f"/api/v1/jobs/{job}/retry")
    zoo.fail(sessions, zoo.claim(sessions, job, "w2"), ErrorInfo(kind="not-hdf5", message="short"))
    found = client.get(f"/api/v1/jobs/{job}/compare", params={"left": 1, "right": 2}).json()
    assert {pair["what"]: (pair["left"], pair["right"]) for pair in found["differences"]} == {
        "worker_id": ("w1", "w2"),
        "error_kind": ("truncated", "not-hdf5"),
    }
    missing = client.get(f"/api/v1/jobs/{job}/compare", params={"left": 1, "right": 3})
    assert (missing.status_code, missing.json()["detail"]) == (404, f"no attempt 3 at job {job}")


def test_retry_and_cancel_do_what_they_say_and_are_recorded(
    client: TestClient, sessions: sessionmaker[Session], jobs: dict[str, int]
) -> None:
    job = jobs["done.h5"]
    assert client.post(f"/api/v1/jobs/{job}/retry").json() == {"changed": 1, "requested": 0}
    assert zoo.state_of(sessions, job) is JobState.QUEUED
    again = client.post(f"/api/v1/jobs/{job}/retry")
    assert (again.status_code, again.json()["detail"]) == (
        409, f"job {job} is queued: there is nothing to retry",
    )  # fmt: skip
    assert client.post(f"/api/v1/jobs/{job}/cancel").json() == {"changed": 1, "requested": 0}
    assert client.post(f"/api/v1/jobs/{jobs['runs.h5']}/cancel").json() == {"changed": 0, "requested": 1}
    assert client.post("/api/v1/jobs/999999/cancel").status_code == 404
    with sessions() as session:
        acts = audit.list_audit(session)
    assert [(act.action, act.subject, act.jobs) for act in acts] == [
        ("cancel", str(jobs["runs.h5"]), 1), ("cancel", str(job), 1), ("retry", str(job), 1),
    ]  # fmt: skip
