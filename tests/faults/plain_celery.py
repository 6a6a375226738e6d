"""The negative control: plain Celery under the kills that the fleet survives. It must lose, or the harness is blind.

Between taking a message off its list and noting it as unacknowledged, a worker on Redis has it nowhere but in memory
(kombu's Redis transport, `_brpop_start` and `QoS.append`). Whoever is killed there takes the message along.
"""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import redis

from tests.faults.arena import Row
from tests.faults.checker import Counts
from tests.faults.plain_worker import TASK, VISIBILITY_SECONDS

_CONCURRENCY = 4
_QUEUES = ("celery", "unacked")


def plain_celery(broker_url: str, folder: Path, *, tasks: int, kills: int, seed: int, seconds: float) -> Row:
    """Publish so many tasks, kill the worker and its pool so often while it works, then let it finish what is left.

    Lost is what was never done although nothing waits in the broker any more.
    """
    began = time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    chance = random.Random(seed)
    record = folder / "done.txt"
    record.touch()
    environment = {**os.environ, "PLAIN_BROKER": broker_url, "PLAIN_RECORD": str(record)}
    client = redis.Redis.from_url(broker_url)
    _publish(broker_url, tasks)
    killed = 0
    while killed < kills and time.monotonic() - began < seconds and client.llen("celery"):
        before = _lines(record)
        worker = _start(environment, folder)
        while _lines(record) == before and worker.poll() is None and client.llen("celery"):
            time.sleep(0.01)
        time.sleep(chance.uniform(0.1, 0.8))
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()
        killed += 1
    worker = _start(environment, folder)
    try:
        _settle(client, record, began + seconds)
    finally:
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()
    done = record.read_text().split()
    counts = Counts(lost=tasks - len(set(done)))
    return Row(
        fault="plain Celery with late acknowledgement, no database (negative control)",
        jobs=tasks,
        injected=killed,
        unit="kills",
        seed=seed,
        counts=counts,
        wall_s=time.monotonic() - began,
        kills=killed,
        attempts=len(done),
    )


def _publish(broker_url: str, tasks: int) -> None:
    from celery import Celery

    app = Celery("plain", broker=broker_url, set_as_current=False)
    with app.producer_or_acquire() as producer:
        for number in range(tasks):
            app.send_task(TASK, args=[number], producer=producer)


def _start(environment: dict[str, str], folder: Path) -> subprocess.Popen[bytes]:
    """A worker with its pool, in a group of its own."""
    command = [sys.executable, "-m", "celery", "-A", "tests.faults.plain_worker", "worker"]
    options = ["-c", str(_CONCURRENCY), "--without-gossip", "--without-mingle", "--loglevel", "ERROR"]
    with (folder / "worker.log").open("ab") as log:
        return subprocess.Popen(
            [*command, *options], env=environment, stdout=log, stderr=log, start_new_session=True
        )


def _settle(client: "redis.Redis", record: Path, deadline: float) -> None:
    """Return when nothing waits in the broker, and nothing more was done for twice the time of a redelivery."""
    quiet = time.monotonic()
    last = _lines(record)
    while time.monotonic() < min(deadline, quiet + 2 * VISIBILITY_SECONDS + 2):
        time.sleep(0.2)
        lines = _lines(record)
        if lines != last or client.llen(_QUEUES[0]) or client.hlen(_QUEUES[1]):
            quiet, last = time.monotonic(), lines


def _lines(record: Path) -> int:
    return record.read_bytes().count(b"\n")
