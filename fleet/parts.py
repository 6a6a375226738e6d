"""The parts of a permanent installation, each a process: worker, scheduler, and all in one with a dashboard."""

import contextlib
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType

from sqlalchemy.orm import Session, sessionmaker

import keras2torch
from fleet import connect
from fleet.errors import FleetError, UsageError
from fleet.processes import Child
from fleet.settings import Settings
from scheduler import channels
from scheduler.aside import Aside
from scheduler.dispatch import Dispatcher
from scheduler.finish import Finisher
from scheduler.loop import Duty, Loop
from scheduler.months import Months
from scheduler.notify import Notifier
from scheduler.reap import Reaper
from scheduler.recurring import Planner, Ticker
from scheduler.retention import Keep, Retention
from workers.app import make_app, sender
from workers.health import Health
from workers.settings import WorkerSettings
from workers.slots import NoGpu

_PLAN_SECONDS = 1.0
_DASHBOARD_STOPS_SECONDS = 10.0
#: So many rounds of the reaper without an answer are an outage of the database.
_SILENT_ROUNDS = 3


class Scheduler:
    """The scheduler's duties in a loop, for a process or a thread of its own."""

    def __init__(
        self,
        settings: Settings,
        sessions: sessionmaker[Session],
        broker_url: str,
        *,
        dispatch_seconds: float,
        health: Health | None = None,
    ) -> None:
        self._health = health or Health(None, settings.heartbeat_seconds)
        self.dispatcher = Dispatcher(
            sessions,
            sender(make_app(connect.broker_settings(settings, broker_url))),
            window=settings.window,
            resend_after_seconds=settings.resend_after_seconds,
        )
        self.notifier = Notifier(sessions, channels_of(settings))
        retention = Retention(sessions, connect.store_opener(settings), _keep(settings))
        reaper = Reaper(
            sessions,
            lease_seconds=settings.lease_seconds,
            silence_seconds=_SILENT_ROUNDS * settings.reap_seconds,
        )
        self.loop = Loop(
            [
                Duty("dispatch", dispatch_seconds, self.dispatcher.run_once),
                Duty("reap", settings.reap_seconds, reaper.run_once),
                Duty("finish", settings.reap_seconds, Finisher(sessions).run_once),
                Duty("months", settings.retention_seconds, Months(sessions).run_once),
                Duty("notify", settings.notify_seconds, Aside("notify", self.notifier.run_once).run_once),
                Duty(
                    "retention", settings.retention_seconds, Aside("retention", retention.run_once).run_once
                ),
                Duty("health", settings.heartbeat_seconds, self._tell_health),
            ]
        )
        # In a loop of its own: a bucket that does not answer must not keep jobs from being sent.
        self.recurring = Loop(
            [
                Duty(
                    "schedules", settings.schedule_seconds, Ticker(sessions, keras2torch.__version__).run_once
                ),
                Duty("plan", _PLAN_SECONDS, Planner(sessions, connect.store_opener(settings)).run_once),
            ]
        )

    def run(self) -> None:
        """Do all duties, until `stop`."""
        thread = threading.Thread(target=self.recurring.run, name="recurring", daemon=True)
        thread.start()
        self.loop.run()

    def _tell_health(self) -> int:
        """Ready is a scheduler whose loop turns, and which could look for jobs and ring for those that were due."""
        self._health.ready("dispatch" not in self.loop.troubles)
        return 0

    def stop(self) -> None:
        """Return from `run` once the duties at hand are done; one that waits for a store is not waited for."""
        self.recurring.stop()
        self.loop.stop()


def channels_of(settings: Settings) -> list[channels.Channel]:
    """Where notifications go."""
    found = []
    if settings.webhook_url is not None and settings.webhook_secret is not None:
        secret = settings.webhook_secret.get_secret_value().encode()
        found.append(channels.webhook(settings.webhook_url.get_secret_value(), secret))
    if settings.chat_url is not None:
        found.append(channels.chat(settings.chat_url.get_secret_value()))
    return found


