import threading

import pytest

from dashboard import remembered
from dashboard.remembered import Remembered


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


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


def test_an_answer_that_took_long_is_kept_longer(clock: Clock) -> None:
    memory = Remembered()

    def slow() -> float:
        clock.now += 1.0
        return clock.now

    first = memory.get("a", 2, slow)
    clock.now += 19
    assert memory.get("a", 2, slow) == first
    clock.now += 2
    assert memory.get("a", 2, slow) > first


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
