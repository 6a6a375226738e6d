"""What forms do: what they said they would, by whoever may, and recorded."""

import re
import time
from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session, sessionmaker

from dashboard.app import create_app
from dashboard.services import Services
from db.queries import audit
from db.queries.schedules import list_schedules
from db.roles import Role
from db.states import BatchState, JobState
from tests.dashboard import people, seed
from tests.dashboard.browsing import PAGE, Seen
from tests.db import zoo


@pytest.fixture
def jobs(sessions: sessionmaker[Session]) -> dict[str, int]:
    return seed.seed(sessions, good=3)


def form_of(client: TestClient, address: str, action: str) -> dict[str, str]:
    """The hidden fields of the form on a page that leads to `action`."""
    text = client.get(address, headers=PAGE).text
    found = re.search(rf'<form method="post" action="{re.escape(action)}".*?</form>', text, re.DOTALL)
    assert found, f"{address} has no form for {action}"
    fields = Seen(found[0]).fields
    return {field["name"]: field.get("value", "") for field in fields if field.get("type") == "hidden"}


def send(client: TestClient, address: str, action: str, **fields: str) -> str:
    """What the page says after the form was sent from `address`."""
    answer = client.post(action, data={**form_of(client, address, action), **fields}, headers=PAGE)
    assert answer.status_code == 200, answer.text
    assert [step.status_code for step in answer.history] == [303]
    found = re.search(r'role="status"><p>.*?</svg>(.*?)</p>', answer.text, re.DOTALL)
    assert found
    return found[1].strip()


def wait_for(client: TestClient, address: str, text: str) -> None:
    """Until a page says so, which what is done in the background may take a while to make it."""
    deadline = time.monotonic() + 30
    while text not in client.get(address, headers=PAGE).text:
        assert time.monotonic() < deadline, f"{address} never says {text!r}"
        time.sleep(0.05)


def test_a_job_is_tried_again_and_cancelled(
    client: TestClient, sessions: sessionmaker[Session], jobs: dict[str, int]
) -> None:
    number = jobs["custom/gate.h5"]
    said = send(client, f"/jobs/{number}", f"/jobs/{number}/retry")
    assert said == "1 job is queued again."
    assert zoo.state_of(sessions, number) is JobState.QUEUED
    assert send(client, f"/jobs/{number}", f"/jobs/{number}/cancel") == "1 job is cancelled."
    assert zoo.state_of(sessions, number) is JobState.CANCELLED
    running = jobs["run/now.h5"]
    assert "heartbeat" in send(client, f"/jobs/{running}", f"/jobs/{running}/cancel")
    answer = client.post(f"/jobs/{running}/retry", headers=PAGE)
    assert answer.status_code == 409
    assert "there is nothing to retry" in answer.text


def test_acting_on_a_group_says_how_many_before_and_after(
    client: TestClient, sessions: sessionmaker[Session], jobs: dict[str, int]
) -> None:
    asking = "/jobs/act?what=retry&q=state:failed layer:SpectralGate"
    assert "Retry 2 jobs?" in client.get(asking, headers=PAGE).text
    assert form_of(client, asking, "/jobs/act")["confirmed"] == "2"
    answer = client.post("/jobs/act", data=form_of(client, asking, "/jobs/act"), headers=PAGE)
    assert answer.url.path == "/operations/1"
    wait_for(client, "/operations/1", "2 jobs queued again")
    for key in ("custom/gate.h5", "custom/gate_two.h5"):
        assert zoo.state_of(sessions, jobs[key]) is JobState.QUEUED
    assert "state:failed layer:SpectralGate" in client.get("/operations", headers=PAGE).text
    with sessions() as session:
        newest = audit.list_audit(session, limit=1)[0]
    assert (newest.action, newest.jobs, newest.via) == ("retry", 2, "dashboard")


def test_marked_jobs_are_acted_on_and_no_others(client: TestClient, jobs: dict[str, int]) -> None:
    marked = [jobs["custom/gate.h5"], jobs["broken/cut.h5"]]
    asking = f"/jobs/act?what=retry&job={marked[0]}&job={marked[1]}"
    assert form_of(client, asking, "/jobs/act") == {
        "csrf": "",
        "what": "retry",
        "q": f"{marked[0]},{marked[1]}",
        "confirmed": "2",
    }


