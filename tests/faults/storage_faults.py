"""Faults of the object store: busy, broken with the work done or not, silent, cut short."""

import time

from tests.faults import arena as arenas
from tests.faults.arena import Arena, Row
from tests.faults.http_proxy import SHARES, FaultyProxy


def lying_store(arena: Arena, store: FaultyProxy, *, seconds: float) -> Row:
    """T9: a third of all requests of all workers goes wrong, and the source is listed again, twice over."""
    began = time.monotonic()
    store.repeating = True
    arena.plan()
    store.repeating = False
    with arenas.workers(arena, 3) as crew, arenas.schedulers(arena) as schedulers:
        arena.finish([crew, schedulers], seconds)
    faults = sum(store.faults.values())
    return arena.row(
        f"T9 {sum(SHARES.values()):.0%} of S3 requests busy, broken, silent, short, flipped or in conflict",
        injected=faults,
        unit="answers",
        io_faults=faults,
        wall_s=time.monotonic() - began,
        notes={"kinds": dict(store.faults), "requests": store.requests, "died": crew.deaths},
    )
