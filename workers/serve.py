"""A worker process, from its first row in the database to its last."""

import contextlib
import logging
import os
import platform
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from types import FrameType

from celery import Celery, signals
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

import keras2torch
from db import outage
from db.queries import workers as rows
from db.states import WorkerState
from keras2torch.parity.steps import target
from keras2torch.sandbox import SandboxError
from storage.store import ObjectStore
from workers import errors, isolation, machine, tasks
from workers import slots as slot_finder
from workers.admission import Admission
from workers.convert_job import Shop
from workers.drain import Leases
from workers.health import Health
from workers.identity import new_worker_id
from workers.isolation import Sandboxes
from workers.scratch import Scratch
from workers.settings import WorkerSettings
from workers.slots import CPU, Device, NoGpu, Slot, Slots

log = logging.getLogger(__name__)

_UPLOADS_A_SLOT = 4
_TRIAL_SECONDS = 120.0
_REGISTER_RETRY_SECONDS = 1.0


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

    Raises:
        NoGpu: one is demanded, and there is none that torch can compute on.
    """
    worker_id = worker_id or new_worker_id()
    leases = Leases()
    with (
        Scratch(settings.scratch_dir) as scratch,
        Sandboxes(memory_bytes=settings.job_memory_bytes) as sandboxes,
        ThreadPoolExecutor(_UPLOADS_A_SLOT * settings.slots, "upload") as pool,
        Health(settings.health_dir, settings.heartbeat_seconds) as health,
        ExitStack() as on_the_books,
    ):
        sandboxes.warm()
        slots = _usable_slots(settings, sandboxes, scratch)
        on_the_books.enter_context(_on_the_books(sessions, worker_id, settings, leases, slots, health))
        shop = Shop(
            worker_id=worker_id,
            settings=settings,
            sessions=sessions,
            open_store=open_store,
            sandboxes=sandboxes,
            scratch=scratch,
            leases=leases,
            pool=pool,
            slots=slots,
            admission=Admission(settings.memory_bytes or machine.memory_bytes() // 5 * 4),
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
            concurrency=len(slots),
            queues=list(settings.queues),
            without_gossip=True,
            without_mingle=True,
            without_heartbeat=True,
            quiet=True,
        )
        worker.start()
        return int(worker.exitcode or 0)


def _nothing(**_: object) -> None:
    """The process that serves has its logging already."""


def _usable_slots(settings: WorkerSettings, sandboxes: Sandboxes, scratch: Scratch) -> Slots:
    """The slots, each GPU among them tried from within a child such as its jobs will run in.

    Raises:
        NoGpu: one is demanded, and there is none, or one on which torch cannot compute.
    """
    found = slot_finder.find(settings.device, settings.slots)
    for slot in found:
        trouble = _trouble(slot, sandboxes, scratch) if slot.gpu is not None else None
        if trouble is None:
            continue
        if settings.device is Device.CUDA:
            raise NoGpu(f"a GPU is demanded, but torch cannot compute on {slot.gpu}: {trouble}")
        log.warning("computing on the processors: torch cannot compute on %s: %s", slot.gpu, trouble)
        found = [CPU] * settings.slots
        break
    slots = Slots(found)
    log.info("%d at once on %s", len(slots), slots)
    return slots


def _trouble(slot: Slot, sandboxes: Sandboxes, scratch: Scratch) -> str | None:
    """Why torch cannot compute in this slot, in one line; None if it can."""
    with scratch.desk(0, 0) as desk:
        try:
            answer = sandboxes.run(
                isolation.TORCH,
                target("device"),
                {"device": slot.device},
                stage="start",
                workdir=desk,
                seconds=_TRIAL_SECONDS,
                stop=threading.Event(),
                env=slot.environment,
            )
        except (errors.JobError, SandboxError) as error:
            return str(error).splitlines()[0]
    missing: str | None = answer.result["missing"]
    return missing


def _register(
    sessions: sessionmaker[Session], worker_id: str, settings: WorkerSettings, slots: Slots
) -> None:
    """Write this worker's row; a database that goes away as it starts is waited for as long as a lease."""
    until = time.monotonic() + settings.lease_seconds
    while True:
        try:
            with sessions.begin() as session:
                rows.register(
                    session,
                    worker_id,
                    host=socket.gethostname(),
                    pid=os.getpid(),
                    slots=len(slots),
                    device=str(slots),
                    versions={"keras2torch": keras2torch.__version__, "python": platform.python_version()},
                    heartbeat_seconds=settings.heartbeat_seconds,
                )
        except SQLAlchemyError as error:
            if not outage.is_outage(error) or time.monotonic() > until:
                raise
            log.warning("not registered: %s", str(error).splitlines()[0])
            time.sleep(_REGISTER_RETRY_SECONDS)
        else:
            return


@contextlib.contextmanager
def _on_the_books(
    sessions: sessionmaker[Session],
    worker_id: str,
    settings: WorkerSettings,
    leases: Leases,
    slots: Slots,
    health: Health,
) -> Iterator[None]:
    """Keep this worker's row fresh; leases do not depend on it, people looking do."""
    _register(sessions, worker_id, settings, slots)
    health.ready(True)
    closed = threading.Event()

    def say(state: WorkerState) -> bool:
        """Whether somebody wants this worker to stop."""
        try:
            with sessions.begin() as session:
                heard = rows.beat(session, worker_id, state)
        except SQLAlchemyError as error:
            health.ready(False)
            log.warning("worker row not renewed: %s", str(error).splitlines()[0])
            return False
        health.ready(state is WorkerState.ACTIVE)
        return heard.drain

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
