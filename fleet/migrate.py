"""`fleet migrate`: list, plan, convert, report, with everything it needs started here or given from outside.

The same parts as in production, in one command: this process plans, dispatches and reaps; a worker process
converts. Only where database and broker live differs.
"""

import contextlib
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from types import FrameType
from typing import Any, Self

from rich.console import Console
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

import keras2torch
from db import outage
from db.queries import inventory, jobs, reap, reports
from db.queries import workers as worker_queries
from fleet import connect, places
from fleet.embedded import StateDir
from fleet.errors import FleetError
from fleet.installation import Installation
from fleet.progress import Display, Running, Snapshot, make_display
from fleet.settings import Settings
from keras2torch.options import ConversionOptions
from scheduler.plan import plan, plan_up_to
from scheduler.selection import EVERYTHING, Selection
from storage.errors import StorageError
from storage.store import ObjectStore
from workers import recipe

_LOOK_SECONDS = 0.2
#: A look that is slow, on a database of millions, is taken so much more seldom.
_LOOK_SHARE = 10
_SLOTS_SHOWN = 16
_OUTAGE_SECONDS = 120.0
#: A job that is put off comes again within fifteen minutes.
_RECENT_SECONDS = 1200.0
_EXIT_MARGIN_SECONDS = 15.0


@dataclass(frozen=True, kw_only=True)
class Migrated:
    """How a migration ended; the numbers are in the database."""

    batch_id: int
    finished: bool
    """False: interrupted, to be continued by the same command."""
    listing_error: str | None
    """Why the source could not be listed to its end; what was listed until then is done."""
    sessions: sessionmaker[Session]
    database_url: str
    """Without its password."""
    logs: str


