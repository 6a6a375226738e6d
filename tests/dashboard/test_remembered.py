import threading
from contextvars import Context

import pytest

from dashboard import remembered
from dashboard.remembered import Remembered, oldest_seconds


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        """Nobody waits for it."""


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(remembered, "time", clock)
    return clock


def test_an_answer_is_found_once_until_it_is_old(clock: Clock) -> None:
    memory, found = Remembered(), iter(range(10))
    assert [memory.get("a", 2, lambda: next(found)) for _ in range(3)] == [0, 0, 0]
    clock.now += 2.1
    assert memory.get("a", 2, lambda: next(found)) == 1
    assert memory.get("b", 2, lambda: next(found)) == 2
    assert memory.get("a", 0, lambda: next(found)) == 3


class Slow:
    """Takes a second to find how often it was asked; `found` is set each time."""

    def __init__(self, clock: Clock) -> None:
        self.clock, self.times, self.found = clock, 0, threading.Event()

    def __call__(self) -> int:
        self.clock.now += 1.0
        self.times += 1
        self.found.set()
        return self.times


def test_an_answer_that_took_long_is_kept_longer_and_shown_old_while_it_is_found_anew(clock: Clock) -> None:
    memory, slow = Remembered(), Slow(clock)
    assert memory.get("a", 2, slow) == 1
    clock.now += 19
    assert memory.get("a", 2, slow) == 1
    slow.found.clear()
    clock.now += 2
    assert memory.get("a", 2, slow) == 1
    assert slow.found.wait(10)
    assert memory.get("a", 2, slow, ahead=True) == 2
    assert slow.times == 2


def test_an_answer_that_is_far_too_old_is_shown_to_nobody(clock: Clock) -> None:
    memory, slow = Remembered(), Slow(clock)
    memory.get("a", 2, slow)
    clock.now += 201
    assert memory.get("a", 2, slow) == 2


def test_who_asks_ahead_waits_for_what_takes_long_and_leaves_the_rest_to_readers(clock: Clock) -> None:
    memory, slow, quick = Remembered(), Slow(clock), iter(range(10))
    assert memory.get("a", 2, slow, ahead=True) == 1
    clock.now += 15
    assert memory.get("b", 2, lambda: next(quick), ahead=True) == 0
    clock.now += 6
    assert memory.get("b", 2, lambda: next(quick), ahead=True) == 0
    assert memory.get("b", 2, lambda: next(quick)) == 1
    assert memory.get("a", 2, slow, ahead=True) == 2


def test_how_old_it_is_what_is_shown_old(clock: Clock) -> None:
    def asked(memory: Remembered, slow: Slow) -> float:
        memory.get("a", 2, slow)
        return oldest_seconds()

    def in_its_own_context() -> float:
        return Context().run(asked, memory, slow)

    memory, slow = Remembered(), Slow(clock)
    assert in_its_own_context() == 0
    clock.now += 1
    assert in_its_own_context() == 0
    clock.now += 14
    assert in_its_own_context() == 15


def test_what_cannot_be_found_anew_is_shown_old_and_tried_again(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse() -> int:
        asked.set()
        raise OSError("no database")

    memory, slow, asked = Remembered(), Slow(clock), threading.Event()
    memory.get("a", 2, slow)
    clock.now += 25
    assert memory.get("a", 2, refuse) == 1
    assert asked.wait(10)
    for thread in threading.enumerate():
        if thread.name == "figures":
            thread.join(10)
    assert memory.get("a", 2, slow, ahead=True) == 2
    assert "cannot be found anew" in caplog.text


def test_who_asks_while_it_is_found_anew_gets_the_old_one(clock: Clock) -> None:
    memory = Remembered()
    memory.get("a", 2, lambda: "old")
    clock.now += 3
    begun, go_on = threading.Event(), threading.Event()

    def find() -> str:
        begun.set()
        assert go_on.wait(10)
        return "new"

    answers: list[str] = []
    thread = threading.Thread(target=lambda: answers.append(memory.get("a", 2, find)))
    thread.start()
    assert begun.wait(10)
    assert memory.get("a", 2, find) == "old"
    go_on.set()
    thread.join()
    assert answers == ["new"]
    assert memory.get("a", 2, find) == "new"


def test_what_cannot_be_found_is_tried_again(clock: Clock) -> None:
    memory = Remembered()

    def refuse() -> str:
        raise OSError("no database")

    with pytest.raises(OSError, match="no database"):
        memory.get("a", 2, refuse)
    assert memory.get("a", 2, lambda: "there") == "there"


def test_memory_has_an_end(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered, "_KEYS", 3)
    memory, found = Remembered(), iter(range(100))
    for key in range(4):
        memory.get(key, 100, lambda: next(found))
    assert memory.get(3, 100, lambda: next(found)) == 3
    assert memory.get(0, 100, lambda: next(found)) == 4
