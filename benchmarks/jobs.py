"""What a million jobs cost in the database: `python -m benchmarks.jobs [--jobs 1000000] [--database-url URL] [--page]`.

Without a URL a PostgreSQL of its own is started (from a wheel, fsync off, as in the tests). Every figure is of the
very functions that the fleet runs, called in its transactions: a plan of 2,500 objects a commit, one page of
`fleet jobs`, `fleet retry`. `--page` writes the table into docs/performance.md. Ends with 1 if a limit is not kept.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Engine, func, select, text, update
from sqlalchemy.orm import Session, sessionmaker

from benchmarks import processor
from benchmarks.pages import write_between
from db import session as db_session
from db.clock import now
from db.models import Job
from db.queries import bulk, dispatch, inventory, jobs, queue, reports
from db.queries.audit import Actor
from db.search import parse
from db.states import JobState
from scheduler import discover

PAGE = Path(__file__).resolve().parents[1] / "docs" / "performance.md"
BEGIN, END = "<!-- measured by benchmarks.jobs -->", "<!-- end of jobs -->"
_PAGES = 200
_PAGE_ROWS = 50
_T = TypeVar("_T")
_ACTOR = Actor("benchmark@here", "command")


@dataclass(frozen=True)
class Listed:
    """What a store says of one object."""

    key: str
    size: int
    etag: str
    version_id: str | None = None
    last_modified: datetime | None = datetime(2026, 1, 2, tzinfo=UTC)


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    what: str
    figure: str
    limit: str
    kept: bool
    took_s: float = 0.0
    most_s: float = 0.0
    """The time that has a limit, and the limit; 0: it has none."""
    busy_s: float = 0.0
    """How much of that was processor time, of both sides; 0: not measured."""


def measure(engine: Engine, count: int) -> Iterator[Row]:
    """Every row, in an empty database with the schema."""
    sessions = db_session.session_factory(engine)
    scale = count / 1_000_000

    backend = _backend(engine)
    begin = _processor(backend)
    first, seconds = _timed(lambda: _plan(sessions, count))
    busy = _processor(backend) - begin
    yield Row(
        f"insert {count:,} jobs",
        _seconds(seconds, count) + _busy(busy, backend),
        f"{60 * scale:g} s",
        seconds <= 60 * scale,
        took_s=seconds,
        most_s=60 * scale,
        busy_s=busy,
    )

    begin = _processor(backend)
    again, seconds = _timed(lambda: _plan(sessions, count))
    busy = _processor(backend) - begin
    kept = seconds <= 30 * scale and again == 0 and first == count
    yield Row(
        "submit all of them again",
        f"{_seconds(seconds, count)}{_busy(busy, backend)}, {again} new",
        f"{30 * scale:g} s, 0 new",
        kept,
        took_s=seconds,
        most_s=30 * scale,
        busy_s=busy,
    )

    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))
    _spread(sessions)
    for name, words in (
        ("a page of 50, anywhere", ""),
        ("a page of 50 of one state", "state:failed"),
        ("a page of 50 of state, error and name", "state:failed error:unsupported key:resnet"),
    ):
        median, p95 = _pages(sessions, words, count)
        yield Row(
            name,
            f"median {median:.1f} ms, p95 {p95:.1f} ms",
            "p95 100 ms",
            p95 <= 100,
            took_s=p95 / 1000,
            most_s=0.1,
        )

    _, seconds = _timed(lambda: _counted(sessions))
    yield Row("count of jobs by state", f"{seconds * 1000:.0f} ms", "", True)

    tenth = parse(f"state:failed -job:{count + 1}")
    act = bulk.retry(tenth, "state:failed")
    with sessions() as session:
        wanted, seconds = _timed(lambda: act.count(session))
    yield Row(f"dry run of that retry: {wanted:,} jobs", f"{seconds * 1000:.0f} ms", "", True)
    done, seconds = _timed(lambda: list(act.run(sessions, _ACTOR))[-1])
    yield Row(
        f"retry {done.changed:,} failed jobs",
        _seconds(seconds, done.changed),
        "exactly as counted",
        done.changed == wanted,
    )

    due, seconds = _timed(lambda: _due(sessions))
    yield Row("next 100 to ring for", f"{seconds * 1000:.1f} ms", "", True)
    _, seconds = _timed(lambda: _claim(sessions, due))
    yield Row("claim, one after the other", f"{seconds / len(due) * 1000:.2f} ms each", "", True)


def _plan(sessions: sessionmaker[Session], count: int) -> int:
    """Plan objects numbered from 0, as the scheduler does; returns how many jobs were new."""
    new = 0
    with sessions.begin() as session:
        batch = inventory.create_batch(
            session, source_url="s3://zoo", dest_url="s3://bundles", converter_version="1", options={}
        )
    for start in range(0, count, discover.PAGE):
        found = [
            Listed(
                f"{('resnet', 'vgg', 'lstm', 'unet')[number // 10 % 4]}/{number:08d}.h5",
                1000 + number,
                f"{number:032x}",
            )
            for number in range(start, min(start + discover.PAGE, count))
        ]
        with sessions.begin() as session:
            new += inventory.plan(session, batch, found).new
    with sessions.begin() as session:
        inventory.end_planning(session, batch)
    return new


def _spread(sessions: sessionmaker[Session]) -> None:
    """Three of ten jobs done, one of ten failed, one of a hundred cancelled, so that filters have something to find."""
    ended = {"finished_at": now(), "fence": 1}
    with sessions.begin() as session:
        for share, values in (
            (Job.id % 10 < 3, {"state": JobState.SUCCEEDED, "content_key": func.concat("k", Job.id)}),
            (
                Job.id % 10 == 4,
                {"state": JobState.FAILED, "error_kind": "unsupported-model", "error_fingerprint": "f"},
            ),
            (Job.id % 100 == 5, {"state": JobState.CANCELLED}),
        ):
            session.execute(
                update(Job)
                .where(share)
                .values(**values, **ended)
                .execution_options(synchronize_session=False)
            )


def _pages(sessions: sessionmaker[Session], words: str, count: int) -> tuple[float, float]:
    """Median and 95th percentile of the milliseconds that a page takes, beginning behind random jobs."""
    choose = random.Random(0)
    took = []
    with sessions() as session:
        for _ in range(_PAGES):
            after = choose.randrange(count)
            _, seconds = _timed(lambda: jobs.list_jobs(session, parse(words), after=after, limit=_PAGE_ROWS))  # noqa: B023
            took.append(seconds * 1000)
    return statistics.median(took), statistics.quantiles(took, n=20)[-1]


def _counted(sessions: sessionmaker[Session]) -> int:
    with sessions() as session:
        return sum(reports.count_states(session).values())


def _due(sessions: sessionmaker[Session]) -> list[int]:
    with sessions() as session:
        return [due.job_id for due in dispatch.due_for_dispatch(session, 100, 60)]


def _claim(sessions: sessionmaker[Session], job_ids: list[int]) -> None:
    for job_id in job_ids:
        with sessions.begin() as session:
            assert queue.claim(session, job_id, "w", 90) is not None


def _timed(do: Callable[[], _T]) -> tuple[_T, float]:
    begin = time.perf_counter()
    result = do()
    return result, time.perf_counter() - begin


def _backend(engine: Engine) -> int | None:
    """The server's process that works for us; None if it is not on this machine."""
    with engine.connect() as connection:
        pid = connection.scalar(text("SELECT pg_backend_pid()"))
    found = Path(f"/proc/{pid}/stat")
    ours = found.exists() and "(postgres)" in found.read_text()
    return pid if ours else None