@contextlib.contextmanager
def migrate(
    source_url: str,
    dest_url: str,
    options: ConversionOptions,
    settings: Settings,
    console: Console,
    *,
    export: Sequence[str] = (),
    selection: Selection = EVERYTHING,
) -> Iterator[Migrated]:
    """Convert what `selection` takes of the models in `source_url` into `dest_url` with `options`, and export each
    bundle to the formats `export`; the database stays open while the context is.

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
        given = settings.database_url
        database_url = given.get_secret_value() if given else state.database_url
        engine = connect.open_database(database_url, create=True)
        stack.callback(engine.dispose)
        sessions = connect.sessions_of(engine)
        if given is None:
            places.remember(state.path)
            _take_back_everything(sessions)
        request: dict[str, Any] = {
            "source_url": source.url,
            "dest_url": dest.url,
            "converter_version": keras2torch.__version__,
            "options": recipe.options_of(options, dest, export=export),
            "selection": selection.as_json(),
        }
        with sessions.begin() as session:
            batch_id = inventory.interrupted_batch(session, **request)
            if batch_id is None:
                batch_id = inventory.create_batch(session, **request)
        installation = Installation(settings, state, sessions, database_url)
        reading = connect.sessions_of(engine, read_only=True)
        display = make_display(console)
        with _Run(batch_id, source, selection, sessions, reading, installation, settings, display) as run:
            finished = run.to_the_end()
        yield Migrated(
            batch_id=batch_id,
            finished=finished,
            listing_error=run.listing_error,
            sessions=sessions,
            database_url=engine.url.render_as_string(hide_password=True),
            logs=str(state.logs),
        )


class _Run:
    """One migration under way. Its context shows progress and hears interrupts; leaving it stops all."""

    def __init__(
        self,
        batch_id: int,
        source: ObjectStore,
        selection: Selection,
        sessions: sessionmaker[Session],
        reading: sessionmaker[Session],
        installation: Installation,
        settings: Settings,
        display: Display,
    ) -> None:
        self.listing_error: str | None = None
        self._batch_id = batch_id
        self._source = source
        self._selection = selection
        self._sessions = sessions
        self._reading = reading
        self._installation = installation
        self._settings = settings
        self._display = display
        self._interrupts = 0
        self._outage_since: float | None = None
        self._waiting = False
        self._snapshot = Snapshot({})
        self._pause = _LOOK_SECONDS
        self._handlers = ExitStack()

    def __enter__(self) -> Self:
        self._display.__enter__()
        for number in (signal.SIGINT, signal.SIGTERM):
            self._handlers.callback(signal.signal, number, signal.signal(number, self._interrupt))
        return self

    def __exit__(self, *_: object) -> None:
        self._installation.close(at_once=self._interrupts > 0)
        self._display.__exit__(None, None, None)
        self._handlers.close()

    def to_the_end(self) -> bool:
        """Plan everything and wait until all of it is done; False: someone interrupted."""
        for _ in self._planned():
            # The first page is at work while the next is listed.
            self._start_if_needed(self._look())
            if self._interrupts:
                break
        if not self._look().total and not self._interrupts and self.listing_error is None:
            self._display.say(_nothing_in(self._source, self._selection))
        while not self._interrupts:
            snapshot = self._look()
            if snapshot.done == snapshot.total:
                with self._sessions.begin() as session:
                    inventory.close_batch(session, self._batch_id)
                return True
            self._start_if_needed(snapshot)
            for news in self._installation.look_after():
                self._display.say(news)
            time.sleep(self._pause)
        self._wind_down()
        return False

    def _planned(self) -> Iterator[inventory.Planned]:
        with self._sessions() as session:
            behind = inventory.listed_after(session, self._batch_id)
        planning = (self._sessions, self._source, self._batch_id)
        try:
            yield from plan(*planning, self._selection)
            if behind is not None:
                yield from plan_up_to(*planning, behind, self._selection)
        except StorageError as error:
            # Other models are not to suffer for it: what was planned is converted before this is reported.
            self.listing_error = str(error)

    def _start_if_needed(self, snapshot: Snapshot) -> None:
        if snapshot.done < snapshot.total and not self._installation.started and not self._interrupts:
            self._installation.start()

    def _look(self) -> Snapshot:
        """Where the batch stands, shown and returned; during an outage of the database, where it stood."""
        started = time.monotonic()
        try:
            with self._reading() as session:
                counts = reports.count_states(session, self._batch_id)
                busy = jobs.running(session)[:_SLOTS_SHOWN]
                put_off = None if busy else reports.latest_outage(session, within_s=_RECENT_SECONDS)
        except SQLAlchemyError as error:
            self._endure(error)
        else:
            self._outage_since = None
            if put_off and not self._waiting:
                self._display.say(f"waiting: {put_off}")
            self._waiting = bool(put_off)
            now = datetime.now(UTC)
            running = (
                Running(job.key, job.stage or "start", max(0.0, (now - job.started_at).total_seconds()))
                for job in busy
            )
            self._snapshot = Snapshot(counts, tuple(running), min(self._settings.workers, _SLOTS_SHOWN))
            self._display.show(self._snapshot)
        self._pause = max(_LOOK_SECONDS, _LOOK_SHARE * (time.monotonic() - started))
        return self._snapshot

    def _endure(self, error: SQLAlchemyError) -> None:
        """Wait for a database that is away, though not for ever; what waiting does not mend is said at once."""
        now = time.monotonic()
        problem = connect.database_problem(error)
        if not outage.is_outage(error):
            raise FleetError(f"database: {problem}") from error
        if self._outage_since is None:
            self._outage_since = now
            self._display.say(f"database: {problem}; waiting for it")
        if now - self._outage_since > _OUTAGE_SECONDS:
            raise FleetError(f"database: {problem}, for {_OUTAGE_SECONDS:g} s") from error

    def _wind_down(self) -> None:
        """After an interrupt: let running jobs finish or be handed back; a second one ends them at once."""
        seconds = self._settings.drain_seconds
        if self._installation.is_working():
            self._display.say(
                f"stopping: running jobs have {seconds:g} s to finish, then go back to the queue;"
                " Ctrl-C again ends them now"
            )
        self._installation.drain()
        deadline = time.monotonic() + seconds + _EXIT_MARGIN_SECONDS
        while self._interrupts < 2 and self._installation.is_working() and time.monotonic() < deadline:
            self._look()
            time.sleep(_LOOK_SECONDS)

    def _interrupt(self, _number: int, _frame: FrameType | None) -> None:
        self._interrupts += 1


def _nothing_in(source: ObjectStore, selection: Selection) -> str:
    if selection.include or selection.exclude:
        return f"no models in {source.url} that the patterns take"
    return f"no models in {source.url}: no name there ends in .h5, .hdf5 or .keras"


def _take_back_everything(sessions: sessionmaker[Session]) -> None:
    """The state folder's lock is ours, so whoever holds a lease in its database is dead."""
    with sessions.begin() as session:
        dead = [worker.id for worker in worker_queries.list_workers(session)]
        while reap.reap(session, dead_workers=dead):
            continue
        worker_queries.mark_gone(session, silent_for_s=0)
