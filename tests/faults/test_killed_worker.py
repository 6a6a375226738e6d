"""A real installation, PostgreSQL, Valkey and S3, with two workers; one of them is killed in the middle."""

import json
import os
import signal
from collections import Counter
from pathlib import Path
from typing import LiteralString

import psycopg
import pytest

from storage import StoreSettings, open_store
from tests import servers
from tests.fleet import models
from tests.fleet.command import Fleet, descendants, wait_until

MODELS = 10


@pytest.fixture
def fleet(tmp_path: Path, postgres_url: str, broker_url: str, s3_server: servers.S3, s3_bucket: str) -> Fleet:
    """Every command of it uses the shared servers; a silent worker is lost after six seconds."""
    return Fleet(
        tmp_path / "home",
        FLEET_DATABASE_URL=postgres_url,
        FLEET_BROKER_URL=broker_url,
        FLEET_S3_ENDPOINT_URL=s3_server.endpoint,
        FLEET_LEASE_SECONDS="6",
        FLEET_HEARTBEAT_SECONDS="1",
        FLEET_REAP_SECONDS="1",
        **s3_server.credentials,
    )


def test_killing_one_of_two_workers_loses_and_doubles_nothing(
    fleet: Fleet, tmp_path: Path, postgres_url: str, s3_server: servers.S3, s3_bucket: str
) -> None:
    settings = StoreSettings(s3_endpoint_url=s3_server.endpoint)
    source = open_store(f"s3://{s3_bucket}/in", settings)
    for number in range(MODELS):
        file = models.dense(tmp_path / f"m{number}.h5", seed=number)
        source.put_file(f"zoo/{file.name}", file)
    source.put_file("zoo/odd.h5", models.unsupported(tmp_path / "odd.h5"))

    def count(query: LiteralString, *values: object) -> int:
        with psycopg.connect(postgres_url) as connection:
            (found,) = connection.execute(query, values).fetchone() or (0,)
            return int(found)

    assert fleet.run("upgrade").returncode == 0
    with (
        fleet.start("worker", "--workers", "1") as doomed,
        fleet.start("worker", "--workers", "1") as survivor,
        fleet.start("migrate", f"s3://{s3_bucket}/in", f"s3://{s3_bucket}/out", "--workers", "0") as migrate,
    ):
        wait_until(
            lambda: (
                count("SELECT count(*) FROM job WHERE state = 'succeeded'") >= 2
                and count(
                    "SELECT count(*) FROM job JOIN worker ON worker.id = job.worker_id"
                    " WHERE job.state = 'running' AND worker.pid = %s",
                    doomed.process.pid,
                )
            ),
            150,
        )
        left_behind = descendants(doomed.process.pid)
        os.kill(doomed.process.pid, signal.SIGKILL)
        output, _ = migrate.process.communicate(timeout=200)
        assert migrate.process.returncode == 0, output
        code, said = survivor.end(signal.SIGTERM)
        assert code == 0, said
    wait_until(lambda: not [pid for pid in left_behind if Path(f"/proc/{pid}").exists()])

    # Nothing lost: every job is terminal, and succeeded but for the one that cannot.
    jobs = fleet.json("jobs", "--limit", "100")["jobs"]
    assert Counter(job["state"] for job in jobs) == {"succeeded": MODELS, "failed": 1}
    # Nothing doubled: one success an id, one manifest a content, one proof a success.
    with psycopg.connect(postgres_url) as connection:
        outcomes = Counter(
            connection.execute("SELECT job_id, outcome FROM attempt WHERE outcome <> 'lost'").fetchall()
        )
        assert set(outcomes.values()) == {1}
        assert len(outcomes) == MODELS + 1
        results = connection.execute(
            "SELECT job.content_key, job.manifest_sha256, parity.passed FROM job"
            " JOIN parity ON parity.job_id = job.id AND parity.fence = job.fence WHERE state = 'succeeded'"
        ).fetchall()
    assert len({content for content, _, _ in results}) == MODELS
    assert all(passed for _, _, passed in results)
    dest = open_store(f"s3://{s3_bucket}/out", settings)
    stored = [found.key for found in dest.list()]
    assert len(stored) == len(set(stored))
    manifests = {key.split("/")[1] for key in stored if key.startswith("results/")}
    assert manifests == {content for content, _, _ in results}
    for key in stored:
        if key.startswith("results/"):
            for file in json.loads(dest.read_bytes(key))["files"]:
                sha256 = file["sha256"]
                got = dest.fetch(f"cas/sha256/{sha256[:2]}/{sha256[2:4]}/{sha256}", tmp_path / "fetched")
                assert got == sha256
    assert {key.split("/")[2] for key in stored if key.startswith("by-name/zoo/")} == {
        f"m{number}" for number in range(MODELS)
    }

    # Asked again, the same installation converts nothing.
    attempts = count("SELECT count(*) FROM attempt")
    again = fleet.json("migrate", f"s3://{s3_bucket}/in", f"s3://{s3_bucket}/out", "--workers", "0")
    assert (again["new"], again["terminal"]) == (0, MODELS + 1)
    assert count("SELECT count(*) FROM attempt") == attempts
