import threading

import pytest

from scheduler.aside import Aside


def test_a_duty_that_waits_keeps_nobody_waiting_and_runs_once_at_a_time() -> None:
    gate, begun, runs = threading.Event(), threading.Semaphore(0), []

    def wait() -> int:
        runs.append(1)
        begun.release()
        assert gate.wait(30)
        return 3

    aside = Aside("a", wait)
    assert [aside.run_once() for _ in range(3)] == [0, 0, 0]
    assert begun.acquire(timeout=30)
    assert len(runs) == 1
    gate.set()
    _join(aside)
    assert aside.run_once() == 3
    _join(aside)


def test_what_goes_wrong_is_told_at_the_next_round_and_tried_again() -> None:
    answers: list[int | Exception] = [OSError("gone"), 2]

    def work() -> int:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    aside = Aside("a", work)
    assert aside.run_once() == 0
    _join(aside)
    with pytest.raises(OSError, match="gone"):
        aside.run_once()
    _join(aside)
    answers.append(0)
    assert aside.run_once() == 2
    _join(aside)


def _join(aside: Aside) -> None:
    assert aside._thread is not None
    aside._thread.join(30)
