"""Faults of what runs beneath a worker: its disk and memory, children that die, never end, or never stop talking."""

import statistics
import time

from tests.faults import arena as arenas
from tests.faults.arena import Arena, Row, noted

_DISK_KINDS = ("local-disk", "disk-full", "cannot-write")
_DEATHS = 3
#: Seconds of jobs that nothing was wrong with, from claim to commit, and whether on the same worker a child was at work
#: as they began that died of its want of memory. As they began: long jobs meet more.
_COMPANY = """
    SELECT extract(epoch FROM ended_at - started_at)::float, EXISTS (
        SELECT FROM attempt AS doomed WHERE doomed.outcome = 'crashed' AND doomed.worker_id = attempt.worker_id
        AND attempt.started_at BETWEEN doomed.started_at AND doomed.ended_at)
    FROM attempt WHERE outcome = 'succeeded'
"""
#: So many of each kind make a median.
_ENOUGH = 20
_MOST_SLOWER = 1.5


def full_disk(arena: Arena, *, seconds: float) -> Row:
    """T11: the scratch disk of every worker is full from time to time."""
    began = time.monotonic()
    with arenas.workers(arena, 2) as crew, arenas.schedulers(arena) as schedulers:
        arena.finish([crew, schedulers], seconds)
        deaths = crew.deaths + schedulers.deaths
        for part in crew.parts:
            part.drain(10)
    tried_again = arena.number(
        "SELECT count(*) FROM attempt WHERE outcome = 'retry' AND error_kind = ANY(%s)", [*_DISK_KINDS]
    )
    flaky = sum(1 for number in range(len(arena.expected)) if number % 10 == 7)
    row = arena.row(
        "T11 scratch disk full",
        injected=max(0, tried_again - flaky),
        unit="failed writes",
        io_faults=max(0, tried_again - flaky),
        wall_s=time.monotonic() - began,
        notes={"disk": set(noted(arena, "disk"))},
    )
    row.promise(deaths == 0, "a process ended")
    row.promise(not noted(arena, "left"), f"left on the disk: {noted(arena, 'left')[:3]}")
    return row


def out_of_memory(arena: Arena, *, seconds: float) -> Row:
    """T12: some children want more memory than they may have, and some are killed as the kernel kills for it."""
    began = time.monotonic()
    with arenas.workers(arena, 2) as crew, arenas.schedulers(arena) as schedulers:
        arena.finish([crew, schedulers], seconds)
    deaths = arena.query(
        "SELECT count(*), count(*) FILTER (WHERE signal = 9), count(*) FILTER (WHERE error_kind = 'out-of-memory'),"
        " count(max_rss_bytes) FROM attempt WHERE outcome = 'crashed'"
    )[0]
    took: dict[bool, list[float]] = {True: [], False: []}
    for its_seconds, beside in arena.query(_COMPANY):
        took[beside].append(its_seconds)
    enough = min(map(len, took.values())) >= _ENOUGH
    slower = statistics.median(took[True]) / statistics.median(took[False]) if enough else None
    row = arena.row(
        "T12 children out of memory, by their own limit and by SIGKILL",
        injected=deaths[0],
        unit="deaths" + (f"; jobs beside them took {slower:.2f} times as long as others" if slower else ""),
        kills=deaths[0],
        wall_s=time.monotonic() - began,
        notes={"signal 9": deaths[1], "out of memory": deaths[2]},
    )
    doomed = sum(states == {"quarantined"} for states in arena.expected.values()) // 2
    row.promise(deaths[1] == _DEATHS * doomed, f"{deaths[1]} attempts killed by signal 9")
    # Once beside others, once with all the memory there is.
    row.promise(deaths[2] == 2 * doomed, f"{deaths[2]} attempts out of memory")
    row.promise(deaths[3] == deaths[0], "an attempt without its peak of memory")
    row.promise(
        slower is None or slower <= _MOST_SLOWER, f"jobs beside them took {slower} times as long as others"
    )
    _promise_company(arena, row, crew.deaths + schedulers.deaths)
    return row


def poison(arena: Arena, *, seconds: float) -> Row:
    """T13: children that crash, leave, never end, fork, or never end to write a log."""
    began = time.monotonic()
    with arenas.workers(arena, 2) as crew, arenas.schedulers(arena) as schedulers:
        arena.finish([crew, schedulers], seconds)
    ended = arena.query("SELECT count(*) FROM attempt WHERE outcome IN ('crashed', 'failed')")[0][0]
    row = arena.row(
        "T13 children that crash, leave, never end, fork, flood the log",
        injected=ended,
        unit="deaths",
        kills=ended,
        wall_s=time.monotonic() - began,
    )
    _promise_company(arena, row, crew.deaths + schedulers.deaths)
    return row


def _promise_company(arena: Arena, row: Row, deaths: int) -> None:
    """That nobody else suffers from such a child."""
    row.promise(deaths == 0, "a process of the fleet ended")
    most = arena.number("SELECT coalesce(max(fence), 0) FROM job WHERE state <> 'succeeded'")
    row.promise(most <= _DEATHS, f"{most} attempts at one job")
    again = arena.number("SELECT count(*) FROM job WHERE state = 'succeeded' AND fence > 1")
    row.promise(again == 0, f"{again} innocent jobs were done twice")
