"""A worker that is told to stop: what it lets finish, what it hands back, and how soon."""

import contextlib
import signal
import time
from pathlib import Path
from typing import LiteralString

import psycopg
import pytest
from sqlalchemy.orm import Session, sessionmaker

from db import session as db_session
from db.errors import LeaseLost
from db.queries.queue import Claim
from tests.db import zoo
from tests.fleet import models
from tests.fleet.command import Fleet, wait_until
from workers.drain import Leases
from workers.lease import Stop
from workers.pace import Pace
from workers.settings import WorkerSettings


def test_pace_judges_by_files_of_like_size() -> None:
    pace = Pace()
    for seconds in (2.0, 3.0):
        pace.note(1000, seconds)
    assert pace.expected(1000) is None, "two are too few"
    for size, seconds in ((900, 4.0), (1_000_000, 500.0), (1_000_000, 600.0), (10, 0.1)):
        pace.note(size, seconds)
    assert pace.expected(2000) == 3.0
    assert pace.expected(1_000_000) is None


def claim(sessions: sessionmaker[Session]) -> Claim:
    return zoo.claim(sessions, zoo.new_job(sessions))


def leases_that_took(seconds: float, size: int) -> Leases:
    leases = Leases()
    for _ in range(3):
        leases._pace.note(size, seconds)
    return leases


@pytest.mark.parametrize(("took", "soon"), [(100.0, True), (0.2, False)])
def test_what_cannot_be_done_within_the_grace_is_stopped_at_once(
    sessions: sessionmaker[Session], took: float, soon: bool
) -> None:
    held = claim(sessions)
    leases = leases_that_took(took, held.size)
    with leases.hold(sessions, held, WorkerSettings()) as lease:
        leases.drain(5)
        assert lease.stop.wait(0.5) is soon
    assert lease.reason is (Stop.DRAINED if soon else None)


def test_a_claim_is_held_by_one_thread_at_a_time(sessions: sessionmaker[Session]) -> None:
    leases, held = Leases(), claim(sessions)
    for _ in range(2):
        with leases.hold(sessions, held, WorkerSettings()) as lease:
            with pytest.raises(LeaseLost), leases.hold(sessions, held, WorkerSettings()):
                pass
            assert lease.reason is None
    assert leases._held == {}


def test_told_twice_is_at_once(sessions: sessionmaker[Session]) -> None:
    leases = Leases()
    with leases.hold(sessions, claim(sessions), WorkerSettings()) as lease:
        leases.drain(60)
        assert not lease.stop.wait(0.2)
        leases.drain(60)
        assert lease.stop.wait(2)


def test_only_what_came_to_its_own_end_is_a_measure(sessions: sessionmaker[Session]) -> None:
    leases = Leases()
    for number in range(4):
        held = zoo.claim(sessions, zoo.new_job(sessions, f"{number}.h5"))
        with leases.hold(sessions, held, WorkerSettings()) as lease:
            if number == 3:
                lease.end(Stop.CANCELLED)
    assert len(leases._pace._done) == 3


@pytest.mark.parametrize(
    "signals", [(signal.SIGTERM, signal.SIGTERM), (signal.SIGQUIT,)], ids=["twice", "quit"]
)
def test_a_worker_that_is_to_stop_now_hands_its_job_back(
    tmp_path: Path, postgres_url: str, broker_url: str, signals: tuple[signal.Signals, ...]
) -> None:
    """With a grace of a minute, which a second signal cuts short. The job is none the worse for it."""
    fleet = Fleet(
        tmp_path / "home",
        FLEET_DATABASE_URL=postgres_url,
        FLEET_BROKER_URL=broker_url,
        FLEET_DRAIN_SECONDS="60",
    )
    db_session.upgrade(postgres_url)
    models.dense(tmp_path / "in" / "a.h5", units=3000, inputs=3000)

    def ask(query: LiteralString) -> tuple[object, ...] | None:
        with psycopg.connect(postgres_url) as connection:
            return connection.execute(query).fetchone()

    with (
        fleet.start("worker", "--workers", "1") as worker,
        fleet.start("migrate", str(tmp_path / "in"), str(tmp_path / "out"), "--workers", "0") as migrate,
    ):
        wait_until(
            lambda: ask("SELECT 1 FROM attempt WHERE stage IN ('convert', 'verify') AND ended_at IS NULL"),
            100,
        )
        for number in signals[:-1]:
            worker.process.send_signal(number)
            time.sleep(0.5)
        told_at = time.monotonic()
        with contextlib.suppress(ProcessLookupError):
            worker.process.send_signal(signals[-1])
        worker.process.communicate(timeout=30)
        assert time.monotonic() - told_at < 15
        assert ask("SELECT state, retries, lost_count FROM job") == ("queued", 0, 0)
        assert ask("SELECT outcome FROM attempt") == ("drained",)
        assert ask("SELECT state FROM worker") == ("gone",)
        migrate.end(signal.SIGINT)
