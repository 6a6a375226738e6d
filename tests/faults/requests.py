"""Requests of people in the middle of it all."""

import time

from db.queries import control
from tests.faults import arena as arenas
from tests.faults.arena import Arena, Row


def cancel_storm(arena: Arena, *, share: float, seconds: float) -> Row:
    """T18: this share of all jobs is asked to be cancelled, each at some moment of the run."""
    ids = [row[0] for row in arena.query("SELECT id FROM job ORDER BY id")]
    doomed = arena.random.sample(ids, int(share * len(ids)))
    for key in arena.expected:
        arena.expected[key] |= {"cancelled"}
    total = len(doomed)
    began = last = time.monotonic()
    with arenas.workers(arena, 2) as crew, arenas.schedulers(arena) as schedulers:

        def tick() -> None:
            nonlocal last
            if doomed:
                some = [doomed.pop() for _ in range(min(len(doomed), arena.random.randint(1, 5)))]
                with arena.sessions.begin() as session:
                    control.cancel(session, some)
                last = time.monotonic()

        arena.finish([crew, schedulers], seconds, tick)
        ended = time.monotonic()
    both = arena.number(
        "SELECT count(*) FROM job WHERE state = 'cancelled' AND EXISTS (SELECT FROM attempt"
        " WHERE job_id = job.id AND outcome IN ('succeeded', 'reused'))"
    )
    row = arena.row(
        "T18 cancel storm",
        injected=total - len(doomed),
        unit="cancels",
        recovery_s=ended - last,
        wall_s=ended - began,
    )
    row.promise(both == 0, f"{both} jobs are cancelled and have a result")
    return row
