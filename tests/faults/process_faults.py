"""Faults of processes: death at every named point and at random ones, standing still, draining, clocks of their own."""

import functools
import signal
import time
from dataclasses import replace

from tests.faults import arena as arenas
from tests.faults import clocks, processes
from tests.faults.arena import Arena, Crew, Repeated, Row, noted, notes
from tests.faults.crash_points import SCHEDULER_POINTS, WORKER_POINTS
from tests.faults.processes import Part


def crash_points(arena: Arena, *, points: int, times: int, seconds: float) -> Row:
    """T1: this many points (all, or a sample) kill `times` processes each, worker or scheduler, while others go on."""
    sample = set(arena.random.sample((*WORKER_POINTS, *SCHEDULER_POINTS), points))
    of_workers = [point for point in WORKER_POINTS if point in sample] * times
    of_schedulers = [point for point in SCHEDULER_POINTS if point in sample] * times
    arena.random.shuffle(of_workers)
    arena.random.shuffle(of_schedulers)

    def next_worker() -> Part:
        armed = of_workers.pop() if of_workers else None
        return processes.worker(arena.place, armed=armed, passing=arena.random.choice((1, 1, 2)))

    def next_scheduler() -> Part:
        return processes.scheduler(arena.place, armed=of_schedulers.pop() if of_schedulers else None)

    began = time.monotonic()
    with Crew([next_worker] * 5) as crew, Crew([next_scheduler]) as schedulers:
        arena.finish_until(lambda: sample <= set(noted(arena, "hit")), [crew, schedulers], seconds)
    hit = noted(arena, "hit")
    row = arena.row(
        "T1 death at every named point",
        injected=len(hit),
        unit="kills",
        kills=len(hit),
        wall_s=time.monotonic() - began,
        notes={"passed": {*noted(arena, "passed"), *hit}},
    )
    row.promise(set(hit) == sample, f"nobody died at {sorted(sample - set(hit))}")
    return row


def random_kills(arena: Arena, *, kills: int, every: float, seconds: float) -> Row:
    """T2: a worker, chosen at random, is killed every so often."""
    began = time.monotonic()
    with arenas.workers(arena, 2) as crew, arenas.schedulers(arena) as schedulers:
        fault = Repeated(lambda _: crew.kill(arena.random.choice(crew.parts)), kills, arena.about(every))
        arena.finish([crew, schedulers], seconds, fault)
        ended = time.monotonic()
    return arena.row(
        "T2 SIGKILL of workers at random",
        injected=fault.done,
        unit="kills",
        kills=fault.done,
        recovery_s=ended - fault.last,
        wall_s=ended - began,
    )


class _Sleepers:
    """Wakes processes that stopped themselves at a crash point, long after others took their work."""

    def __init__(self, arena: Arena) -> None:
        self._since: dict[Part, float] = {}
        self.woken: set[Part] = set()
        self._seconds = 2 * arena.place.haste.lease

    def wake(self, parts: list[Part]) -> None:
        """Wake those that have stood long enough; having gone on, they make room for the next."""
        for part in parts:
            # It may be seen to stand still for a moment after it was woken; told twice, it would end at once.
            if part in self.woken or not part.stands_still():
                continue
            if time.monotonic() - self._since.setdefault(part, time.monotonic()) > self._seconds:
                self.woken.add(part)
                part.signal(signal.SIGCONT)
                part.signal(signal.SIGTERM)

    def wake_all(self, parts: list[Part], deadline: float) -> None:
        """Wait until none stands still any more, or `deadline` (of the monotonic clock) has come."""
        while any(part.stands_still() for part in parts) and time.monotonic() < deadline:
            self.wake(parts)
            time.sleep(0.05)


#: Where a scheduler has rows locked, in a transaction that the server has ended by the time it wakes.
_WITH_ROWS_LOCKED = ("mark.before-commit", "reap.half", "reap.before-commit")


def zombie_schedulers(arena: Arena, *, schedulers: int, stops: int, seconds: float) -> Row:
    """T15: several schedulers at once are stopped, at each of their points in turn, and woken when others have gone on.

    Workers die beside them, so that there is something to take back. Who was stopped with rows locked must be refused.
    """
    began = time.monotonic()
    points = [SCHEDULER_POINTS[number % len(SCHEDULER_POINTS)] for number in range(stops)]
    arena.random.shuffle(points)

    def next_scheduler() -> Part:
        return processes.scheduler(arena.place, armed=points.pop() if points else None, how=signal.SIGSTOP)

    sleepers = _Sleepers(arena)
    with (
        arenas.workers(arena, 2) as crew,
        Crew([next_scheduler] * schedulers) as several,
        arenas.schedulers(arena) as steady,
    ):
        kill = Repeated(lambda _: crew.kill(arena.random.choice(crew.parts)), 3 * stops, arena.about(1))

        def enough() -> bool:
            return len(noted(arena, "hit")) >= stops

        def tick() -> None:
            sleepers.wake(several.parts)
            if not enough():
                kill()

        arena.finish_until(enough, [crew, several, steady], seconds, tick, more=20)
        sleepers.wake_all(several.parts, began + 2 * seconds)
        for part in several.parts:
            if part in sleepers.woken:
                part.wait(10)
    hit, refused = noted(arena, "hit"), noted(arena, "refused-scheduler")
    row = arena.row(
        f"T15 {schedulers + 1} schedulers, stopped and woken",
        injected=len(hit),
        unit=f"stops: {len(refused)} late writes refused",
        kills=kill.done,
        wall_s=time.monotonic() - began,
    )
    row.promise(len(hit) == stops, f"{len(hit)} of {stops} stops came")
    for point in _WITH_ROWS_LOCKED:
        late = hit.count(point) - refused.count(point)
        row.promise(late == 0, f"{late} that were stopped at {point} were not refused")
    return row


