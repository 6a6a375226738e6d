"""Faults of the database: the server killed, and commits whose answer never comes."""

import time
from dataclasses import replace

from tests import servers
from tests.faults import arena as arenas
from tests.faults.arena import Arena, Repeated, Row, noted
from tests.faults.tcp_proxy import Proxy


def restarts(arena: Arena, server: servers.Postgres, *, times: int, every: float, seconds: float) -> Row:
    """T7: the server is killed again and again, and away for up to two seconds each time; once for three leases."""
    began = time.monotonic()
    # Not where there is only one, which a quick run has.
    long = times // 2 or times

    def restart(number: int) -> None:
        server.kill()
        time.sleep(3 * arena.place.haste.lease if number == long else arena.random.uniform(0, 2))
        server.start()

    with arenas.workers(arena, 2) as crew, arenas.schedulers(arena) as schedulers:
        fault = Repeated(restart, times, arena.about(every))
        arena.finish([crew, schedulers], seconds, fault)
        ended = time.monotonic()
    row = arena.row(
        "T7 PostgreSQL killed and restarted",
        injected=fault.done,
        unit="restarts",
        recovery_s=ended - fault.last,
        wall_s=ended - began,
    )
    row.promise(crew.deaths + schedulers.deaths == 0, "a process ended")
    row.promise(fault.done <= long or len(noted(arena, "fenced")) > 0, "no worker fenced itself")
    counted = arena.number("SELECT count(*) FROM job WHERE lost_count > 0")
    row.promise(counted == 0, f"the outage counted against {counted} jobs")
    return row


def cut_commits(arena: Arena, proxy: Proxy, *, direct: str, seconds: float) -> Row:
    """T8: the proxy lets a share of all COMMITs through, and cuts their answers off; not those of who counts."""
    began = time.monotonic()
    with arenas.workers(arena, 2) as crew, arenas.schedulers(arena) as schedulers:
        arena.finish([crew, schedulers], seconds)
    arena.place = replace(arena.place, database_url=direct)
    row = arena.row(
        "T8 COMMIT sent, answer cut off",
        injected=proxy.faults,
        unit="cuts",
        io_faults=proxy.faults,
        wall_s=time.monotonic() - began,
    )
    row.promise(crew.deaths + schedulers.deaths == 0, "a process ended")
    return row
