"""A store that goes away in the middle of a run: live workers stop taking its jobs, and go on when it is back."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import servers
from tests.faults import arena as arenas
from tests.faults.scenarios import Servers, Size, installation
from tests.faults.tcp_proxy import Proxy, proxy
from tests.fleet.command import wait_until

_JOBS = 40
_WORKERS = 2


class Switch(Proxy):
    """Before a store that can be taken away."""

    away = False

    def _serve(self, client: socket.socket) -> None:
        if self.away:
            client.close()
        else:
            super()._serve(client)


@pytest.fixture
def on(postgres_server: servers.Postgres, valkey_server: servers.Valkey, s3_server: servers.S3) -> Servers:
    return Servers(postgres=postgres_server, valkey=valkey_server, s3=s3_server)


@pytest.fixture
def switch(on: Servers, monkeypatch: pytest.MonkeyPatch) -> Iterator[Switch]:
    monkeypatch.setattr("tests.faults.tcp_proxy.Proxy", Switch)
    with proxy(on.s3.port, seed=1) as between:
        assert isinstance(between, Switch)
        yield between


def test_an_outage_costs_each_worker_a_few_attempts_and_no_job_a_try(
    on: Servers, switch: Switch, tmp_path: Path
) -> None:
    size = Size(jobs=_JOBS, times=1, seconds=120)
    with (
        on.s3.bucket() as source,
        on.s3.bucket() as dest,
        installation(
            on,
            tmp_path / "outage",
            size,
            1,
            mixed=False,
            buckets=(f"s3://{source}", f"s3://{dest}"),
            s3_endpoint=f"http://127.0.0.1:{switch.port}",
            s3_attempts=1,
        ) as arena,
        arenas.workers(arena, _WORKERS) as crew,
        arenas.schedulers(arena) as schedulers,
    ):
        wait_until(lambda: arena.number("SELECT count(*) FROM job WHERE state = 'succeeded'") >= 5)
        switch.away = True
        switch.reset_all()
        wait_until(lambda: arena.number("SELECT count(*) FROM job WHERE state = 'running'") == 0)
        time.sleep(3)
        postponed = arena.number("SELECT count(*) FROM attempt WHERE outcome = 'postponed'")
        assert 0 < postponed <= 2 * _WORKERS, "the queue was not burnt through"
        assert arena.unfinished() > 0
        switch.away = False
        arena.finish([crew, schedulers], size.seconds)
        arena.row("store outage", injected=1, unit="outages").assert_right()
        assert arena.number("SELECT sum(retries + lost_count) FROM job") == 0
        assert crew.deaths == 0
