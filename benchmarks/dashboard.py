"""How fast the dashboard answers over a million jobs: `python -m benchmarks.dashboard [--jobs 1000000] [--page]`.

A PostgreSQL of its own (from a wheel, fsync off, as in the tests) is filled with jobs, five events each; `bin/fleet
dashboard` serves it, and everything is asked for once, as by the first reader after a start. Then readers with an API
token ask for pages and lists in random order, each a pause behind its last answer. Then tabs listen to the stream while
jobs change. All on one machine: what the readers cost is in the figures. `--page` writes the tables into
docs/performance.md. Ends with 1 if a limit is not kept.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import os
import platform
import random
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from fastapi.routing import iter_route_contexts
from sqlalchemy import Engine, text

from benchmarks import processor
from benchmarks.million import fill
from benchmarks.pages import write_between
from dashboard.app import create_app
from dashboard.security import secrets
from dashboard.services import Services
from db import session as db_session
from db.queries import accounts, api_tokens
from db.roles import Role
from storage import open_store
from tests import servers

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- measured by benchmarks.dashboard -->", "<!-- end of dashboard -->"
_LIMIT_MS = 100.0
_STREAM = "/live"
_NO_LISTS = ("/login", "/welcome", "/healthz", _STREAM)
"""What shows nothing of the million, or never ends."""
_NO_FILES = (
    "openapi.json",
    "compare",
    "/act",
    "/schedules/{",
    "/operations/{",
    "/files/{",
    "export",
    ".zip",
    ".csv",
    "log",
    "model.py",
    "manifest",
    "weights",
    "artifacts",
)
"""What reads a store, is a download of everything by its nature, or there is none of in what was filled in."""
_QUERIES = {
    "/jobs": ("?q=state:failed", "?q=state:failed+error:unsupported+key:resnet", "?q=layer:SpectralGate"),
    "/api/v1/jobs": ("?q=state:failed", "?q=state:failed+error:unsupported+key:resnet"),
}
"""Further forms in which lists are asked for."""


@dataclass
class Timings:
    """Milliseconds of answers, by path as the application declares it."""

    by_path: dict[str, list[float]] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)

    @property
    def all(self) -> list[float]:
        return [each for took in self.by_path.values() for each in took]

    def add(self, path: str, milliseconds: float, status: int) -> None:
        if status == http.client.OK:
            self.by_path.setdefault(path, []).append(milliseconds)
        else:
            self.refused[f"{path}: {status}"] = self.refused.get(f"{path}: {status}", 0) + 1


def paths(engine: Engine) -> list[str]:
    """Everything that may be read, by the application's own routes."""
    sessions = db_session.session_factory(engine)
    app = create_app(Services(reads=sessions, writes=sessions, open_store=open_store, version="0"))
    found = []
    for route in iter_route_contexts(app.routes):
        path = str(route.path)
        if (
            "GET" in (route.methods or ())
            and path not in _NO_LISTS
            and not any(word in path for word in _NO_FILES)
        ):
            found += [path, *(path + query for query in _QUERIES.get(path, ()))]
    return found


def read(
    port: int, token: str, known: list[str], jobs: int, asked: argparse.Namespace, into: Timings
) -> None:
    """One reader, until the time is over."""
    choose = random.Random()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    until = time.monotonic() + asked.seconds
    while time.monotonic() < until:
        _ask(connection, token, choose.choice(known), choose.randrange(1, jobs), into)
        time.sleep(choose.uniform(0.5, 1.5) * asked.pause)
    connection.close()


def read_first(port: int, token: str, known: list[str], jobs: int) -> Timings:
    """The first reader after a start, who asks for everything once."""
    connection, first = http.client.HTTPConnection("127.0.0.1", port, timeout=60), Timings()
    for path in known:
        _ask(connection, token, path, jobs, first)
    connection.close()
    return first


def _ask(connection: http.client.HTTPConnection, token: str, path: str, job: int, into: Timings) -> None:
    begin = time.perf_counter()
    headers = {"Authorization": f"Bearer {token}", "Accept": "text/html"}
    connection.request("GET", _filled(path, job), headers=headers)
    answer = connection.getresponse()
    answer.read()
    into.add(path, (time.perf_counter() - begin) * 1000, answer.status)


def _filled(path: str, job: int) -> str:
    """The address of something that is there."""
    is_batch = "batches" in path
    for name, value in (
        ("{batch_id}", 1 + job % 20),
        ("{batch}", 1 + job % 20),
        ("{job_id}", job),
        ("{job}", job),
        ("{number}", 1 + job % 20 if is_batch else job),
        ("{fence}", 1),
        ("{name}", "Dense"),
    ):
        path = path.replace(name, str(value))
    return path


