"""`fleet migrate`: list, plan, convert, report, with everything it needs started here or given from outside.

The same parts as in production, in one command: this process plans, dispatches and reaps; worker processes
convert. Only where database and broker live differs.
"""

import contextlib
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from types import FrameType

from rich.console import Console
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session, sessionmaker

import keras2torch
from db.queries import inventory, jobs, reap, reports, workers
from fleet import connect, places
from fleet.crew import Crew
from fleet.embedded import PrivateBroker, StateDir
from fleet.errors import FleetError
from fleet.progress import Display, Running, Snapshot, make_display
from fleet.settings import Settings
from scheduler.dispatch import Dispatcher
from scheduler.loop import Duty, Loop
from scheduler.plan import plan
from scheduler.reap import Reaper
from storage.errors import StorageError
from storage.store import ObjectStore
from workers.app import make_app, sender

_LOOK_SECONDS = 0.2
#: A look that is slow, on a database of millions, is taken so much more seldom.
_LOOK_SHARE = 10
_OUTAGE_SECONDS = 120.0
_EMBEDDED_DISPATCH_SECONDS = 0.1
_EXIT_MARGIN_SECONDS = 15.0


@dataclass(frozen=True)
class Migrated:
    """How a migration ended; the numbers are in the database."""

    batch_id: int
    finished: bool
    """False: interrupted, to be continued by the same command."""
    sessions: sessionmaker[Session]
    database_url: str
    """Without its password."""
    logs: str
    listing_error: str | None
    """Why the source could not be listed to its end; what was listed until then is done."""


@contextlib.contextmanager
def migrate(source_url: str, dest_url: str, settings: Settings, console: Console) -> Iterator[Migrated]:
    """Convert every model in `source_url` into `dest_url`; the database stays open while the context is.

    Raises:
        UsageError: an address that is none.
        FleetError: source, destination, database, broker or worker do not work.
    """
    source, dest = connect.open_store(source_url, settings), connect.open_store(dest_url, settings)
    connect.check_store(source, write=False)
    connect.check_store(dest, write=True)
    if settings.broker_url is not None:
        connect.check_broker(settings.broker_url.get_secret_value())
    with ExitStack() as stack:
        state = stack.enter_context(StateDir(places.state_dir(dest, settings)))
        run = stack.enter_context(_Run(source, dest, settings, state, make_display(console)))
        finished = run.to_the_end()
        run.close()
        yield Migrated(
            run.batch_id, finished, run.sessions, run.shown_database, str(state.logs), run.listing_error
        )


