"""Servers that go away in the middle, and workers that are told to: what was begun is finished, once."""

import functools
import signal
import time
from pathlib import Path
from typing import LiteralString

import psycopg

from tests import servers
from tests.faults.conftest import FleetOf
from tests.fleet import models
from tests.fleet.command import wait_until


def count(url: str, query: LiteralString) -> int:
    """The number a query gives; -1 while the database does not answer."""
    try:
        with psycopg.connect(url, connect_timeout=5) as connection:
            (found,) = connection.execute(query).fetchone() or (0,)
            return int(found)
    except psycopg.OperationalError:
        return -1


def failed_at_least(url: str, number: int) -> bool:
    return count(url, "SELECT count(*) FROM job WHERE state = 'failed'") >= number


def test_the_database_may_go_away_and_come_back(
    fleet_of: FleetOf, own_postgres: tuple[servers.Postgres, str], tmp_path: Path
) -> None:
    server, url = own_postgres
    for number in range(60):
        models.unsupported(tmp_path / "in" / f"m{number}.h5")
    fleet = fleet_of(url)
    with fleet.start("migrate", str(tmp_path / "in"), str(tmp_path / "out"), "--workers", "2") as migrate:
        for done in (5, 25):
            wait_until(functools.partial(failed_at_least, url, done))
            server.kill()
            time.sleep(1)
            server.start()
        output, _ = migrate.process.communicate(timeout=120)
    assert migrate.process.returncode == 0, output
    assert "waiting for it" in output
    assert (
        count(url, "SELECT count(*) FROM job WHERE state = 'failed' AND error_kind = 'unsupported-model'")
        == 60
    )
    assert (
        count(url, "SELECT count(*) FROM (SELECT job_id FROM attempt WHERE outcome = 'failed') AS ends") == 60
    )


def test_a_worker_told_to_stop_hands_its_job_to_another(
    fleet_of: FleetOf, postgres_url: str, tmp_path: Path
) -> None:
    for number in range(4):
        models.dense(tmp_path / "in" / f"m{number}.h5", seed=number)
    fleet = fleet_of(postgres_url, FLEET_DRAIN_SECONDS="0")
    assert fleet.run("upgrade").returncode == 0
    source, dest = str(tmp_path / "in"), str(tmp_path / "out")
    with (
        fleet.start("worker", "--workers", "2") as first,
        fleet.start("migrate", source, dest, "--workers", "0") as migrate,
    ):
        wait_until(lambda: count(postgres_url, "SELECT count(*) FROM job WHERE state = 'running'") == 2)
        code, said = first.end(signal.SIGTERM)
        assert code == 0, said
        assert count(postgres_url, "SELECT count(*) FROM attempt WHERE outcome = 'drained'") == 2
        assert count(postgres_url, "SELECT count(*) FROM job WHERE state = 'running'") == 0
        assert count(postgres_url, "SELECT count(*) FROM worker WHERE state = 'gone'") == 1
        with fleet.start("worker", "--workers", "2") as second:
            output, _ = migrate.process.communicate(timeout=150)
            assert migrate.process.returncode == 0, output
            second.end(signal.SIGTERM)
    assert count(postgres_url, "SELECT count(*) FROM job WHERE state = 'succeeded'") == 4
    assert count(postgres_url, "SELECT sum(lost_count) + sum(retries) FROM job") == 0


def test_the_parts_run_apart(fleet_of: FleetOf, postgres_url: str, tmp_path: Path) -> None:
    """Scheduler and worker as services: they finish what an interrupted migrate command planned."""
    for number in range(30):
        models.unsupported(tmp_path / "in" / f"m{number}.h5")
    fleet = fleet_of(postgres_url)
    assert fleet.run("upgrade").returncode == 0
    source, dest = str(tmp_path / "in"), str(tmp_path / "out")
    with fleet.start("scheduler") as scheduler, fleet.start("up", "--workers", "1", "--no-dashboard") as up:
        with fleet.start("migrate", source, dest, "--workers", "0") as migrate:
            wait_until(lambda: count(postgres_url, "SELECT count(*) FROM job") == 30)
            code, output = migrate.end(signal.SIGINT)
            assert code in {0, 130}, output
        wait_until(lambda: count(postgres_url, "SELECT count(*) FROM job WHERE state = 'failed'") == 30, 120)
        assert scheduler.end(signal.SIGTERM)[0] == 0
        assert up.end(signal.SIGTERM)[0] == 0
    assert count(postgres_url, "SELECT count(*) FROM attempt") == 30


def test_a_lost_message_is_sent_again(
    fleet_of: FleetOf, postgres_url: str, valkey_server: servers.Valkey, tmp_path: Path
) -> None:
    """Nobody listens yet when the messages are sent, and then the broker forgets them all."""
    for number in range(10):
        models.unsupported(tmp_path / "in" / f"m{number}.h5")
    fleet = fleet_of(postgres_url, FLEET_RESEND_AFTER_SECONDS="3")
    assert fleet.run("upgrade").returncode == 0
    source, dest = str(tmp_path / "in"), str(tmp_path / "out")
    with fleet.start("migrate", source, dest, "--workers", "0") as migrate:
        announced: LiteralString = "SELECT count(*) FROM job WHERE dispatched_at IS NOT NULL"
        wait_until(lambda: count(postgres_url, announced) == 10)
        valkey_server.flush()
        with fleet.start("worker", "--workers", "2") as worker:
            output, _ = migrate.process.communicate(timeout=60)
            assert migrate.process.returncode == 0, output
            worker.end(signal.SIGTERM)
    assert count(postgres_url, "SELECT count(*) FROM attempt") == 10