def listen(port: int, token: str, closed: threading.Event, heard: list[int]) -> None:
    """One tab: follow the stream, counting what comes."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", _STREAM, headers={"Authorization": f"Bearer {token}"})
    answer = connection.getresponse()
    count = 0
    while not closed.is_set() and (line := answer.readline()):
        count += line.startswith(b"data:")
    heard.append(count)
    connection.close()


def change(engine: Engine, closed: threading.Event, jobs: int) -> None:
    """Twenty events a second, as twenty busy workers write them."""
    choose = random.Random()
    statement = text("INSERT INTO event (job_id, at, type, data) VALUES (:job, now(), 'stage', '{}')")
    while not closed.wait(0.05):
        with engine.begin() as connection:
            connection.execute(statement, {"job": choose.randrange(1, jobs)})


@contextlib.contextmanager
def served(url: str, log: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """`bin/fleet dashboard` over that database: its process and port."""
    port = servers.free_port()
    environment = {**os.environ, "FLEET_DATABASE_URL": url}
    with log.open("wb") as out:
        process = subprocess.Popen(
            [ROOT / "bin" / "fleet", "dashboard", "--port", str(port)], env=environment, stderr=out
        )
    try:
        _wait(port)
        yield process, port
    finally:
        process.terminate()
        process.wait(30)


def _wait(port: int) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/healthz")
            connection.getresponse()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return


def _in_threads(count: int, do: object, *arguments: object) -> list[threading.Thread]:
    threads = [threading.Thread(target=do, args=arguments, daemon=True) for _ in range(count)]  # type: ignore[arg-type]
    for thread in threads:
        thread.start()
    return threads


def table(timings: Timings) -> list[str]:
    """As Markdown, the slowest first."""
    lines = ["| page or list | answers | median | p95 |", "|---|--:|--:|--:|"]
    rows = [
        (
            statistics.quantiles(took, n=20)[-1] if len(took) > 1 else took[0],
            statistics.median(took),
            len(took),
            path,
        )
        for path, took in timings.by_path.items()
    ]
    for p95, median, count, path in sorted(rows, reverse=True):
        missed = "" if p95 <= _LIMIT_MS else " **(not kept)**"
        lines.append(f"| `{path}` | {count} | {median:.0f} ms | {p95:.0f} ms{missed} |")
    return lines


def worst(timings: Timings) -> float:
    """The largest 95th percentile."""
    return max(statistics.quantiles(took, n=20)[-1] for took in timings.by_path.values() if len(took) > 1)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--jobs", type=int, default=1_000_000)
    parser.add_argument("--readers", type=int, default=10)
    parser.add_argument(
        "--pause", type=float, default=1.0, help="seconds behind an answer, more or less (default: 1)"
    )
    parser.add_argument("--seconds", type=float, default=180.0, help="how long they read (default: 180)")
    parser.add_argument("--tabs", type=int, default=100)
    parser.add_argument("--page", action="store_true", help="write the tables into docs/performance.md")
    asked = parser.parse_args()
    timings, token = Timings(), secrets.new_token()
    log = ROOT / "build" / "benchmarks" / "dashboard.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with servers.postgres() as server, server.database() as url:
        db_session.upgrade(url)
        engine = db_session.make_engine(url)
        begin = time.monotonic()
        fill(engine, asked.jobs)
        print(f"filled in {time.monotonic() - begin:.0f} s", file=sys.stderr, flush=True)
        with db_session.session_factory(engine).begin() as session:
            accounts.add(session, "reader", Role.ADMIN, None)
            digest, start = secrets.digest(token), secrets.start_of(token)
            api_tokens.create(session, "reader", "", Role.ADMIN, start=start, digest=digest, days=None)
        with served(url, log) as (process, port):
            known = paths(engine)
            first = read_first(port, token, known, asked.jobs)
            begun, used = time.monotonic(), processor.seconds_of(process.pid)
            for thread in _in_threads(asked.readers, read, port, token, known, asked.jobs, asked, timings):
                thread.join()
            busy = (processor.seconds_of(process.pid) - used) / (time.monotonic() - begun)
            closed, heard = threading.Event(), list[int]()
            tabs = _in_threads(asked.tabs, listen, port, token, closed, heard)
            _in_threads(1, change, engine, closed, asked.jobs)
            time.sleep(5)
            before, begin = processor.seconds_of(process.pid), time.monotonic()
            time.sleep(30)
            cores = (processor.seconds_of(process.pid) - before) / (time.monotonic() - begin)
            closed.set()
            for thread in tabs:
                thread.join(30)
        engine.dispose()
    about = (
        f"{asked.jobs:,} jobs, {5 * asked.jobs:,} events; {asked.readers} readers, each about {asked.pause:g} s behind"
        f" its last answer, for {asked.seconds:g} s. Limit: p95 of {_LIMIT_MS:g} ms."
    )
    slowest, took = max(((path, each[0]) for path, each in first.by_path.items()), key=lambda each: each[1])
    once = (
        f"All of them together: median {statistics.median(timings.all):.0f} ms, p95"
        f" {statistics.quantiles(timings.all, n=20)[-1]:.0f} ms, {busy:.2f} of a core for the dashboard. The first"
        f" reader after its start: median {statistics.median(first.all):.0f} ms, at most {took:.0f} ms (`{slowest}`)."
    )
    streams = (
        f"{asked.tabs} tabs on the stream while 20 events a second are written: {cores:.2f} of a core, and"
        f" {statistics.median(heard or [0]):g} messages a tab in 35 s."
    )
    where = (
        f"One machine for database, dashboard and readers ({platform.machine()}, {os.cpu_count()} processors; load"
        f" average at the end: {os.getloadavg()[1]:.0f})."
    )
    shown = "\n".join([about, "", *table(timings), "", once, "", streams, "", where])
    print(shown)
    for refused, count in timings.refused.items():
        print(f"refused: {refused} ({count})", file=sys.stderr)
    if asked.page:
        write_between(PAGE, BEGIN, END, shown)
    return 0 if worst(timings) <= _LIMIT_MS and cores < 1 and not timings.refused else 1


if __name__ == "__main__":
    sys.exit(main())
