"""Workers and schedulers of the harness: real processes with the fleet's real parts in them, quick to start.

They are forked from one server that has imported everything, so that a thousand of them can be killed in minutes. Times
that a real fleet counts in tens of seconds are counted in tenths here, by `Haste`.
"""

import ctypes
import functools
import logging
import multiprocessing
import os
import random
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

# Imported here, so that the server has them and no child spends a second on it.
import botocore.retryhandler
import celery.platforms
import celery.worker.request
import kombu.transport.redis
import psycopg

import workers.serve
from db import session as db_session
from db.queries import reap
from scheduler.dispatch import Dispatcher
from scheduler.loop import Duty, Loop
from scheduler.reap import Reaper
from storage import StoreSettings, open_store
from storage import s3 as storage_s3
from tests import servers
from tests.faults import clocks, crash_points, small_disk
from tests.faults.crash_points import Fuse
from tests.faults.fake_child import FakeSandboxes
from tests.faults.poison import RealChildren
from workers import claiming, convert_job, inbox, lease, tasks, verdict
from workers.app import make_app, sender
from workers.settings import BrokerSettings, WorkerSettings

_PRELOADED = (celery, kombu, psycopg, storage_s3)


@dataclass(frozen=True, kw_only=True)
class Haste:
    """Seconds."""

    lease: float = 2.0
    heartbeat: float = 0.4
    reap: float = 0.5
    dispatch: float = 0.2
    resend: float = 2.0
    backoff: float = 0.1
    drain: float = 1.0
    broker: float = 0.1
    """What the times are multiplied with after which a silent broker is given up."""
    s3_pause: float = 0.05
    """What boto3's pauses between tries are multiplied with."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where an installation is; plain values, to be sent to a process."""

    database_url: str
    broker_url: str
    scratch: Path
    log: Path
    record: Path
    s3_endpoint: str | None = None
    slots: int = 1
    window: int = 100
    haste: Haste = field(default_factory=Haste)
    conversion: tuple[float, float] = (0.02, 0.05)
    s3_attempts: int = 5
    visibility: float = 600
    small_disk: bool = False
    """Whether workers' scratch folders lie on a disk that is full from time to time."""
    real_children: bool = False
    """Whether conversions run in confined children; they may take a few seconds, and half a gigabyte."""
    clock: float | None = 0.0
    """Seconds by which a process's clock is wrong; None: it jumps."""


_JUMP_SECONDS = 0.2
_BOUNDS: dict[str, Any] = {
    "job_timeout_seconds": 4.0,
    "job_memory_bytes": 512 << 20,
    "memory_bytes": 1 << 30,
}

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload([__name__])


class Part:
    """A worker or a scheduler under way; dies with the harness."""

    def __init__(self, run: Callable[..., None], place: Place, **arguments: Any) -> None:
        self.arguments = arguments
        self._process: BaseProcess = _context.Process(target=run, args=(place,), kwargs=arguments)
        self._process.start()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, if it is there to hear it."""
        if self._process.is_alive():
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it without warning."""
        self._process.kill()
        self._process.join()

    def alive(self) -> bool:
        """Whether it runs, or is stopped."""
        return self._process.is_alive()

    def stands_still(self) -> bool:
        """Whether a signal stopped it."""
        try:
            state = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return False
        return state == "T"

    def drain(self, seconds: float) -> None:
        """Ask it to end, and wait so long for it."""
        self.signal(signal.SIGTERM)
        self.wait(seconds)

    def wait(self, seconds: float) -> int | None:
        """Its exit code, negative for a signal; None if it still runs after `seconds`."""
        self._process.join(seconds)
        return self._process.exitcode


def run_worker(
    place: Place, *, armed: str | None = None, passing: int = 1, how: signal.Signals = signal.SIGKILL
) -> None:
    """A worker process: `workers.serve`, with the child replaced."""
    _begin(place)
    fuse = Fuse(record=place.record, armed=armed, passing=passing, how=how)
    crash_points.install_in_worker(fuse)
    haste = place.haste
    if place.small_disk:
        small_disk.install(place.scratch, fuse)
    assert "Sandboxes" in vars(workers.serve)
    children = RealChildren if place.real_children else FakeSandboxes
    vars(workers.serve)["Sandboxes"] = functools.partial(children, seconds=place.conversion, point=fuse.point)
    settings = WorkerSettings(
        slots=place.slots,
        lease_seconds=haste.lease,
        heartbeat_seconds=haste.heartbeat,
        drain_seconds=haste.drain,
        scratch_dir=place.scratch,
        **(_BOUNDS if place.real_children else {}),
    )
    sessions = db_session.session_factory(db_session.make_engine(place.database_url))
    store_settings = _store_settings(place)

    @functools.lru_cache
    def opened(url: str) -> Any:
        return crash_points.Store(open_store(url, store_settings), fuse)

    sys.exit(workers.serve.serve(_app(place), settings, sessions, opened))


