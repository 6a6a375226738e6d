"""What a job costs beside its conversion, and how many a fleet does: `python -m benchmarks.throughput [--page]`.

Real PostgreSQL (fsync on), Valkey, and as a store a folder, or S3 over HTTP (moto: one Python process, soon the
narrowest place). In the first table a stand-in takes the children's place and writes a small bundle, so that what
remains is the fleet's own work: from the claim's moment in the database to that of the end, less the stages `convert`
and `verify`, as each attempt records them. In the second, tiny models are converted and proven. `--page` writes both
tables into docs/performance.md. Ends with 1 if the goal is not kept.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import multiprocessing
import os
import platform
import statistics
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from multiprocessing.process import BaseProcess
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

import keras2torch
from benchmarks import processor
from benchmarks.pages import write_between
from db import session as db_session
from db.models import Attempt
from db.queries import inventory, reports
from db.states import AttemptOutcome, JobState
from scheduler.dispatch import Dispatcher
from scheduler.loop import Duty, Loop
from scheduler.plan import plan
from storage import StoreSettings, open_store
from tests import servers
from tests.faults.fake_child import FakeSandboxes, source
from tests.fleet import models
from workers.app import make_app, sender
from workers.settings import BrokerSettings, WorkerSettings

PAGE = Path(__file__).resolve().parents[1] / "docs" / "performance.md"
BEGIN, END = "<!-- measured by benchmarks.throughput -->", "<!-- end of throughput -->"
_GOAL_MS = 30
_CREWS = (1, 2, 4)
_CONVERTING = ("convert", "verify")
_WARM = 2
"""Jobs a slot that come first and are not counted: servers start, connections are made."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where everything is; plain values, to be sent to a process."""

    database_url: str
    broker_url: str
    source_url: str
    dest_url: str
    scratch: Path
    s3_endpoint: str | None


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One run."""

    seconds: float
    """From the first counted claim to the last end."""
    own_ms: Sequence[float]
    """Of each job: from claim to end, less conversion."""
    stages_ms: dict[str, float]
    """Medians; `rest` is what claim and end take of it."""
    processor_ms: float
    """Of the worker processes, without children, a job: work, and not waiting for a processor that others have."""

    @property
    def a_second(self) -> float:
        return len(self.own_ms) / self.seconds


def run(place: Place, *, processes: int, slots: int, jobs: int, real: bool) -> Measured:
    """Plan `jobs` sources and some to warm up with, let so many workers do them, and read what they recorded."""
    warm = _WARM * processes * slots
    store = open_store(place.source_url, _store_settings(place))
    for number in range(warm + jobs):
        key = f"m{number:05}.h5"
        if real:
            with tempfile.TemporaryDirectory() as folder:
                store.put_file(key, models.dense(Path(folder, key), seed=number))
        else:
            store.put_bytes(key, source(number))
    db_session.upgrade(place.database_url)
    engine = db_session.make_engine(place.database_url)
    sessions = db_session.session_factory(engine)
    _plan(sessions, place)
    context = multiprocessing.get_context("spawn")
    crew = [context.Process(target=_work, args=(place, slots, real)) for _ in range(processes)]
    for worker in crew:
        worker.start()
    dispatcher = Dispatcher(sessions, sender(make_app(_broker(place))), window=400, resend_after_seconds=60)
    loop = Loop([Duty("dispatch", 1.0, dispatcher.run_once)])
    thread = threading.Thread(target=loop.run, daemon=True)
    thread.start()
    try:
        spent = _wait(sessions, crew, behind=warm)
    finally:
        loop.stop()
        thread.join()
        for worker in crew:
            worker.terminate()
        for worker in crew:
            worker.join()
    measured = _read(sessions, behind=warm, processor_ms=1000 * spent / jobs)
    engine.dispose()
    return measured


def _plan(sessions: sessionmaker[Session], place: Place) -> None:
    store = open_store(place.source_url, _store_settings(place))
    dest = open_store(place.dest_url, _store_settings(place))
    with sessions.begin() as session:
        batch = inventory.create_batch(
            session,
            source_url=store.url,
            dest_url=dest.url,
            converter_version=keras2torch.__version__,
            options={},
        )
    for _ in plan(sessions, store, batch):
        continue


def _wait(sessions: sessionmaker[Session], crew: Sequence[BaseProcess], *, behind: int) -> float:
    """Until all is done; returns the seconds of processor time that the workers took for all jobs but the first."""
    before = 0.0
    done = 0
    while True:
        with sessions() as session:
            states = reports.count_states(session)
        if done < behind <= states[JobState.SUCCEEDED]:
            before = _processor(crew)
        done = states[JobState.SUCCEEDED]
        if done == sum(states.values()):
            return _processor(crew) - before
        if states[JobState.FAILED] or not all(worker.is_alive() for worker in crew):
            raise SystemExit("a job failed, or a worker ended")
        time.sleep(0.1)


def _processor(crew: Sequence[BaseProcess]) -> float:
    return sum(processor.seconds_of(worker.pid) for worker in crew if worker.pid is not None)


def _read(sessions: sessionmaker[Session], *, behind: int, processor_ms: float) -> Measured:
    """What the attempts say, but for those that ended first."""
    with sessions() as session:
        rows = session.execute(
            select(Attempt.started_at, Attempt.ended_at, Attempt.stage_seconds)
            .where(Attempt.outcome == AttemptOutcome.SUCCEEDED)
            .order_by(Attempt.ended_at)
            .offset(behind)
        ).all()
    own, stages = [], []
    for began, ended, seconds in rows:
        whole = (ended - began).total_seconds()
        own.append(1000 * (whole - sum(seconds.get(name, 0) for name in _CONVERTING)))
        stages.append({**seconds, "rest": whole - sum(seconds.values())})
    medians = {name: 1000 * statistics.median(each.get(name, 0.0) for each in stages) for name in stages[0]}
    spent = (max(row.ended_at for row in rows) - min(row.started_at for row in rows)).total_seconds()
    return Measured(seconds=spent, own_ms=own, stages_ms=medians, processor_ms=processor_ms)


def _work(place: Place, slots: int, real: bool) -> None:
    """A worker process: `workers.serve`, with the children replaced unless they are to be `real`."""
    import celery.platforms

    from workers import serve

    warnings.filterwarnings("ignore", category=celery.platforms.SecurityWarning)
    logging.basicConfig(level=logging.WARNING)
    if place.s3_endpoint is not None:
        os.environ.update(servers.S3.credentials)
    if not real:
        vars(serve)["Sandboxes"] = partial(FakeSandboxes, seconds=(0.0, 0.0))
    sessions = db_session.session_factory(db_session.make_engine(place.database_url))
    settings = WorkerSettings(slots=slots, scratch_dir=place.scratch, drain_seconds=0)
    opened = lru_cache(partial(open_store, settings=_store_settings(place)))
    sys.exit(serve.serve(make_app(_broker(place)), settings, sessions, opened))


def _store_settings(place: Place) -> StoreSettings:
    return StoreSettings(s3_endpoint_url=place.s3_endpoint, s3_region="us-east-1")


def _broker(place: Place) -> BrokerSettings:
    return BrokerSettings(url=place.broker_url, prefix="benchmark:")


@dataclass(frozen=True, kw_only=True)
class Stand:
    """The servers under all runs."""

    postgres: servers.Postgres
    valkey: servers.Valkey
    s3: servers.S3

    @contextlib.contextmanager
    def place(self, *, s3: bool) -> Iterator[Place]:
        """A new database, an empty broker, an empty store."""
        self.valkey.flush()
        with tempfile.TemporaryDirectory(prefix="throughput-") as name, self.postgres.database() as database:
            where = Path(name)
            folders = (str(where / "in"), str(where / "out"))
            with contextlib.ExitStack() as buckets:
                if s3:
                    source, dest = (buckets.enter_context(self.s3.bucket()) for _ in folders)
                    folders = (f"s3://{source}", f"s3://{dest}")
                yield Place(
                    database_url=database,
                    broker_url=self.valkey.url,
                    source_url=folders[0],
                    dest_url=folders[1],
                    scratch=where / "scratch",
                    s3_endpoint=self.s3.endpoint if s3 else None,
                )


@dataclass(frozen=True, kw_only=True)
class Row:
    """A run and what it was of."""

    store: str
    crew: int
    real: bool
    found: Measured

    @property
    def kept(self) -> bool:
        """Whether a job's own work stays below the goal, where there is one."""
        return self.real or self.store != "folder" or self.crew > 1 or self.own <= _GOAL_MS

    @property
    def own(self) -> float:
        return statistics.median(self.found.own_ms)


