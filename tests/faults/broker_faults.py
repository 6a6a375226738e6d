"""Faults of the broker: messages lost, doubled and out of order; all of them forgotten; the server killed."""

import time

from tests import servers
from tests.faults import arena as arenas
from tests.faults import processes
from tests.faults.arena import Arena, Crew, Repeated, Row, noted


def lossy(arena: Arena, *, share: float, seconds: float) -> Row:
    """T3: `share` of all messages get lost, as many come twice, in any order."""
    began = time.monotonic()
    with (
        arenas.workers(arena, 2) as crew,
        Crew([lambda: processes.scheduler(arena.place, lossy=share)]) as one,
    ):
        arena.finish([crew, one], seconds)
    faults = len(noted(arena, "message"))
    return arena.row(
        f"T3 {share:.0%} of messages lost, {share:.0%} doubled, reordered",
        injected=faults,
        unit="messages",
        io_faults=faults,
        wall_s=time.monotonic() - began,
    )


def forgetful(arena: Arena, broker: servers.Valkey, *, times: int, every: float, seconds: float) -> Row:
    """T4: the broker is flushed and killed in turn, `times` each, and keeps nothing."""
    began = time.monotonic()

    def wipe(number: int) -> None:
        if number % 2:
            broker.kill()
            broker.start()
        else:
            broker.flush()

    with arenas.workers(arena, 2) as crew, arenas.schedulers(arena) as schedulers:
        fault = Repeated(wipe, 2 * times, lambda: every)
        arena.finish([crew, schedulers], seconds, fault)
        ended = time.monotonic()
    return arena.row(
        "T4 broker flushed and killed",
        injected=fault.done,
        unit="wipes",
        recovery_s=ended - fault.last,
        wall_s=ended - began,
        notes={"died": crew.deaths},
    )
