"""One run of the harness: servers, sources, jobs, processes that are kept alive, and the count at the end."""

import contextlib
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self

import psycopg
from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker

import keras2torch
from db import session as db_session
from db.queries import control, inventory
from scheduler.plan import plan
from storage import ObjectStore, StoreSettings, open_store
from tests.faults import checker, crash_points, processes
from tests.faults.checker import Counts
from tests.faults.crash_points import Note
from tests.faults.fake_child import source
from tests.faults.processes import Part, Place

_TICK = 0.02
_SUCCESS = frozenset({"succeeded"})


@dataclass
class Row:
    """One line of the table."""

    fault: str
    jobs: int
    injected: int
    unit: str
    seed: int
    counts: Counts = field(default_factory=Counts)
    recovery_s: float = 0.0
    """From the last fault to the last job's end."""
    wall_s: float = 0.0
    kills: int = 0
    io_faults: int = 0
    attempts: int = 0
    requeued: int = 0
    """Innocent jobs under which three processes died, tried again as a person would."""
    notes: dict[str, Any] = field(default_factory=dict)

    def promise(self, kept: bool, what: str) -> None:
        """Count a promise of this fault that did not hold."""
        if not kept:
            self.counts.promises_broken += 1
            self.counts.notes.insert(0, f"promises_broken: {what}")

    def assert_right(self) -> None:
        """Raise unless every count is zero."""
        wrong = self.counts.wrong()
        assert not wrong, f"{self.fault}, seed {self.seed}: {wrong}\n" + "\n".join(self.counts.notes)


Make = Callable[[], Part]


class Crew:
    """Processes that are started again when they end, each by its own maker."""

    def __init__(self, makers: Sequence[Make]) -> None:
        self._makers = list(makers)
        self.parts = [make() for make in self._makers]
        self.deaths = 0

    def look_after(self) -> None:
        """Replace those that have ended."""
        for index, part in enumerate(self.parts):
            if not part.alive():
                part.wait(0)
                self.deaths += 1
                self.parts[index] = self._makers[index]()

    def kill(self, part: Part) -> None:
        """End one without warning, and start the next in its place."""
        part.kill()
        self.look_after()

    def end(self) -> None:
        """End all of them."""
        for part in self.parts:
            part.kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()


class Repeated:
    """A fault that comes so many times, with pauses, for `Arena.finish` to call at every tick."""

    def __init__(self, fault: Callable[[int], object], times: int, pause: Callable[[], float]) -> None:
        self.done = 0
        """How often it came; `fault` is given that number."""
        self.last = time.monotonic()
        self._fault, self._times, self._pause = fault, times, pause

    def __call__(self) -> None:
        if self.done < self._times and time.monotonic() - self.last > self._pause():
            self._fault(self.done)
            self.done, self.last = self.done + 1, time.monotonic()


