"""What a worker leaves for those who watch it."""

import os
import time
from pathlib import Path

import pytest

from db import session as db_session
from db.states import WorkerState
from tests import servers
from tests.fleet.command import Fleet, wait_until
from tests.workers.conftest import Install
from tests.workers.test_gpus import MISMATCH, TWO, TWO_LISTED
from workers.health import Health


def test_alive_is_touched_and_ready_says_whether_it_takes_jobs(tmp_path: Path) -> None:
    folder = tmp_path / "health"
    with Health(folder, 0.02) as health:
        assert [path.name for path in folder.iterdir()] == ["alive"]
        os.utime(folder / "alive", (0, 0))
        wait_until(lambda: (folder / "alive").stat().st_mtime > time.time() - 10, 5)
        health.ready(True)
        assert (folder / "ready").exists()
        health.ready(False)
        assert not (folder / "ready").exists()
    assert list(folder.iterdir()) == []


def test_without_a_folder_it_leaves_nothing() -> None:
    with Health(None, 0.02) as health:
        health.ready(True)
        health.ready(False)


def fleet(home: Path, database_url: str, broker_url: str, **env: str) -> Fleet:
    db_session.upgrade(database_url)
    return Fleet(
        home,
        FLEET_DATABASE_URL=database_url,
        FLEET_BROKER_URL=broker_url,
        FLEET_HEALTH_DIR=str(home / "health"),
        **env,
    )


def test_a_worker_on_processors_is_ready_and_says_what_it_is(
    tmp_path: Path, postgres_url: str, broker_url: str
) -> None:
    mine = fleet(tmp_path, postgres_url, broker_url, FLEET_DEVICE="cpu", FLEET_QUEUES="default")
    with mine.start("worker", "--workers", "2") as worker:
        wait_until((tmp_path / "health" / "ready").exists, 60)
        (row,) = mine.json("workers")
        assert (row["device"], row["slots"], row["state"]) == ("cpu", 2, WorkerState.ACTIVE)
        time.sleep(1)
        code, said = worker.end(15)
    assert code == 0, said
    assert "2 at once on cpu" in said
    assert list((tmp_path / "health").iterdir()) == []


def test_a_scheduler_is_ready_while_its_database_is_there_and_alive_without(
    tmp_path: Path, broker_url: str
) -> None:
    ready, alive = tmp_path / "health" / "ready", tmp_path / "health" / "alive"
    with servers.postgres() as server, server.database() as url:
        mine = fleet(tmp_path, url, broker_url, FLEET_HEARTBEAT_SECONDS="0.2")
        with mine.start("scheduler") as scheduler:
            wait_until(ready.exists)
            server.kill()
            wait_until(lambda: not ready.exists())
            os.utime(alive, (0, 0))
            wait_until(lambda: alive.stat().st_mtime > time.time() - 10, 5)
            server.start()
            wait_until(ready.exists)
            code, said = scheduler.end(15)
    assert code == 0, said
    assert list((tmp_path / "health").iterdir()) == []


@pytest.mark.parametrize(
    ("query", "code", "why"),
    [
        (MISMATCH, 18, "Driver/library version mismatch"),
        # Two GPUs by the driver's word, and a torch that cannot compute on them.
        (TWO, 0, "torch cannot compute on NVIDIA A100-SXM4-40GB"),
    ],
    ids=["no driver", "no CUDA in torch"],
)
def test_a_worker_that_is_to_have_a_gpu_and_has_none_does_not_start(
    tmp_path: Path, postgres_url: str, broker_url: str, tool: Install, query: str, code: int, why: str
) -> None:
    tool(query, TWO_LISTED, code)
    done = fleet(tmp_path / "home", postgres_url, broker_url, FLEET_DEVICE="cuda").run(
        "worker", "--workers", "1"
    )
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("fleet: FLEET_DEVICE=cuda: a GPU is demanded")
    assert why in last