def test_more_jobs_than_were_confirmed_are_asked_about_again(
    client: TestClient, sessions: sessionmaker[Session], jobs: dict[str, int]
) -> None:
    fields = {"what": "retry", "q": "state:failed layer:SpectralGate", "confirmed": "1"}
    answer = client.post("/jobs/act", data=fields, headers=PAGE)
    assert "There are more of them by now." in answer.text
    assert zoo.state_of(sessions, jobs["custom/gate.h5"]) is JobState.FAILED


def test_a_batch_is_paused_and_goes_on(
    client: TestClient, sessions: sessionmaker[Session], jobs: dict[str, int]
) -> None:
    assert send(client, "/batches/1", "/batches/1/hold").startswith("Paused")
    assert zoo.state_of(sessions, jobs["wait/first.h5"]) is JobState.HELD
    assert send(client, "/batches/1", "/batches/1/release").startswith("Goes on")
    assert zoo.state_of(sessions, jobs["wait/first.h5"]) is JobState.QUEUED
    assert BatchState.RUNNING in client.get("/batches/1", headers=PAGE).text


def test_a_worker_is_drained(client: TestClient, jobs: dict[str, int]) -> None:
    assert "heartbeat" in send(client, "/workers", "/workers/drain")
    assert client.get("/workers", headers=PAGE).text.count("asked to drain") == 2


def test_a_schedule_is_paused_resumed_run_and_edited(
    client: TestClient, sessions: sessionmaker[Session], jobs: dict[str, int]
) -> None:
    page = "/schedules/1"
    assert send(client, page, f"{page}/pause").startswith("Paused")
    assert send(client, page, f"{page}/resume").startswith("Resumed")
    assert send(client, page, f"{page}/run") == "Started as batch 3; a scheduler lists its source now."
    fields = {"cron": "15 4 * * 1", "timezone": "UTC", "overlap": "queue", "include": "vision/*\ntext/*"}
    assert send(client, page, f"{page}/edit", **fields).startswith("Saved")
    with sessions() as session:
        (row,) = list_schedules(session)
    assert (row.cron, row.timezone, row.overlap) == ("15 4 * * 1", "UTC", "queue")
    assert row.selection == {"include": ["vision/*", "text/*"], "only_needed": True}
    answer = client.post(f"{page}/edit", data={**fields, "cron": "never at two"}, headers=PAGE)
    assert answer.status_code == 422
    assert "five fields are needed" in answer.text
    assert 'value="never at two"' in answer.text


def test_a_worker_whose_name_no_database_can_hold_is_refused(client: TestClient) -> None:
    answer = client.post("/workers/drain", data={"worker": "a\x00b"}, headers=PAGE)
    assert answer.status_code == 422


@pytest.fixture
def viewer(services: Services) -> Iterator[TestClient]:
    people.add(services, "vera", Role.VIEWER)
    with TestClient(create_app(services), base_url="http://127.0.0.1:8080") as client:
        people.sign_in(client, "vera")
        yield client


def test_who_may_only_look_is_shown_nothing_to_press(viewer: TestClient, jobs: dict[str, int]) -> None:
    asking = "/jobs/act?what=retry&q=state:failed"
    for address in (
        "/jobs",
        f"/jobs/{jobs['custom/gate.h5']}",
        "/batches/1",
        "/workers",
        "/schedules/1",
        asking,
    ):
        text = viewer.get(address, headers=PAGE).text
        forms = re.findall(r'<form method="post" action="([^"]*)"', text)
        assert set(forms) <= {"/logout", "/views/save"}, address
    assert "This needs the role operator; vera is viewer." in viewer.get(asking, headers=PAGE).text
    answer = viewer.post(f"/jobs/{jobs['custom/gate.h5']}/retry", headers=PAGE)
    assert answer.status_code == 403


def test_a_link_cannot_make_a_page_say_what_it_likes(client: TestClient) -> None:
    text = client.get("/jobs?done=Your account is lost&n=1", headers=PAGE).text
    assert "account is lost" not in text
    assert "2 jobs are queued again." in client.get("/jobs?done=retry&n=2", headers=PAGE).text
