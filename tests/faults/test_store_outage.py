"""A store that goes away in the middle of a run: live workers stop taking its jobs, and go on when it is back."""

import signal
import time
from pathlib import Path

import pytest

from db import session as db_session
from storage import StoreSettings, open_store
from tests import servers
from tests.faults import arena as arenas
from tests.faults.conftest import FleetOf
from tests.faults.installation import Servers, Size, installation
from tests.faults.tcp_proxy import proxy
from tests.faults.test_outages import count
from tests.fleet import models
from tests.fleet.command import wait_until

_JOBS = 40
_WORKERS = 2
_POSTPONED = "SELECT count(*) FROM attempt WHERE outcome = 'postponed'"


@pytest.fixture
def on(postgres_server: servers.Postgres, valkey_server: servers.Valkey, s3_server: servers.S3) -> Servers:
    return Servers(postgres=postgres_server, valkey=valkey_server, s3=s3_server)


def test_an_outage_costs_each_worker_a_few_attempts_and_no_job_a_try(on: Servers, tmp_path: Path) -> None:
    size = Size(jobs=_JOBS, times=1, seconds=120)
    with (
        proxy(on.s3.port, seed=1) as between,
        on.s3.bucket() as source,
        on.s3.bucket() as dest,
        installation(
            on,
            tmp_path / "outage",
            size,
            1,
            mixed=False,
            buckets=(f"s3://{source}", f"s3://{dest}"),
            s3_endpoint=f"http://127.0.0.1:{between.port}",
            s3_attempts=1,
        ) as arena,
        arenas.workers(arena, _WORKERS) as crew,
        arenas.schedulers(arena) as schedulers,
    ):
        wait_until(lambda: arena.number("SELECT count(*) FROM job WHERE state = 'succeeded'") >= 5)
        between.away = True
        between.reset_all()
        wait_until(lambda: arena.number("SELECT count(*) FROM job WHERE state = 'running'") == 0)
        time.sleep(3)
        postponed = arena.number(_POSTPONED)
        assert 0 < postponed <= 2 * _WORKERS, "the queue was not burnt through"
        assert arena.unfinished() > 0
        between.away = False
        arena.finish([crew, schedulers], size.seconds)
        arena.row("store outage", injected=1, unit="outages").assert_right()
        assert arena.number("SELECT sum(retries + lost_count) FROM job") == 0
        assert crew.deaths == 0


def test_who_migrates_is_told_what_is_waited_for(
    fleet_of: FleetOf, postgres_url: str, tmp_path: Path
) -> None:
    with pytest.MonkeyPatch.context() as environment, servers.s3() as store:
        for name, value in store.credentials.items():
            environment.setenv(name, value)
        with store.bucket() as bucket:
            there = open_store(f"s3://{bucket}", StoreSettings(s3_endpoint_url=store.endpoint))
            for number in range(60):
                name = f"m{number}.h5"
                there.put_file(name, models.unsupported(tmp_path / name))
            db_session.upgrade(postgres_url)
            fleet = fleet_of(postgres_url, FLEET_S3_ENDPOINT_URL=store.endpoint)
            with fleet.start("migrate", there.url, str(tmp_path / "out"), "--workers", "1") as migrate:
                wait_until(lambda: count(postgres_url, "SELECT count(*) FROM job WHERE state = 'failed'") > 2)
                store.stop()
                wait_until(lambda: count(postgres_url, _POSTPONED) > 0)
                time.sleep(4)  # in which it looks at least once
                code, output = migrate.end(signal.SIGINT)
    assert code == 130, output
    assert f"waiting: {there.url}/m" in output, output
