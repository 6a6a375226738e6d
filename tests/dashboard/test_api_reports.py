"""What the API says of the fleet as a whole, of batches, causes, layers, workers and acts."""

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session, sessionmaker

from db.queries import audit
from db.states import JobState
from tests.dashboard import fleet
from tests.db import zoo


def test_the_overview_counts_jobs_and_workers(client: TestClient, jobs: dict[str, int]) -> None:
    found = client.get("/api/v1/overview").json()
    assert {state: count for state, count in found["states"].items() if count} == {
        "queued": 1, "running": 1, "succeeded": 1, "failed": 3,
    }  # fmt: skip
    assert (found["left"], found["slots"], found["gpus"]) == (2, 2, 0)
    assert found["failed_share"] == 0.75
    assert [(row["job_id"], row["key"]) for row in found["running"]] == [(jobs["runs.h5"], "runs.h5")]
    assert found["last_ten_minutes"] == {"failed": 3, "succeeded": 1}
    assert found["waiting_since"] is not None


@pytest.mark.parametrize(("over", "buckets"), [("1h", 60), ("24h", 96), ("30d", 90)])
def test_throughput_leaves_no_bucket_out(
    client: TestClient, jobs: dict[str, int], over: str, buckets: int
) -> None:
    found = client.get("/api/v1/overview/throughput", params={"over": over}).json()
    assert len(found["buckets"]) == buckets
    assert sum(bucket["ended"] for bucket in found["buckets"]) == 4


def test_how_exact_conversions_are(client: TestClient, jobs: dict[str, int]) -> None:
    found = client.get("/api/v1/overview/parity").json()
    assert {row["up_to"]: row["structure"] for row in found if row["structure"]} == {1e-15: 1}


def test_causes_are_groups_that_the_filter_can_name(client: TestClient, jobs: dict[str, int]) -> None:
    found = client.get("/api/v1/failures", params={"limit": 1}).json()
    (group,) = found["groups"]
    assert (group["message"], group["jobs"]) == ("layer * (Foo)", 2)
    within = client.get("/api/v1/jobs", params={"q": f"fingerprint:{group['fingerprint']}"}).json()
    assert {job["key"] for job in within["jobs"]} == {"foo1.h5", "foo2.h5"}
    rest = client.get("/api/v1/failures", params={"after": found["next"]}).json()
    assert [group["kind"] for group in rest["groups"]] == ["truncated"]
    assert client.get("/api/v1/failures", params={"after": "nonsense"}).status_code == 422


def test_coverage_tells_how_a_class_stands(client: TestClient, jobs: dict[str, int]) -> None:
    found = client.get("/api/v1/coverage").json()
    (blocker,) = found["blockers"]
    assert (blocker["subject"], blocker["jobs"], blocker["alone"], blocker["status"]) == (
        "Foo", 2, 2, "unknown",
    )  # fmt: skip
    assert client.get("/api/v1/layers/Dense").json()["status"] == "converted"
    assert client.get("/api/v1/layers/Nothing").status_code == 404
    assert len(client.get("/api/v1/layers").json()) > 150


def test_batches_say_how_far_they_are(client: TestClient, jobs: dict[str, int]) -> None:
    (batch,) = client.get("/api/v1/batches").json()["batches"]
    assert (batch["done"], batch["total"], batch["dest_url"]) == (4, 6, "/bundles")
    summary = client.get(f"/api/v1/batches/{batch['id']}").json()
    assert (summary["terminal"], summary["reasons"]) == (
        4, [{"kind": "unsupported-layer", "subject": "Foo", "jobs": 2}],
    )  # fmt: skip
    assert client.get("/api/v1/batches/999").status_code == 404


def test_a_batch_is_held_and_released(
    client: TestClient, sessions: sessionmaker[Session], jobs: dict[str, int]
) -> None:
    (batch,) = client.get("/api/v1/batches").json()["batches"]
    url = f"/api/v1/batches/{batch['id']}"
    assert client.post(f"{url}/hold").json() == {"action": "hold", "batch": batch["id"], "jobs": 1}
    assert zoo.state_of(sessions, jobs[fleet.HOSTILE]) is JobState.HELD
    assert client.post(f"{url}/hold").status_code == 409
    assert client.post(f"{url}/release").json()["jobs"] == 1
    assert client.post("/api/v1/batches/999/hold").status_code == 404
    acts = client.get("/api/v1/audit").json()["acts"]
    assert [(act["action"], act["subject"], act["jobs"]) for act in acts] == [
        ("release", f"batch:{batch['id']}", 1), ("hold", f"batch:{batch['id']}", 1),
    ]  # fmt: skip


def test_a_worker_is_asked_to_stop(
    client: TestClient, sessions: sessionmaker[Session], jobs: dict[str, int]
) -> None:
    assert client.post("/api/v1/workers/w1/drain").status_code == 202
    (worker,) = client.get("/api/v1/workers").json()
    assert worker["drain_requested_at"] is not None
    assert worker["running"] == 1
    assert client.post("/api/v1/workers/nobody/drain").status_code == 404
    assert client.post("/api/v1/workers/%00/drain").status_code == 422
    with sessions() as session:
        (act,) = audit.list_audit(session)
    assert (act.action, act.subject) == ("drain", "w1")


def test_the_audit_is_read_in_pages(client: TestClient, jobs: dict[str, int]) -> None:
    for _ in range(3):
        client.post("/api/v1/workers/w1/drain")
    first = client.get("/api/v1/audit", params={"limit": 2}).json()
    second = client.get("/api/v1/audit", params={"limit": 2, "before": first["next_before"]}).json()
    assert (len(first["acts"]), len(second["acts"]), second["next_before"]) == (2, 1, None)