def measure(stand: Stand, *, bare: int, real: int) -> Iterator[Row]:
    """Every run."""
    for s3 in (False, True):
        for crew in _CREWS:
            with stand.place(s3=s3) as place:
                found = run(place, processes=crew, slots=1, jobs=bare, real=False)
            yield Row(store="S3" if s3 else "folder", crew=crew, real=False, found=found)
    for crew in _CREWS if real else ():
        with stand.place(s3=False) as place:
            found = run(place, processes=1, slots=crew, jobs=real, real=True)
        yield Row(store="folder", crew=crew, real=True, found=found)


def tables(rows: Sequence[Row]) -> str:
    """As Markdown."""
    lines = [
        "| store | workers | own work, ms | p95 | download | publish | claim, end | processor, ms | jobs a second |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for row in rows:
        if not row.real:
            stages = row.found.stages_ms
            p95 = statistics.quantiles(row.found.own_ms, n=20)[-1]
            lines.append(
                f"| {row.store} | {row.crew} | {row.own:.0f}{'' if row.kept else ' **(not kept)**'} | {p95:.0f}"
                f" | {stages['download']:.0f} | {stages['publish']:.0f} | {stages['rest']:.0f}"
                f" | {row.found.processor_ms:.0f} | {row.found.a_second:.1f} |"
            )
    lines += ["", "| tiny models at once | seconds each | jobs a minute |", "|--:|--:|--:|"]
    for row in rows:
        if row.real:
            each = sum(row.found.stages_ms.values()) / 1000
            lines.append(f"| {row.crew} | {each:.2f} | {60 * row.found.a_second:.1f} |")
    load = os.getloadavg()[1]
    where = f"{platform.machine()}, {os.cpu_count()} processors; load average at the end: {load:.0f}"
    lines += ["", f"Medians, a job; all on one machine ({where})."]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bare", type=int, default=200, help="jobs of a run without conversions")
    parser.add_argument("--real", type=int, default=40, help="jobs of a run with them; 0: no such runs")
    parser.add_argument("--page", action="store_true", help="write the tables into docs/performance.md")
    asked = parser.parse_args()
    os.environ.update(servers.S3.credentials)
    rows = []
    with servers.postgres(durable=True) as postgres, servers.valkey() as valkey, servers.s3() as s3:
        stand = Stand(postgres=postgres, valkey=valkey, s3=s3)
        for row in measure(stand, bare=asked.bare, real=asked.real):
            print(row.store, row.crew, "real" if row.real else "bare", f"{row.own:.1f} ms", file=sys.stderr)
            rows.append(row)
    shown = tables(rows)
    print(shown)
    if asked.page:
        write_between(PAGE, BEGIN, END, shown)
    return 0 if all(row.kept for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
