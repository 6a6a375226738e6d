"""Every fault with its sizes: a quick one for each test run, and the one whose figures are published."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from tests.faults import (
    broker_faults,
    child_faults,
    database_faults,
    models,
    process_faults,
    real_conversions,
    requests,
    storage_faults,
)
from tests.faults.arena import Row
from tests.faults.crash_points import POINTS
from tests.faults.http_proxy import SHARES
from tests.faults.installation import Servers, Size, behind_proxy, installation
from tests.faults.plain_celery import plain_celery
from tests.faults.processes import Haste
from tests.faults.tcp_proxy import proxy


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """A fault, and how to bring it about."""

    name: str
    run: Callable[[Servers, Path, Size, int], Row]
    quick: Size
    full: Size


def crash_points(on: Servers, folder: Path, size: Size, seed: int) -> Row:
    """A sample of the points where `times` is 0, else all of them, `times` each."""
    with installation(on, folder, size, seed) as arena:
        points = len(POINTS) if size.times else 6
        return process_faults.crash_points(
            arena, points=points, times=max(size.times, 1), seconds=size.seconds
        )


def random_kills(on: Servers, folder: Path, size: Size, seed: int) -> Row:
    with installation(on, folder, size, seed, seconds=0.1) as arena:
        return process_faults.random_kills(arena, kills=size.times, every=0.5, seconds=size.seconds)


def lossy(on: Servers, folder: Path, size: Size, seed: int) -> Row:
    with installation(on, folder, size, seed, window=20) as arena:
        return broker_faults.lossy(arena, share=0.2, seconds=size.seconds)


def forgetful(on: Servers, folder: Path, size: Size, seed: int) -> Row:
    with installation(on, folder, size, seed, seconds=0.1) as arena:
        return broker_faults.forgetful(arena, on.valkey, times=size.times, every=1, seconds=size.seconds)


def starved(on: Servers, folder: Path, size: Size, seed: int) -> Row:
    with installation(on, folder, size, seed, seconds=0.1, window=20) as arena:
        return broker_faults.starved(arena, on.valkey, times=size.times, every=0.7, seconds=size.seconds)


def cut_off(on: Servers, folder: Path, size: Size, seed: int) -> Row:
    with (
        proxy(on.valkey.port, seed=seed) as between,
        installation(on, folder, size, seed, window=20) as arena,
    ):
        through = on.valkey.url.replace(f":{on.valkey.port}/", f":{between.port}/")
        arena.place = replace(arena.place, broker_url=through)
        return broker_faults.cut_off(
            arena,
            between,
            resets=size.times,
            halves=max(1, size.times // 10),
            every=0.3,
            seconds=size.seconds,
        )


def restarts(on: Servers, folder: Path, size: Size, seed: int) -> Row:
    with installation(on, folder, size, seed, seconds=0.3, haste=Haste(lease=6, heartbeat=1)) as arena:
        return database_faults.restarts(arena, on.postgres, times=size.times, every=2, seconds=size.seconds)


def cut_commits(on: Servers, folder: Path, size: Size, seed: int) -> Row:
    with (
        proxy(on.postgres.port, seed=seed, cut_after=b"COMMIT", share=0.1) as between,
        installation(on, folder, size, seed) as arena,
    ):
        direct = arena.place.database_url
        through = direct.replace(f":{on.postgres.port}/", f":{between.port}/")
        arena.place = replace(arena.place, database_url=through)
        return database_faults.cut_commits(arena, between, direct=direct, seconds=size.seconds)


def lying_store(on: Servers, folder: Path, size: Size, seed: int) -> Row:
    with behind_proxy(on, folder, size, seed, shares=SHARES) as (arena, store):
        return storage_faults.lying_store(arena, store, seconds=size.seconds)


def overwritten(on: Servers, folder: Path, size: Size, seed: int) -> Row:
    with behind_proxy(on, folder, size, seed, shares={}, mixed=False) as (arena, store):
        return storage_faults.overwritten(arena, store, seconds=size.seconds)


def zombie_schedulers(on: Servers, folder: Path, size: Size, seed: int) -> Row:
    with installation(on, folder, size, seed) as arena:
        return process_faults.zombie_schedulers(arena, schedulers=3, stops=size.times, seconds=size.seconds)


def zombie_workers(on: Servers, folder: Path, size: Size, seed: int) -> Row:
    with installation(on, folder, size, seed, mixed=False) as arena:
        return process_faults.zombie_workers(arena, stops=size.times, seconds=size.seconds)


def full_disk(on: Servers, folder: Path, size: Size, seed: int) -> Row:
    with installation(on, folder, size, seed, slots=2, small_disk=True) as arena:
        return child_faults.full_disk(arena, seconds=size.seconds)


def out_of_memory(on: Servers, folder: Path, size: Size, seed: int) -> Row:
    some = size.times
    among = {"hog": (some, "quarantined"), "killed": (some, "quarantined")}
    with installation(
        on, folder, size, seed, mixed=False, slots=2, real_children=True, among=among, haste=Haste(lease=6)
    ) as arena:
        return child_faults.out_of_memory(arena, seconds=size.seconds)


def poison(on: Servers, folder: Path, size: Size, seed: int) -> Row:
    deadly = dict.fromkeys(("segfault", "abort", "exit", "loop", "flood"), (size.times, "quarantined"))
    among = {**deadly, "forks": (size.times, "failed")}
    with installation(
        on, folder, size, seed, mixed=False, slots=2, real_children=True, among=among, haste=Haste(lease=6)
    ) as arena:
        return child_faults.poison(arena, seconds=size.seconds)


def wrong_clocks(on: Servers, folder: Path, size: Size, seed: int) -> Row:
    with installation(on, folder, size, seed) as arena:
        return process_faults.wrong_clocks(arena, seconds=size.seconds)


def drains(on: Servers, folder: Path, size: Size, seed: int) -> Row:
    with installation(on, folder, size, seed, seconds=0.5, haste=Haste(lease=6, drain=0.3)) as arena:
        return process_faults.drains(arena, drains=size.times, every=0.7, seconds=size.seconds)


def cancel_storm(on: Servers, folder: Path, size: Size, seed: int) -> Row:
    with installation(on, folder, size, seed) as arena:
        return requests.cancel_storm(arena, share=0.5, seconds=size.seconds)


def many(on: Servers, _folder: Path, size: Size, seed: int) -> Row:
    return models.many(on.postgres, jobs=size.jobs, seed=seed)


def drawn(_on: Servers, folder: Path, size: Size, seed: int) -> Row:
    return models.drawn(folder, examples=size.times, number=seed)


def real(on: Servers, folder: Path, size: Size, seed: int) -> Row:
    return real_conversions.real(
        on.postgres,
        on.valkey,
        on.s3,
        folder,
        jobs=size.jobs,
        kills=size.times,
        every=15,
        seed=seed,
        seconds=size.seconds,
    )


def negative_control(on: Servers, folder: Path, size: Size, seed: int) -> Row:
    on.valkey.flush()
    return plain_celery(
        on.valkey.url, folder, tasks=size.jobs, kills=size.times, seed=seed, seconds=size.seconds
    )


SCENARIOS = (
    Scenario(
        name="T1",
        run=crash_points,
        quick=Size(jobs=30, times=0, seconds=120),
        full=Size(jobs=1300, times=15, seconds=600),
    ),
    Scenario(
        name="T2",
        run=random_kills,
        quick=Size(jobs=30, times=4, seconds=90),
        full=Size(jobs=2000, times=80, seconds=400),
    ),
    Scenario(
        name="T3",
        run=lossy,
        quick=Size(jobs=30, times=1, seconds=90),
        full=Size(jobs=2000, times=1, seconds=300),
    ),
    Scenario(
        name="T4",
        run=forgetful,
        quick=Size(jobs=30, times=1, seconds=120),
        full=Size(jobs=2000, times=10, seconds=400),
    ),
    Scenario(
        name="T5",
        run=starved,
        quick=Size(jobs=30, times=3, seconds=90),
        full=Size(jobs=1000, times=15, seconds=300),
    ),
    Scenario(
        name="T6",
        run=cut_off,
        quick=Size(jobs=30, times=3, seconds=90),
        full=Size(jobs=1000, times=50, seconds=500),
    ),
    Scenario(
        name="T7",
        run=restarts,
        quick=Size(jobs=30, times=1, seconds=120),
        full=Size(jobs=1000, times=20, seconds=400),
    ),
    Scenario(
        name="T8",
        run=cut_commits,
        quick=Size(jobs=30, times=1, seconds=120),
        full=Size(jobs=300, times=1, seconds=240),
    ),
    Scenario(
        name="T9",
        run=lying_store,
        quick=Size(jobs=8, times=1, seconds=120),
        full=Size(jobs=1000, times=1, seconds=550),
    ),
    Scenario(
        name="T10",
        run=overwritten,
        quick=Size(jobs=12, times=1, seconds=60),
        full=Size(jobs=100, times=1, seconds=120),
    ),
    Scenario(
        name="T11",
        run=full_disk,
        quick=Size(jobs=30, times=1, seconds=60),
        full=Size(jobs=100, times=1, seconds=120),
    ),
    Scenario(
        name="T12",
        run=out_of_memory,
        quick=Size(jobs=8, times=1, seconds=60),
        full=Size(jobs=300, times=20, seconds=180),
    ),
    Scenario(
        name="T13",
        run=poison,
        quick=Size(jobs=10, times=1, seconds=90),
        full=Size(jobs=60, times=3, seconds=240),
    ),
    Scenario(
        name="T14",
        run=wrong_clocks,
        quick=Size(jobs=30, times=1, seconds=90),
        full=Size(jobs=500, times=1, seconds=120),
    ),
    Scenario(
        name="T15",
        run=zombie_schedulers,
        quick=Size(jobs=30, times=1, seconds=120),
        full=Size(jobs=500, times=40, seconds=240),
    ),
    Scenario(
        name="T16",
        run=zombie_workers,
        quick=Size(jobs=12, times=2, seconds=120),
        full=Size(jobs=200, times=50, seconds=200),
    ),
    Scenario(
        name="T17",
        run=drains,
        quick=Size(jobs=12, times=3, seconds=120),
        full=Size(jobs=150, times=100, seconds=200),
    ),
    Scenario(
        name="T18",
        run=cancel_storm,
        quick=Size(jobs=30, times=1, seconds=90),
        full=Size(jobs=1000, times=1, seconds=120),
    ),
    Scenario(
        name="T20",
        run=many,
        quick=Size(jobs=2000, times=1, seconds=60),
        full=Size(jobs=100_000, times=1, seconds=200),
    ),
    Scenario(
        name="T21",
        run=drawn,
        quick=Size(jobs=0, times=40, seconds=60),
        full=Size(jobs=0, times=2000, seconds=500),
    ),
    Scenario(
        name="T22",
        run=real,
        quick=Size(jobs=10, times=1, seconds=200),
        full=Size(jobs=60, times=8, seconds=450),
    ),
)
CONTROL = Scenario(
    name="control",
    run=negative_control,
    quick=Size(jobs=60, times=2, seconds=60),
    full=Size(jobs=3500, times=40, seconds=300),
)
BY_NAME = {scenario.name: scenario for scenario in (*SCENARIOS, CONTROL)}
