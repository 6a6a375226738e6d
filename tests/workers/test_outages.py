"""A store that goes away and comes back: jobs wait for it, and a worker that cannot reach it takes no more of them."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path

import boto3
import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

import keras2torch
from db.models import Attempt, Job
from db.queries import inventory
from db.states import AttemptOutcome, JobState
from scheduler.plan import plan
from storage import ObjectStore, StoreSettings, open_store
from tests import servers
from tests.db import zoo
from tests.faults.fake_child import FakeSandboxes, source
from tests.fleet.command import wait_until
from workers import outages
from workers.convert_job import Shop, convert_job
from workers.drain import Leases
from workers.outages import Outages
from workers.scratch import Scratch
from workers.settings import WorkerSettings


class Bucket:
    """A bucket on a server of its own, which forgets what is in it when it stops and is filled when it starts again."""

    def __init__(self, server: servers.S3) -> None:
        self.url = "s3://models"
        self.server = server
        # Told once, and without pauses: what a worker does then is what is tested here.
        settings = StoreSettings(s3_endpoint_url=server.endpoint, s3_region="us-east-1", s3_attempts=1)
        self.open = lru_cache(partial(open_store, settings=settings))
        self._fill()

    def come_back(self) -> None:
        self.server.start()
        self._fill()

    def _fill(self) -> None:
        boto3.client("s3", endpoint_url=self.server.endpoint).create_bucket(Bucket="models")
        for number in range(3):
            self.open(self.url).put_bytes(f"m{number}.h5", source(number))


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    for name, value in servers.S3.credentials.items():
        monkeypatch.setenv(name, value)
    with servers.s3() as server:
        yield Bucket(server)


@pytest.fixture
def shop(
    bucket: Bucket, sessions: sessionmaker[Session], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Shop]:
    monkeypatch.setattr(outages, "_HOLD_SECONDS", 0.2)

    def opened(url: str) -> ObjectStore:
        return bucket.open(url) if url == bucket.url else open_store(url)

    with sessions.begin() as session:
        batch_id = inventory.create_batch(
            session,
            source_url=bucket.url,
            dest_url=str(tmp_path / "out"),
            converter_version=keras2torch.__version__,
            options={},
        )
    for _ in plan(sessions, bucket.open(bucket.url), batch_id):
        continue
    with Scratch(tmp_path / "scratch") as scratch, ThreadPoolExecutor(4) as pool:
        yield Shop(
            worker_id="w1",
            settings=WorkerSettings(),
            sessions=sessions,
            open_store=opened,
            sandboxes=FakeSandboxes(seconds=(0, 0)),  # type: ignore[arg-type]  # does what it does, in this process
            scratch=scratch,
            leases=Leases(),
            pool=pool,
        )


def test_jobs_wait_for_a_store_and_a_worker_without_it_takes_none(shop: Shop, bucket: Bucket) -> None:
    first, second, third = sorted(zoo.job_ids(shop.sessions).values())
    bucket.server.stop()
    assert convert_job(shop, first) is AttemptOutcome.POSTPONED
    assert convert_job(shop, second) is None
    assert convert_job(shop, third) is None
    with shop.sessions() as session:
        assert session.scalars(select(Attempt.job_id)).all() == [first]
        assert set(session.scalars(select(Job.state))) == {JobState.QUEUED}

    # As a worker that was started meanwhile would: more often than any count allows.
    for _ in range(8):
        zoo.make_due(shop.sessions, first)
        assert convert_job(replace(shop, outages=Outages()), first) is AttemptOutcome.POSTPONED
    with shop.sessions() as session:
        job = session.get_one(Job, first)
        assert (job.state, job.retries, job.lost_count) == (JobState.QUEUED, 0, 0)
        assert job.error_kind == "store-unavailable"
    impatient = replace(shop, outages=Outages(), settings=WorkerSettings(outage_seconds=0))
    assert convert_job(impatient, third) is AttemptOutcome.FAILED

    bucket.come_back()
    zoo.make_due(shop.sessions, first)
    # The breaker asks again when its pause is over.
    wait_until(lambda: convert_job(shop, second) is AttemptOutcome.SUCCEEDED)
    assert convert_job(shop, first) is AttemptOutcome.SUCCEEDED