def run_worker(settings: Settings, worker_id: str | None = None) -> int:
    """Work until told to stop; returns the exit code."""
    from workers.serve import serve

    database_url, broker_url = _given(settings)
    engine = connect.open_database(database_url, create=False)
    connect.check_broker(broker_url)
    try:
        return serve(
            make_app(connect.broker_settings(settings, broker_url)),
            WorkerSettings(
                slots=max(1, settings.workers),
                device=settings.device,
                queues=settings.queue_names,
                memory_bytes=settings.memory_bytes,
                health_dir=settings.health_dir,
                lease_seconds=settings.lease_seconds,
                heartbeat_seconds=settings.heartbeat_seconds,
                job_timeout_seconds=settings.job_timeout_seconds,
                job_memory_bytes=settings.job_memory_bytes,
                drain_seconds=settings.drain_seconds,
                outage_seconds=settings.outage_seconds,
                scratch_dir=settings.scratch_dir,
            ),
            connect.sessions_of(engine),
            connect.store_opener(settings),
            worker_id=worker_id,
        )
    except NoGpu as error:
        raise FleetError(f"FLEET_DEVICE={settings.device}: {error}") from error


def run_scheduler(settings: Settings) -> None:
    """Dispatch, reap, fire schedules and list what they ask for, until told to stop."""
    health = Health(settings.health_dir, settings.heartbeat_seconds)
    scheduler = _scheduler(settings, health)

    def stop(_number: int, _frame: FrameType | None) -> None:
        # Not from the handler itself: it may have interrupted the loop while that holds the lock `stop`
        # takes.
        threading.Thread(target=scheduler.stop).start()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    with health:
        scheduler.run()


def run_up(settings: Settings, *, dashboard: bool) -> int:
    """A scheduler in a thread, a dashboard beside, a worker in front; stops when the worker does.

    Raises:
        UsageError: others could reach the dashboard, and nobody would have to sign in.
    """
    scheduler = _scheduler(settings)
    with _dashboard(settings) if dashboard else contextlib.nullcontext():
        thread = threading.Thread(target=scheduler.run, name="scheduler", daemon=True)
        thread.start()
        try:
            return run_worker(settings)
        finally:
            scheduler.stop()
            thread.join()


@contextlib.contextmanager
def _dashboard(settings: Settings) -> Iterator[None]:
    """A process of its own, so that pages stay quick whatever jobs do; one that ends by itself stops no conversion."""
    engine = connect.open_database(_given(settings)[0], create=False)
    try:
        connect.check_access(engine, settings.dashboard)
    finally:
        engine.dispose()
    child = Child("dashboard", [sys.executable, "-P", "-m", "fleet.cli", "dashboard"], log=None)
    child.start()
    try:
        yield
    finally:
        child.stop(_DASHBOARD_STOPS_SECONDS)


def _scheduler(settings: Settings, health: Health | None = None) -> Scheduler:
    database_url, broker_url = _given(settings)
    sessions = connect.sessions_of(connect.open_database(database_url, create=False))
    connect.check_broker(broker_url)
    return Scheduler(
        settings, sessions, broker_url, dispatch_seconds=settings.dispatch_seconds, health=health
    )


def _keep(settings: Settings) -> Keep:
    return Keep(
        events_days=settings.keep_events_days,
        attempts_days=settings.keep_attempts_days,
        logs_days=settings.keep_logs_days,
        workers_days=settings.keep_workers_days,
    )


def _given(settings: Settings) -> tuple[str, str]:
    if settings.database_url is None or settings.broker_url is None:
        raise UsageError("set FLEET_DATABASE_URL and FLEET_BROKER_URL (`fleet migrate` alone brings its own)")
    return settings.database_url.get_secret_value(), settings.broker_url.get_secret_value()
