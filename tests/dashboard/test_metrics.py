"""What Prometheus is told: gauges at once, counters of what ended since it first asked."""

import re
from typing import Any

import pytest
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import update
from sqlalchemy.orm import Session, sessionmaker

from db.clock import now
from db.models import Attempt, Job, Worker
from db.queries import reap
from tests.db import zoo


def scrape(client: TestClient) -> dict[str, float]:
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    return {
        found[1]: float(found[2]) for found in re.finditer(r"^(fleet_\S+) (\S+)$", answer.text, re.MULTILINE)
    }


def make_ended(sessions: sessionmaker[Session], job: int, **values: Any) -> None:
    """Ten seconds ago, after twenty."""
    with sessions.begin() as session:
        session.execute(
            update(Attempt)
            .where(Attempt.job_id == job)
            .values(ended_at=now(-10), started_at=now(-30), **values)
        )


def test_gauges_are_what_the_database_says(client: TestClient, jobs: dict[str, int]) -> None:
    found = scrape(client)
    assert found['fleet_jobs{state="failed"}'] == 3
    assert found['fleet_jobs{state="held"}'] == 0
    assert found['fleet_workers{state="active"}'] == 1
    assert (found["fleet_slots"], 0 <= found["fleet_queue_oldest_seconds"] < 60) == (2, True)


def test_a_lost_worker_has_no_slots(
    client: TestClient, sessions: sessionmaker[Session], jobs: dict[str, int]
) -> None:
    with sessions.begin() as session:
        session.execute(update(Worker).values(heartbeat_at=now(-1000)))
    found = scrape(client)
    assert (found['fleet_workers{state="active"}'], found['fleet_workers{state="lost"}']) == (0, 1)
    assert found["fleet_slots"] == 0
    page = client.get("/").text
    assert "left, and no worker is there" in page
    assert "no GPU, 1 lost" in page


def test_names_and_units_are_as_prometheus_has_them(client: TestClient) -> None:
    text = client.get("/metrics").text
    families = {each.name: each for each in text_string_to_metric_families(text)}
    # The library tells when each counter began, by a gauge beside it.
    found = {name: each for name, each in families.items() if not name.endswith("_created")}
    assert {each.type for each in found.values()} == {"gauge", "counter", "histogram"}
    for name, each in found.items():
        assert re.fullmatch(r"fleet(_[a-z]+)+", name), name
        assert not re.search(r"_(ms|milliseconds|minutes|hours|days|kb|mb|gb|percent)$", name), name
        assert not re.search(r"_(total|count|sum|bucket|info)$", name), name
        samples = {sample.name for sample in each.samples}
        assert each.type != "counter" or samples == {f"{name}_total"}
        assert ("while this process ran" in each.documentation) is (each.type != "gauge"), name


def test_counters_grow_by_what_ended_since(
    client: TestClient, sessions: sessionmaker[Session], jobs: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dashboard.metrics._AT_ONCE", 1)
    monkeypatch.setattr("dashboard.metrics._SETTLED_SECONDS", 60.0)
    before = scrape(client)
    assert before['fleet_attempts_total{outcome="succeeded"}'] == 0
    make_ended(sessions, jobs["done.h5"], environment={"device": "cuda", "gpu": "H100"})
    make_ended(sessions, jobs["foo1.h5"])
    with sessions.begin() as session:
        session.execute(update(Job).where(Job.id == jobs["runs.h5"]).values(lease_until=now(-1)))
        reap.reap(session)
    make_ended(sessions, jobs["runs.h5"])
    monkeypatch.setattr("dashboard.metrics._SETTLED_SECONDS", 5.0)
    for _ in range(2):
        found = scrape(client)
        assert found['fleet_attempts_total{outcome="succeeded"}'] == 1
        assert found['fleet_attempts_total{outcome="failed"}'] == 1
        assert found["fleet_lease_expiries_total"] == 1
        assert 19 < found["fleet_gpu_seconds_total"] < 21
        assert found['fleet_attempt_seconds_bucket{le="10.0"}'] == 0
        assert found['fleet_attempt_seconds_bucket{le="30.0"}'] == 1
        assert found['fleet_parity_structure_error_bucket{le="1e-16"}'] == 0
        assert found['fleet_parity_structure_error_bucket{le="1e-15"}'] == 1
    zoo.new_batch(sessions, ["more.h5"])
    assert scrape(client)['fleet_jobs{state="queued"}'] == 3