class _Run:
    """One migration: what was started for it, and where it stands."""

    def __init__(
        self, source: ObjectStore, dest: ObjectStore, settings: Settings, state: StateDir, display: Display
    ) -> None:
        self.source = source
        self.settings = settings
        self.state = state
        self.display = display
        self._open = ExitStack()
        given = settings.database_url
        self.database_url = given.get_secret_value() if given else state.database_url
        self.embedded = given is None
        engine = connect.open_database(self.database_url, create=True)
        self._open.callback(engine.dispose)
        self.shown_database = engine.url.render_as_string(hide_password=True)
        self.sessions = connect.sessions_of(engine)
        self._look_sessions = connect.sessions_of(engine, read_only=True)
        if self.embedded:
            places.remember(state.path)
            self._take_back_everything()
        with self.sessions.begin() as session:
            self.batch_id = inventory.create_batch(
                session,
                source_url=source.url,
                dest_url=dest.url,
                converter_version=keras2torch.__version__,
                options={},
            )
        self.broker: PrivateBroker | None = None
        self.crew: Crew | None = None
        self.loop: Loop | None = None
        self.dispatcher: Dispatcher | None = None
        self._interrupts = 0
        self._outage_since: float | None = None
        self._snapshot = Snapshot({})
        self._trouble: dict[str, str] = {}
        self.listing_error: str | None = None

    def __enter__(self) -> "_Run":
        self.display.__enter__()
        for number in (signal.SIGINT, signal.SIGTERM):
            self._open.callback(signal.signal, number, signal.signal(number, self._interrupt))
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        self._open.close()

    def close(self) -> None:
        """Stop what was started here, in the order in which nothing is cut off; the database stays."""
        if self.loop is not None:
            self.loop.stop()
            self.loop = None
        if self.crew is not None:
            if not self._interrupts:
                self.crew.go_home()
            self.crew.dismiss()
            self.crew = None
        if self.broker is not None:
            self.broker.__exit__()
            self.broker = None
        self.display.__exit__(None, None, None)

    def to_the_end(self) -> bool:
        """Plan everything and wait until all of it is done; False: someone interrupted."""
        for _ in self._planned():
            snapshot = self.look()
            if self._interrupts:
                break
            if self.crew is None and self.loop is None and snapshot.done < snapshot.total:
                self.start()
        if not self.look().total and not self._interrupts and self.listing_error is None:
            self.display.say(f"no models in {self.source.url}: no name there ends in .h5, .hdf5 or .keras")
        while not self._interrupts:
            snapshot = self.look()
            if snapshot.done == snapshot.total:
                self._close_batch()
                return True
            if self.loop is None:
                self.start()
            self.look_after()
            time.sleep(self._pause)
        self.wind_down()
        return False

    def start(self) -> None:
        """Start broker, worker and scheduler."""
        if self.settings.broker_url is None:
            self.broker = PrivateBroker(self.state).__enter__()
            broker_url = self.broker.url
        else:
            broker_url = self.settings.broker_url.get_secret_value()
        if self.settings.workers:
            self.crew = Crew(
                self.sessions,
                slots=self.settings.workers,
                environment=self._for_workers(broker_url),
                log=self.state.logs / "worker.log",
            )
            self.crew.start()
        app = make_app(connect.broker_settings(self.settings, broker_url))
        self.dispatcher = Dispatcher(
            self.sessions,
            sender(app),
            window=self.settings.window,
            resend_after_seconds=self.settings.resend_after_seconds,
        )
        if self.broker is not None:
            self.dispatcher.broker_is_empty()
        every = _EMBEDDED_DISPATCH_SECONDS if self.broker else self.settings.dispatch_seconds
        self.loop = Loop(
            [
                Duty("dispatch", every, self.dispatcher.run_once),
                Duty("reap", self.settings.reap_seconds, Reaper(self.sessions).run_once),
            ]
        )
        threading.Thread(target=self.loop.run, name="scheduler", daemon=True).start()

    def look(self) -> Snapshot:
        """Where the batch stands, shown and returned; during an outage of the database, where it stood."""
        started = time.monotonic()
        try:
            with self._look_sessions() as session:
                counts = reports.count_states(session, self.batch_id)
                busy = jobs.running(session)
        except OperationalError as error:
            self._endure(error)
        else:
            self._outage_since = None
            now = datetime.now(UTC)
            self._snapshot = Snapshot(
                counts,
                tuple(
                    Running(job.key, job.stage or "start", max(0.0, (now - job.started_at).total_seconds()))
                    for job in busy
                ),
                slots=self.settings.workers,
            )
            self.display.show(self._snapshot)
        self._pause = max(_LOOK_SECONDS, _LOOK_SHARE * (time.monotonic() - started))
        return self._snapshot

    def look_after(self) -> None:
        """Put right what has died, and say what the scheduler cannot do."""
        if self.broker is not None and not self.broker.alive():
            self.broker.start()
            if self.dispatcher is not None:
                self.dispatcher.broker_is_empty()
            self.display.say("the private broker died; another one is started and every message is sent anew")
        if self.crew is not None and (news := self.crew.look_after()):
            self.display.say(news)
        troubles = dict(self.loop.troubles) if self.loop is not None else {}
        for duty, trouble in troubles.items():
            if self._trouble.get(duty) != trouble:
                self.display.say(f"{duty}: {trouble}")
        self._trouble = troubles

    def wind_down(self) -> None:
        """After an interrupt: let running jobs finish or be handed back; a second one ends them at once."""
        if self.loop is not None:
            self.loop.stop()
        if self.crew is None or not self.crew.is_running():
            return
        seconds = self.settings.drain_seconds
        self.display.say(
            f"stopping: running jobs have {seconds:g} s to finish, then go back to the queue;"
            " Ctrl-C again ends them now"
        )
        self.crew.drain()
        deadline = time.monotonic() + seconds + _EXIT_MARGIN_SECONDS
        while self._interrupts < 2 and self.crew.is_running() and time.monotonic() < deadline:
            self.look()
            time.sleep(_LOOK_SECONDS)

    def _planned(self) -> Iterator[inventory.Planned]:
        try:
            yield from plan(self.sessions, self.source, self.batch_id)
        except StorageError as error:
            # Other models are not to suffer for it: what was planned is converted before this is reported.
            self.listing_error = str(error)

    def _close_batch(self) -> None:
        with self.sessions.begin() as session:
            inventory.close_batch(session, self.batch_id)

    def _take_back_everything(self) -> None:
        """The state folder's lock is ours, so whoever holds a lease in its database is dead."""
        with self.sessions.begin() as session:
            dead = [worker.id for worker in workers.list_workers(session)]
            while reap.reap(session, dead_workers=dead):
                continue
            workers.mark_gone(session, silent_for_s=0)

    def _for_workers(self, broker_url: str) -> dict[str, str]:
        given = {
            "FLEET_DATABASE_URL": self.database_url,
            "FLEET_BROKER_URL": broker_url,
            "FLEET_STATE_DIR": str(self.state.path),
        }
        if self.settings.scratch_dir is None:
            given["FLEET_SCRATCH_DIR"] = str(self.state.path / "scratch")
        return given

    def _endure(self, error: OperationalError) -> None:
        now = time.monotonic()
        if self._outage_since is None:
            self._outage_since = now
            self.display.say(f"database: {connect.database_problem(error)}; waiting for it")
        if now - self._outage_since > _OUTAGE_SECONDS:
            raise FleetError(f"database {self.shown_database}: {connect.database_problem(error)}") from error

    def _interrupt(self, _number: int, _frame: FrameType | None) -> None:
        self._interrupts += 1