def run_scheduler(
    place: Place,
    *,
    armed: str | None = None,
    passing: int = 1,
    how: signal.Signals = signal.SIGKILL,
    lossy: float = 0.0,
) -> None:
    """A scheduler process: dispatcher and reaper in their loop; `lossy`: see `lossy_sender`."""
    _begin(place)
    fuse = Fuse(record=place.record, armed=armed, passing=passing, how=how)
    crash_points.install_in_scheduler(fuse)
    haste = place.haste
    sessions = db_session.session_factory(db_session.make_engine(place.database_url))
    dispatcher = Dispatcher(
        sessions,
        crash_points.sender(fuse, lossy_sender(fuse, sender(_app(place)), lossy)),
        window=place.window,
        resend_after_seconds=haste.resend,
    )
    reaper = Reaper(sessions, lease_seconds=haste.lease, silence_seconds=haste.lease)
    loop = Loop(
        [
            Duty("dispatch", haste.dispatch, crash_points.noting_refusal(fuse, dispatcher.run_once)),
            Duty("reap", haste.reap, crash_points.noting_refusal(fuse, reaper.run_once)),
        ]
    )
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=loop.stop).start())
    loop.run()


def lossy_sender(fuse: Fuse, send: inbox.Sender, share: float) -> inbox.Sender:
    """A sender between which and the broker `share` of the messages get lost, as many come twice, in any order."""
    if not share:
        return send

    def call(jobs: Iterable[tuple[int, str]]) -> None:
        out: list[tuple[int, str]] = []
        for job in jobs:
            fate = random.random()
            if fate < 2 * share:
                fuse.note("message", "dropped" if fate < share else "doubled")
            out += [job] * (0 if fate < share else 2 if fate < 2 * share else 1)
        random.shuffle(out)
        send(out)

    return call


def worker(place: Place, **arguments: Any) -> Part:
    """Start a worker."""
    return Part(run_worker, place, **arguments)


def scheduler(place: Place, **arguments: Any) -> Part:
    """Start a scheduler."""
    return Part(run_scheduler, place, **arguments)


def _app(place: Place) -> celery.Celery:
    app = make_app(BrokerSettings(url=place.broker_url, prefix="chaos:", visibility_seconds=place.visibility))
    options = app.conf.broker_transport_options
    for name in ("health_check_interval", "socket_timeout"):
        options[name] *= place.haste.broker
    return app


def _store_settings(place: Place) -> StoreSettings:
    return replace(
        StoreSettings(s3_endpoint_url=place.s3_endpoint, s3_region="us-east-1"), s3_attempts=place.s3_attempts
    )


def _begin(place: Place) -> None:
    """Tie this process to the server it was forked from, and scale the times that no setting reaches."""
    if place.s3_endpoint is not None:
        os.environ.update(servers.S3.credentials)
    ctypes.CDLL(None).prctl(1, int(signal.SIGKILL), 0, 0, 0)  # PR_SET_PDEATHSIG
    log = os.open(place.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    # Celery's word on running as root: these processes run nothing but the harness.
    warnings.filterwarnings("ignore", category=celery.platforms.SecurityWarning)
    logging.basicConfig(
        stream=sys.stderr, format="%(asctime)s %(process)d %(message)s", level=logging.WARNING
    )
    pause = botocore.retryhandler.delay_exponential
    botocore.retryhandler.delay_exponential = lambda *given, **named: (
        place.haste.s3_pause * pause(*given, **named)
    )
    if place.clock != 0:
        fuse = Fuse(record=place.record)
        clocks.install(
            clocks.jumping(_JUMP_SECONDS, lambda: fuse.note("clock", "jumped"))
            if place.clock is None
            else clocks.wrong_by(place.clock)
        )
    backoff = place.haste.backoff
    db_session._POSTGRESQL["options"] = f"-c idle_in_transaction_session_timeout={place.haste.lease / 2}s"
    for module, name, value in (
        (reap, "_BACKOFF_SECONDS", backoff),
        (verdict, "_BACKOFF_SECONDS", backoff),
        (verdict, "_OUTAGE_LIMIT_SECONDS", 180 * backoff),
        (convert_job, "_RECORD_RETRY_SECONDS", backoff),
        (claiming, "_RETRY_SECONDS", backoff),
        (tasks, "_RETRY_SECONDS", backoff),
        (lease, "_RETRY_SECONDS", backoff),
        (lease, "_STAGE_SECONDS", 0.01),
    ):
        assert hasattr(module, name), f"{module.__name__}.{name} is gone"
        setattr(module, name, value)