#: Where nothing asks any more whether the lease stands: what was found is on its way to the database.
_PAST_THE_FENCE = "finish.before"
_WITHIN_AN_ATTEMPT = (
    "download.after",
    "convert.half-written",
    "verify.before",
    "put.manifest.before",
    "finish.before-commit",
)


def zombie_workers(arena: Arena, *, stops: int, seconds: float) -> Row:
    """T16: workers stand still past their lease, every second one as it is about to record a success; then they go on.

    Each of them must be refused by the fence, or have fenced itself before it wrote anything.
    """
    began = time.monotonic()
    points = [
        _PAST_THE_FENCE if number % 2 == 0 else arena.random.choice(_WITHIN_AN_ATTEMPT)
        for number in range(stops)
    ]

    def next_zombie() -> Part:
        return processes.worker(arena.place, armed=points.pop() if points else None, how=signal.SIGSTOP)

    sleepers = _Sleepers(arena)
    with Crew([next_zombie] * 4) as crew, arenas.workers(arena, 1) as steady, arenas.schedulers(arena) as one:
        arena.finish_until(
            lambda: len(noted(arena, "hit")) >= stops,
            [crew, steady, one],
            seconds,
            lambda: sleepers.wake(crew.parts),
        )
        # Whoever still stands has lost its job to another, for every job has ended; it may try its write.
        sleepers.wake_all(crew.parts, began + 2 * seconds)
        for part in crew.parts:
            if part not in sleepers.woken:
                part.signal(signal.SIGTERM)
            part.wait(10)
    return _every_stop_accounted_for(arena, stops, time.monotonic() - began)


def _every_stop_accounted_for(arena: Arena, stops: int, wall_s: float) -> Row:
    stopped = notes(arena, "hit")
    refused = {note.attempt for note in notes(arena, "refused")}
    fenced = {note.attempt for note in notes(arena, "fenced")}
    late = [note for note in stopped if note.attempt in refused]
    alone = [note for note in stopped if note.attempt in fenced - refused]
    row = arena.row(
        "T16 workers stopped past their lease",
        injected=len(stopped),
        unit=f"stops: {len(late)} late writes refused, {len(alone)} fenced themselves",
        wall_s=wall_s,
    )
    row.promise(len(stopped) == stops, f"{len(stopped)} of {stops} stops came")
    silent = [note for note in stopped if note not in late and note not in alone]
    row.promise(not silent, f"neither refused nor fenced: {silent}")
    written = [note for note in stopped if note.name == _PAST_THE_FENCE and note not in late]
    row.promise(not written, f"a late write was not refused: {written}")
    ended = {
        f"{job_id}/{fence}": outcome
        for job_id, fence, outcome in arena.query("SELECT job_id, fence, outcome FROM attempt")
    }
    kept = [note for note in stopped if ended[note.attempt] != "lost"]
    row.promise(not kept, f"an attempt that was given up has another end: {kept}")
    return row


def drains(arena: Arena, *, drains: int, every: float, seconds: float) -> Row:
    """T17: workers are told to stop, once or twice or by SIGQUIT, in the middle of jobs long and short."""
    began = time.monotonic()
    slow: list[float] = []
    with arenas.workers(arena, 2) as crew, arenas.schedulers(arena) as schedulers:

        def drain(_number: int) -> None:
            part = arena.random.choice(crew.parts)
            how = arena.random.choice(("once", "twice", "quit"))
            asked = time.monotonic()
            part.signal(signal.SIGQUIT if how == "quit" else signal.SIGTERM)
            if how == "twice":
                time.sleep(0.05)
                part.signal(signal.SIGTERM)
            if part.wait(arena.place.haste.drain + 5) is None:
                slow.append(time.monotonic() - asked)
                part.kill()

        fault = Repeated(drain, drains, lambda: every)
        arena.finish([crew, schedulers], seconds, fault)
    counted = arena.number("SELECT sum(lost_count) FROM job WHERE state <> 'failed'")
    row = arena.row(
        "T17 drains (SIGTERM, twice, SIGQUIT)",
        injected=fault.done,
        unit="signals",
        wall_s=time.monotonic() - began,
    )
    row.promise(not slow, f"a worker took {max(slow, default=0):.1f} s to end")
    row.promise(counted == 0, f"{counted} drains counted as lost attempts")
    return row


def wrong_clocks(arena: Arena, *, seconds: float) -> Row:
    """T14: every process has another idea of the time, and some change theirs all the while."""
    began = time.monotonic()
    wrong = (*clocks.WRONG, None)
    makers = [functools.partial(processes.worker, replace(arena.place, clock=clock)) for clock in wrong]
    others = [
        functools.partial(processes.scheduler, replace(arena.place, clock=clock)) for clock in (3600, None)
    ]
    with Crew(makers) as crew, Crew(others) as schedulers:
        arena.finish([crew, schedulers], seconds)
    row = arena.row(
        "T14 clocks of workers and schedulers hours and days wrong, and jumping",
        injected=len(makers) + len(others) + len(noted(arena, "clock")),
        unit="wrong times",
        wall_s=time.monotonic() - began,
    )
    row.promise(crew.deaths + schedulers.deaths == 0, "a process ended")
    row.promise("jumped" in noted(arena, "clock"), "no clock jumped")
    return row
