"""Jobs that something comes in the way of: lost answers, changed sources, outages, deaths, being told to stop."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, text, update
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import Session, sessionmaker

from db.models import Job
from db.queries import control, queue
from db.states import AttemptOutcome, JobState
from storage import ObjectStore, open_store
from storage.errors import StoreUnavailable
from tests.db import zoo
from tests.fleet import models
from tests.workers.conftest import Make, detail
from workers.settings import WorkerSettings


def test_a_result_whose_commit_was_lost_is_adopted(workshop: Make) -> None:
    """What a crash between manifest and database leaves: all is published, the job is still queued."""
    shop = workshop()
    models.dense(shop.source / "a.h5", seed=2)
    job_id = shop.plan()["a.h5"]
    assert shop.do(job_id) is AttemptOutcome.SUCCEEDED
    with shop.sessions.begin() as session:
        control.requeue(session, [job_id])
    assert shop.do(job_id) is AttemptOutcome.SUCCEEDED
    adopted = detail(shop, job_id)
    assert "convert" not in (adopted.attempts[1].stage_seconds or {})
    assert adopted.parity[1].passed
    assert len(list((shop.dest / "results").iterdir())) == 1


def test_a_claim_whose_commit_was_not_answered_is_worked_on_and_counts_nothing(workshop: Make) -> None:
    shop = workshop()
    models.unsupported(shop.source / "a.h5")
    job_id = shop.plan()["a.h5"]
    with unanswered(shop.sessions, commits=2):
        assert shop.do(job_id) is AttemptOutcome.FAILED
    job = detail(shop, job_id)
    assert (job.lost_count, len(job.attempts)) == (0, 1)


def test_a_claim_whose_commit_was_not_heard_is_left_to_whoever_has_it(
    workshop: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = workshop()
    models.unsupported(shop.source / "a.h5")
    job_id = shop.plan()["a.h5"]
    ask = queue.confirm

    def ask_late(*asked: Any) -> bool:
        with shop.sessions.begin() as session:
            assert queue.claim(session, job_id, "w2", 60) is not None
        return ask(*asked)

    monkeypatch.setattr(queue, "confirm", ask_late)
    with unanswered(shop.sessions, commits=2, heard=False):
        assert shop.do(job_id) is None
    job = detail(shop, job_id)
    assert (job.state, [attempt.worker_id for attempt in job.attempts]) == (JobState.RUNNING, ["w2"])


def test_a_missing_table_is_said_at_once_and_not_waited_for(workshop: Make) -> None:
    shop = workshop()
    models.unsupported(shop.source / "a.h5")
    job_id = shop.plan()["a.h5"]
    with renamed(shop.sessions, "job_reason"), pytest.raises(DBAPIError, match="job_reason"):
        shop.do(job_id)


@contextmanager
def renamed(sessions: sessionmaker[Session], table: str) -> Iterator[None]:
    """A database without this table."""
    with sessions.begin() as session:
        session.execute(text(f"ALTER TABLE {table} RENAME TO elsewhere"))
    try:
        yield
    finally:
        with sessions.begin() as session:
            session.execute(text(f"ALTER TABLE elsewhere RENAME TO {table}"))


@contextmanager
def unanswered(sessions: sessionmaker[Session], *, commits: int, heard: bool = True) -> Iterator[None]:
    """A database that vanishes once, as it answers the commit numbered `commits`, or before it has `heard` it."""
    seen = 0

    def gone(session: Session) -> None:
        nonlocal seen
        seen += not session.in_nested_transaction()
        if seen == commits:
            seen += 1
            raise OperationalError("COMMIT", {}, Exception("server closed the connection"))

    when = "after_commit" if heard else "before_commit"
    event.listen(sessions.class_, when, gone)
    try:
        yield
    finally:
        event.remove(sessions.class_, when, gone)


def test_a_damaged_result_is_not_adopted(workshop: Make) -> None:
    shop = workshop()
    models.dense(shop.source / "a.h5", seed=3)
    job_id = shop.plan()["a.h5"]
    shop.do(job_id)
    (model,) = [one for one in detail(shop, job_id).artifacts if one.name == "model.py"]
    (shop.dest / model.key).write_text("import os")
    with shop.sessions.begin() as session:
        control.requeue(session, [job_id])
    assert shop.do(job_id) is AttemptOutcome.FAILED
    assert detail(shop, job_id).error_kind == "object-differs"


def test_a_source_that_changed_since_it_was_listed_is_another_job(workshop: Make) -> None:
    shop = workshop()
    models.dense(shop.source / "a.h5", seed=4)
    listed = shop.plan()["a.h5"]
    models.dense(shop.source / "a.h5", seed=5)
    assert shop.do(listed) is AttemptOutcome.FAILED
    assert detail(shop, listed).error_kind == "object-changed"
    newer = shop.plan()["a.h5"]
    assert newer != listed
    assert shop.do(newer) is AttemptOutcome.SUCCEEDED


class Flaky:
    """A store whose first answers are an outage."""

    def __init__(self, store: ObjectStore, failures: int) -> None:
        self._store = store
        self._failures = failures

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def fetch(self, key: str, path: Path, **options: Any) -> str:
        if self._failures:
            self._failures -= 1
            raise StoreUnavailable(self._store.url, key, "503 Slow Down")
        return self._store.fetch(key, path, **options)


def test_an_outage_of_the_store_is_tried_again(workshop: Make) -> None:
    flaky: dict[str, Flaky] = {}
    shop = workshop(open_=lambda url: flaky.setdefault(url, Flaky(open_store(url), 1)))
    models.unsupported(shop.source / "a.h5")
    job_id = shop.plan()["a.h5"]
    assert shop.do(job_id) is AttemptOutcome.POSTPONED
    job = detail(shop, job_id)
    assert (job.state, job.retries, job.error_kind) == (JobState.QUEUED, 0, "store-unavailable")
    zoo.make_due(shop.sessions, job_id)
    assert shop.do(job_id) is AttemptOutcome.FAILED
    assert detail(shop, job_id).error_kind == "unsupported-model"


def test_a_job_out_of_time_counts_as_a_death(workshop: Make) -> None:
    shop = workshop(WorkerSettings(job_timeout_seconds=0.01))
    models.dense(shop.source / "a.h5", seed=6)
    job_id = shop.plan()["a.h5"]
    for _ in range(3):
        assert shop.do(job_id) is AttemptOutcome.CRASHED
        zoo.make_due(shop.sessions, job_id)
    job = detail(shop, job_id)
    assert (job.state, job.error_kind, job.lost_count) == (JobState.QUARANTINED, "timed-out", 2)


def test_a_result_found_by_an_attempt_that_lost_its_lease_does_not_count(workshop: Make) -> None:
    shop = workshop()
    models.dense(shop.source / "a.h5", seed=7)
    job_id = shop.plan()["a.h5"]

    class Thief(Flaky):
        """By the time the source is here, another attempt has begun."""

        def fetch(self, key: str, path: Path, **options: Any) -> str:
            with shop.sessions.begin() as session:
                session.execute(update(Job).where(Job.id == job_id).values(fence=Job.fence + 1))
            return self._store.fetch(key, path, **options)

    slow = workshop(open_=lambda url: Thief(open_store(url), 0))
    assert slow.do(job_id) is None
    assert detail(shop, job_id).state is JobState.RUNNING
    assert not (shop.dest / "results").exists()


def test_an_older_version_does_not_take_the_place_of_a_newer_one(workshop: Make) -> None:
    shop = workshop()
    models.dense(shop.source / "a.h5", seed=11)
    older = shop.plan()["a.h5"]

    class Overtaken(Flaky):
        """While the older version is at work, the file changes and the change is listed."""

        def fetch(self, key: str, path: Path, **options: Any) -> str:
            fetched = self._store.fetch(key, path, **options)
            models.dense(shop.source / "a.h5", seed=12)
            shop.plan()
            return fetched

    assert workshop(open_=lambda url: Overtaken(open_store(url), 0)).do(older) is AttemptOutcome.SUCCEEDED
    door = shop.dest / "by-name" / "a" / "model.safetensors"
    assert not door.exists()
    newer = shop.plan()["a.h5"]
    assert shop.do(newer) is AttemptOutcome.SUCCEEDED
    (weights,) = [one for one in detail(shop, newer).artifacts if one.name == "model.safetensors"]
    assert door.read_bytes() == (shop.dest / weights.key).read_bytes()


def test_a_scratch_disk_that_fails_is_tried_again(workshop: Make, tmp_path: Path) -> None:
    shop = workshop()
    models.dense(shop.source / "a.h5", seed=14)
    job_id = shop.plan()["a.h5"]
    (scratch,) = (tmp_path / "scratch").iterdir()
    (scratch / f"job-{job_id}-1").write_text("in the way")
    assert shop.do(job_id) is AttemptOutcome.RETRY
    assert detail(shop, job_id).error_kind == "local-disk"
    (scratch / f"job-{job_id}-1").unlink()


def test_cancelling_stops_the_child(workshop: Make) -> None:
    shop = workshop(WorkerSettings(lease_seconds=4, heartbeat_seconds=0.05))
    models.dense(shop.source / "a.h5", units=2500, inputs=2500, seed=8)
    job_id = shop.plan()["a.h5"]
    outcome: list[AttemptOutcome | None] = []
    doing = threading.Thread(target=lambda: outcome.append(shop.do(job_id)))
    doing.start()
    while detail(shop, job_id).state is JobState.QUEUED:
        continue
    with shop.sessions.begin() as session:
        control.cancel(session, [job_id])
    doing.join(30)
    assert outcome == [AttemptOutcome.CANCELLED]
    assert detail(shop, job_id).state is JobState.CANCELLED


def test_a_draining_worker_hands_back_and_takes_nothing_new(workshop: Make) -> None:
    shop = workshop()
    models.dense(shop.source / "a.h5", units=2500, inputs=2500, seed=9)
    models.dense(shop.source / "b.h5", seed=9)
    jobs = shop.plan()
    outcome: list[AttemptOutcome | None] = []
    doing = threading.Thread(target=lambda: outcome.append(shop.do(jobs["a.h5"])))
    doing.start()
    while detail(shop, jobs["a.h5"]).state is JobState.QUEUED:
        continue
    shop.shop.leases.drain(0)
    assert shop.do(jobs["b.h5"]) is None
    doing.join(30)
    assert outcome == [AttemptOutcome.DRAINED]
    handed_back = detail(shop, jobs["a.h5"])
    assert (handed_back.state, handed_back.retries, handed_back.lost_count) == (JobState.QUEUED, 0, 0)
