"""Who may run beside whom, with real threads."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.fleet import models
from tests.fleet.command import Fleet
from workers import admission, inbox
from workers.admission import Admission


class Jobs:
    """Jobs that hold what they were admitted with until they are told to end."""

    def __init__(self, room: Admission, pool: ThreadPoolExecutor) -> None:
        self.room = room
        self.running: list[int] = []
        self._pool = pool
        self._end = {job_id: threading.Event() for job_id in range(10)}
        self.stopping = False

    def ask(self, job_id: int, need: int) -> "Future[bool]":
        asked = self._pool.submit(self._run, job_id, need)
        time.sleep(0.05)  # so that they ask in this order
        return asked

    def end(self, job_id: int) -> None:
        self._end[job_id].set()
        time.sleep(0.05)

    def _run(self, job_id: int, need: int) -> bool:
        with self.room.admitted(job_id, need, lambda: self.stopping) as admitted:
            if admitted:
                self.running.append(job_id)
                self._end[job_id].wait(10)
                self.running.remove(job_id)
            return admitted


@pytest.fixture
def jobs() -> Iterator[Jobs]:
    with ThreadPoolExecutor(10) as pool:
        jobs = Jobs(Admission(100), pool)
        yield jobs
        jobs.stopping = True
        for event in jobs._end.values():
            event.set()


def test_as_many_run_as_fit(jobs: Jobs) -> None:
    for job_id in range(4):
        jobs.ask(job_id, 30)
    assert jobs.running == [0, 1, 2]
    jobs.end(1)
    assert jobs.running == [0, 2, 3]


def test_small_jobs_do_not_starve_a_large_one(jobs: Jobs) -> None:
    jobs.ask(0, 30)
    jobs.ask(1, 30)
    jobs.ask(2, 80)
    jobs.ask(3, 10)
    assert jobs.running == [0, 1], "3 would fit, and the next, and the next"
    jobs.end(0)
    assert jobs.running == [1]
    jobs.end(1)
    assert jobs.running == [2, 3]


def test_of_large_jobs_one_runs_and_the_others_hold_no_thread(jobs: Jobs) -> None:
    first = jobs.ask(0, 60)
    second = jobs.ask(1, 60)
    assert second.result(1) is False
    assert jobs.room.next_large() is None, "one runs yet"
    small = jobs.ask(2, 40)
    assert jobs.running == [0, 2]
    jobs.end(0)
    jobs.end(2)
    assert (first.result(1), small.result(1)) == (True, True)
    assert jobs.room.next_large() == 1
    assert jobs.room.next_large() is None


def test_nobody_waits_on_while_the_worker_stops(jobs: Jobs) -> None:
    jobs.ask(0, 60)
    waits = jobs.ask(1, 50)
    jobs.stopping = True
    assert waits.result(2) is False
    assert jobs.running == [0]


def test_what_is_larger_than_all_there_is_gets_all_there_is() -> None:
    room = Admission(1 << 30)
    assert room.need_of(1 << 40, inbox.DEFAULT_QUEUE) == 1 << 30
    assert room.need_of(0, inbox.DEFAULT_QUEUE) == admission.BASE_BYTES
    assert room.need_of(0, inbox.LARGE_QUEUE) == 1 << 30


def test_many_threads_never_hold_more_than_there_is() -> None:
    room = Admission(100)
    held, most = 0, 0
    lock = threading.Lock()

    def job(number: int) -> bool:
        nonlocal held, most
        need = 10 + number * 7 % 40
        with room.admitted(number, need, lambda: False) as admitted:
            with lock:
                held += need
                most = max(most, held)
            time.sleep(0.001)
            with lock:
                held -= need
        return admitted

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(job, range(300)))
    assert 50 < most <= 100
    assert (room._used, list(room._asking)) == (0, [])


def test_a_worker_runs_no_more_at_once_than_fit(tmp_path: Path) -> None:
    """With four threads and 1 GiB: two small models beside one another, and one of 36 MB alone."""
    for number in range(3):
        models.dense(tmp_path / "in" / f"small{number}.h5", seed=number)
    models.dense(tmp_path / "in" / "large.h5", units=3000, inputs=3000)
    fleet = Fleet(tmp_path / "home", FLEET_MEMORY_BYTES=str(1 << 30), FLEET_DEVICE="cpu")
    done = fleet.json("migrate", str(tmp_path / "in"), str(tmp_path / "out"), "--workers", "4")
    assert done["states"]["succeeded"] == 4

    spans: dict[str, tuple[str, str]] = {}
    for row in fleet.json("jobs")["jobs"]:
        (attempt,) = fleet.json("job", str(row["id"]))["attempts"]
        spans[row["key"]] = (attempt["started_at"], attempt["ended_at"])
    beside = {
        key: [other for other, (start, end) in spans.items() if other != key and start <= began < end]
        for key, (began, _) in spans.items()
    }
    assert max(map(len, beside.values())) == 1, "two at once, never three"
    assert not beside["large.h5"]
    assert "large.h5" not in {other for others in beside.values() for other in others}