class Arena:
    """An installation with its sources planned."""

    def __init__(
        self, place: Place, seed: int, source_url: str, dest_url: str, *, mixed: bool, seconds: float
    ) -> None:
        self.place = place
        self.seed = seed
        self.random = random.Random(seed)
        self.expected: dict[str, frozenset[str]] = {}
        self.named_by = "key"
        """What `expected` goes by: see `checker.check`."""
        self.engine: Engine = db_session.make_engine(place.database_url)
        self.sessions: sessionmaker[Session] = db_session.session_factory(self.engine)
        self.source: ObjectStore = open_store(source_url, _settings(place))
        self.dest: ObjectStore = open_store(dest_url, _settings(place))
        self.requeued = 0
        self._asking: psycopg.Connection[tuple[Any, ...]] | None = None
        self._mixed = mixed
        self._seconds = seconds

    def add(self, sources: Iterable[tuple[str, frozenset[str]]]) -> None:
        """Put so many more sources there, each with what it does and how it may end."""
        for number, (asked, ends) in enumerate(sources, len(self.expected)):
            does, content = asked, number
            if self._mixed:
                does = {3: "refuse", 7: "flaky"}.get(number % 10, "convert")
                content = number - 1 if number % 10 in {5, 9} else number
            key = f"{number % 7}/m{number}.h5"
            self.source.put_bytes(key, source(content, does, self._seconds))
            self.expected[key] = frozenset({"failed"}) if does == "refuse" else ends

    def more(self, number: int) -> None:
        """So many more sources, planned: where there was too little to do for all of a fault to come."""
        self.add([("convert", _SUCCESS)] * number)
        self.plan()

    def plan(self) -> None:
        """List the source as the fleet does, through whatever stands before it by now."""
        source = open_store(self.source.url, _settings(self.place))
        with self.sessions.begin() as session:
            batch_id = inventory.create_batch(
                session,
                source_url=self.source.url,
                dest_url=self.dest.url,
                converter_version=keras2torch.__version__,
                options={},
            )
        for _ in plan(self.sessions, source, batch_id):
            continue

    def about(self, seconds: float) -> Callable[[], float]:
        """Pauses of half as long to half as long again, by this run's chance."""
        return lambda: self.random.uniform(0.5, 1.5) * seconds

    def query(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Rows; raises while the database is away."""
        if self._asking is None or self._asking.closed:
            # Without a COMMIT, which a proxy of the harness might cut off.
            self._asking = psycopg.connect(self.place.database_url, connect_timeout=2, autocommit=True)
        return self._asking.execute(statement.encode(), values).fetchall()

    def number(self, statement: str, *values: object) -> int:
        """The one number of a query; -1 while the database is away."""
        try:
            return int(self.query(statement, *values)[0][0])
        except psycopg.OperationalError:
            return -1

    def unfinished(self) -> int:
        """How many jobs are in no terminal state."""
        return self.number("SELECT count(*) FROM job WHERE state IN ('queued', 'running', 'held')")

    def free_the_innocent(self) -> None:
        """Try quarantined jobs again: the harness killed their processes, not they."""
        with self.sessions.begin() as session:
            ids = [
                row[0]
                for row in self.query(
                    "SELECT id FROM job WHERE state = 'quarantined' AND (SELECT count(*) FROM attempt WHERE"
                    " job_id = job.id AND outcome = 'lost') >= 3"
                )
            ]
            self.requeued += len(control.requeue(session, ids)) if ids else 0

    def close(self) -> None:
        """Let go of the database."""
        self.engine.dispose()
        if self._asking is not None:
            self._asking.close()

    def finish(self, crew: Sequence[Crew], seconds: float, tick: Callable[[], None] = lambda: None) -> float:
        """Look after the processes until no job is left to do, or time is up; returns how long it took."""
        began = time.monotonic()
        looked = 0.0
        while time.monotonic() - began < seconds:
            for part in crew:
                part.look_after()
            tick()
            if time.monotonic() - looked > 0.2:
                looked = time.monotonic()
                if self.unfinished() == 0:
                    self.free_the_innocent()
                    if self.unfinished() == 0:
                        break
            time.sleep(_TICK)
        return time.monotonic() - began

    def finish_until(
        self,
        enough: Callable[[], bool],
        crew: Sequence[Crew],
        seconds: float,
        tick: Callable[[], None] = lambda: None,
        *,
        more: int = 10,
    ) -> None:
        """Finish, and again with so many more jobs as long as the fault has not come often enough."""
        began = time.monotonic()
        self.finish(crew, seconds, tick)
        while not enough() and time.monotonic() - began < seconds:
            self.more(more)
            self.finish(crew, seconds, tick)

    def row(self, fault: str, *, injected: int, unit: str, **figures: Any) -> Row:
        """Check and count what the run came to."""
        counts = checker.check(self.place.database_url, self.dest, self.expected, name=self.named_by)
        attempts = self.number("SELECT count(*) FROM attempt")
        return Row(
            fault=fault,
            jobs=len(self.expected),
            injected=injected,
            unit=unit,
            seed=self.seed,
            counts=counts,
            attempts=attempts,
            requeued=self.requeued,
            **figures,
        )


def _settings(place: Place) -> StoreSettings:
    return StoreSettings(s3_endpoint_url=place.s3_endpoint, s3_region="us-east-1")


@contextlib.contextmanager
def arena(
    folder: Path,
    place: Place,
    *,
    jobs: int,
    seed: int,
    buckets: tuple[str, str] | None = None,
    mixed: bool = False,
    seconds: float = 0.0,
    among: Mapping[str, tuple[int, str]] = MappingProxyType({}),
) -> Iterator[Arena]:
    """An installation in `folder` with this many jobs; `mixed`: refusals, flaky ones and copies among them.

    `among`: how many do something else (see `poison`), and how these end.
    """
    print(f"seed {seed}: {folder.name}, {jobs} jobs", flush=True)
    place = replace(
        place, scratch=folder / "scratch", log=folder / "processes.log", record=folder / "points.txt"
    )
    place.scratch.mkdir(parents=True)
    source_url, dest_url = buckets or (str(folder / "in"), str(folder / "out"))
    for path in (folder / "in", folder / "out"):
        path.mkdir()
    opened = Arena(place, seed, source_url, dest_url, mixed=mixed, seconds=seconds)
    others = [(does, frozenset({ends})) for does, (times, ends) in among.items() for _ in range(times)]
    sources = others + [("convert", _SUCCESS)] * (jobs - len(others))
    if others:
        # All through the run, so that what happens beside them is like the rest of it in all else.
        opened.random.shuffle(sources)
    opened.add(sources)
    opened.plan()
    try:
        yield opened
    finally:
        opened.close()


def workers(arena: Arena, number: int) -> Crew:
    """So many workers that nothing makes die but the harness."""
    return Crew([lambda: processes.worker(arena.place)] * number)


def schedulers(arena: Arena, number: int = 1) -> Crew:
    """The same for schedulers."""
    return Crew([lambda: processes.scheduler(arena.place)] * number)


def notes(arena: Arena, what: str) -> list[Note]:
    """What processes wrote down under this word."""
    return crash_points.noted(arena.place.record, what)


def noted(arena: Arena, what: str) -> list[str]:
    """The names of that."""
    return [note.name for note in notes(arena, what)]
