"""What is not broken but driven: very many jobs at once, and whatever order of events a model of jobs can draw."""

import logging
import time
from pathlib import Path

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from benchmarks import jobs as benchmark
from db import session as db_session
from tests import servers
from tests.db import job_machine
from tests.db.job_machine import JobMachine
from tests.faults.arena import Row

_STEPS = 50
#: From so many jobs on, times count: those of fewer are times of one moment.
_TIMED_FROM = 10_000
#: Room for the noise of a machine that runs other faults beside: times the limit, by the clock and by processor time.
_CLOCK_ROOM = 5.0
_PROCESSOR_ROOM = 1.5


def many(postgres: servers.Postgres, *, jobs: int, seed: int) -> Row:
    """T20: so many jobs inserted, submitted again, listed and tried again, each within its limit."""
    began = time.monotonic()
    with postgres.database() as url:
        db_session.upgrade(url)
        engine = db_session.make_engine(url)
        try:
            measured = list(benchmark.measure(engine, jobs))
        finally:
            engine.dispose()
    row = Row(
        fault="T20 many jobs inserted, submitted again, listed, tried again",
        jobs=jobs,
        injected=0,
        unit=_times(measured),
        seed=seed,
        wall_s=time.monotonic() - began,
        notes={found.what: found.figure for found in measured},
    )
    for found in measured:
        row.promise(found.kept or found.most_s > 0, f"{found.what}: {found.figure}, not {found.limit}")
        row.promise("0 new" not in found.limit or ", 0 new" in found.figure, f"{found.what}: {found.figure}")
        if jobs >= _TIMED_FROM:
            quick = (
                found.took_s <= _CLOCK_ROOM * found.most_s and found.busy_s <= _PROCESSOR_ROOM * found.most_s
            )
            row.promise(quick or not found.most_s, f"{found.what}: {found.figure}, far over {found.limit}")
    return row


def _times(measured: list[benchmark.Row]) -> str:
    inserted, again, *pages = [found for found in measured if found.most_s]
    slowest = max(page.took_s for page in pages)
    return (
        f"faults; inserted in {inserted.took_s:.1f} s ({inserted.busy_s:.1f} s of processor time), again in"
        f" {again.took_s:.1f} s ({again.busy_s:.1f} s), a page in {1000 * slowest:.0f} ms (p95)"
    )


def drawn(folder: Path, *, examples: int, number: int) -> Row:
    """T21: so many histories of fifty steps, drawn by Hypothesis, on a clock of its own."""
    began = time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    asked = settings(
        max_examples=examples,
        stateful_step_count=_STEPS,
        deadline=None,
        database=None,
        suppress_health_check=[*HealthCheck],
        phases=[Phase.generate],
    )
    logging.getLogger("hypothesis").setLevel(logging.WARNING)
    failed: AssertionError | None = None
    with job_machine.database(f"sqlite:///{folder / 'jobs.db'}"):
        try:
            run_state_machine_as_test(seed(number)(JobMachine), settings=asked)
        except AssertionError as error:
            failed = error
    row = Row(
        fault=f"T21 {examples} drawn histories of jobs, on a clock of their own",
        jobs=JobMachine.jobs,
        injected=JobMachine.steps,
        unit="steps",
        seed=number,
        wall_s=time.monotonic() - began,
    )
    row.promise(failed is None, f"{failed}")
    return row