def _processor(backend: int | None) -> float:
    """Seconds of processor time so far, of this process and of the server's."""
    own = time.process_time()
    if backend is None:
        return own
    return own + processor.seconds_of(backend)


def _busy(seconds: float, backend: int | None) -> str:
    """What of a measured time was work, and not waiting for a processor that others have."""
    return f", {seconds:.1f} s of processor time" if backend else ""


def _seconds(seconds: float, count: int) -> str:
    return f"{seconds:.1f} s ({count / seconds:,.0f} a second)"


def table(rows: list[Row], engine: Engine) -> str:
    """As Markdown."""
    with engine.connect() as connection:
        version = connection.scalar(text("SHOW server_version"))
        size = connection.scalar(text("SELECT pg_size_pretty(pg_database_size(current_database()))"))
        total = connection.scalar(select(func.count()).select_from(Job))
    lines = ["| what | measured | at most |", "|---|---|---|"]
    lines += [
        f"| {row.what} | {row.figure}{'' if row.kept else ' **(not kept)**'} | {row.limit} |" for row in rows
    ]
    load = os.getloadavg()[1]
    where = (
        f"PostgreSQL {version} and the measuring process on one machine ({platform.machine()}, {os.cpu_count()}"
        f" processors; load average at the end: {load:.0f}); {total:,} jobs are {size}."
    )
    return "\n".join([*lines, "", where])


@contextlib.contextmanager
def _database(url: str | None) -> Iterator[str]:
    if url is not None:
        yield url
        return
    from tests import servers

    with servers.postgres() as server, server.database() as own:
        yield own


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--jobs", type=int, default=1_000_000)
    parser.add_argument("--database-url", help="an empty PostgreSQL database; default: one of its own")
    parser.add_argument("--page", action="store_true", help="write the table into docs/performance.md")
    asked = parser.parse_args()
    with _database(asked.database_url) as url:
        db_session.upgrade(url)
        engine = db_session.make_engine(url)
        rows = []
        for row in measure(engine, asked.jobs):
            print(f"{row.what:<40} {row.figure:<40} {row.limit}", file=sys.stderr, flush=True)
            rows.append(row)
        shown = table(rows, engine)
        engine.dispose()
    print(shown)
    if asked.page:
        write_between(PAGE, BEGIN, END, shown)
    return 0 if all(row.kept for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
