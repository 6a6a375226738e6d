"""Schedules through live processes: what `schedules run` asks for is done, and what nobody was there for, once."""

import signal
import urllib.request
from pathlib import Path
from urllib.error import URLError

import psycopg

from tests.faults.conftest import FleetOf
from tests.faults.test_outages import count
from tests.fleet import models
from tests.fleet.command import wait_until
from tests.servers import free_port


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=10) as answer:
            return bool(answer.status == 200)
    except URLError:
        return False


def test_a_run_that_was_asked_for_and_ticks_that_were_missed(
    fleet_of: FleetOf, postgres_url: str, tmp_path: Path
) -> None:
    models.unsupported(tmp_path / "in" / "a.h5")
    port = str(free_port())
    fleet = fleet_of(postgres_url, FLEET_SCHEDULE_SECONDS="0.2", FLEET_DASHBOARD_PORT=port)
    assert fleet.run("upgrade").returncode == 0
    places = (str(tmp_path / "in"), str(tmp_path / "out"))
    fleet.json("schedules", "add", "yearly", *places, "--cron", "0 0 1 1 *", "--everything")
    with fleet.start("up", "--workers", "1") as up:
        batch = fleet.json("schedules", "run", "yearly")["batch"]
        wait_until(lambda: count(postgres_url, "SELECT count(*) FROM batch WHERE state = 'finished'") == 1)
        wait_until(lambda: answers(f"http://127.0.0.1:{port}/batches/{batch}"))
        assert up.end(signal.SIGTERM)[0] == 0
    assert not answers(f"http://127.0.0.1:{port}/healthz")
    assert count(postgres_url, "SELECT count(*) FROM job WHERE state = 'failed'") == 1
    assert count(postgres_url, "SELECT max(id) FROM batch") == batch

    # Nobody was there for three New Years, and since the first of them there is another model.
    models.unsupported(tmp_path / "in" / "b.h5")
    with psycopg.connect(postgres_url) as connection:
        connection.execute("UPDATE schedule SET since = now() - interval '3 years'")
        connection.execute("UPDATE schedule_run SET scheduled_for = now() - interval '3 years'")
    with fleet.start("up", "--workers", "1", "--no-dashboard") as up:
        wait_until(lambda: count(postgres_url, "SELECT count(*) FROM batch WHERE state = 'finished'") == 2)
        assert up.end(signal.SIGTERM)[0] == 0
    (row,) = fleet.json("schedules", "list")
    assert (row["last_outcome"], row["last_state"], row["last_batch"]) == ("started", "finished", batch + 1)
    assert row["last_tick"][4:10] == "-01-01"
    assert count(postgres_url, "SELECT count(*) FROM schedule_run") == 2
    assert count(postgres_url, "SELECT count(*) FROM job WHERE state = 'failed'") == 2
    assert count(postgres_url, "SELECT count(*) FROM attempt") == 2
