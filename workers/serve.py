"""A worker process, from its first row in the database to its last."""

import contextlib
import logging
import os
import platform
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import FrameType

from celery import Celery, signals
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

import keras2torch
from db.queries import workers as rows
from db.states import WorkerState
from storage.store import ObjectStore
from workers import devices, inbox, tasks
from workers.convert_job import Shop
from workers.drain import Leases
from workers.identity import new_worker_id
from workers.isolation import Sandboxes
from workers.scratch import Scratch
from workers.settings import WorkerSettings

log = logging.getLogger(__name__)

_UPLOADS_A_SLOT = 4


def serve(
    app: Celery,
    settings: WorkerSettings,
    sessions: sessionmaker[Session],
    open_store: Callable[[str], ObjectStore],
    *,
    worker_id: str | None = None,
) -> int:
    """Work until a signal says stop, and hand back what is unfinished by then; returns the exit code.

    SIGTERM and SIGINT drain; a second one, or SIGQUIT, hands back at once. Must be called from the main thread.
    """
    worker_id = worker_id or new_worker_id()
    leases = Leases()
    with (
        Scratch(settings.scratch_dir) as scratch,
        Sandboxes(memory_bytes=settings.job_memory_bytes) as sandboxes,
        ThreadPoolExecutor(_UPLOADS_A_SLOT * settings.slots, "upload") as pool,
        _on_the_books(sessions, worker_id, settings, leases),
    ):
        sandboxes.warm()
        shop = Shop(
            worker_id=worker_id,
            settings=settings,
            sessions=sessions,
            open_store=open_store,
            sandboxes=sandboxes,
            scratch=scratch,
            leases=leases,
            pool=pool,
        )
        tasks.register(app, shop)

        def drain(**_: object) -> None:
            leases.drain(settings.drain_seconds)

        def stop_now(_number: int, _frame: FrameType | None) -> None:
            leases.drain(0)
            os.kill(os.getpid(), signal.SIGTERM)

        def take_signals(**_: object) -> None:
            # Celery's own answer to these cancels its tasks, which are threads of ours: it would wait for them.
            signal.signal(signal.SIGINT, lambda _number, _frame: os.kill(os.getpid(), signal.SIGTERM))
            signal.signal(signal.SIGQUIT, stop_now)

        signals.worker_shutting_down.connect(drain, weak=False)
        signals.worker_ready.connect(take_signals, weak=False)
        # Whoever hears this sets logging up; otherwise Celery does, and keeps to itself what jobs say.
        signals.setup_logging.connect(_nothing, weak=False)
        worker = app.Worker(
            hostname=worker_id,
            concurrency=settings.slots,
            queues=list(inbox.QUEUES),
            without_gossip=True,
            without_mingle=True,
            without_heartbeat=True,
            quiet=True,
        )
        worker.start()
        return int(worker.exitcode or 0)


def _nothing(**_: object) -> None:
    """The process that serves has its logging already."""


@contextlib.contextmanager
def _on_the_books(
    sessions: sessionmaker[Session],
    worker_id: str,
    settings: WorkerSettings,
    leases: Leases,
) -> Iterator[None]:
    """Keep this worker's row fresh; leases do not depend on it, people looking do."""
    with sessions.begin() as session:
        rows.register(
            session,
            worker_id,
            host=socket.gethostname(),
            pid=os.getpid(),
            slots=settings.slots,
            device=devices.device(),
            versions={"keras2torch": keras2torch.__version__, "python": platform.python_version()},
        )
    closed = threading.Event()

    def say(state: WorkerState) -> bool:
        """Whether somebody wants this worker to stop."""
        try:
            with sessions.begin() as session:
                return rows.beat(session, worker_id, state).drain
        except SQLAlchemyError as error:
            log.warning("worker row not renewed: %s", str(error).splitlines()[0])
            return False

    def beat() -> None:
        while not closed.wait(settings.heartbeat_seconds):
            asked = say(WorkerState.DRAINING if leases.draining else WorkerState.ACTIVE)
            if asked and not leases.draining:
                log.info("asked to drain")
                # The way a process supervisor stops it; a second way to stop would need a second set of proofs.
                os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=beat, name="worker-row", daemon=True)
    thread.start()
    try:
        yield
    finally:
        closed.set()
        thread.join()
        say(WorkerState.GONE)
