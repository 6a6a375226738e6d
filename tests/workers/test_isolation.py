"""How the end of a child, however it comes, reaches the job."""

import threading
from pathlib import Path

import pytest

from keras2torch.sandbox import Outcome
from workers import errors, isolation
from workers.isolation import Sandboxes

TARGETS = "tests.sandbox.targets"


def run(
    sandboxes: Sandboxes, workdir: Path, function: str, *, within: float = 60, **payload: object
) -> Outcome:
    return sandboxes.run(
        isolation.ENGINE,
        f"{TARGETS}:{function}",
        payload,
        stage="verify",
        workdir=workdir,
        seconds=within,
        stop=threading.Event(),
    )


def test_a_child_that_crashes_is_a_death(sandboxes: Sandboxes, tmp_path: Path) -> None:
    with pytest.raises(errors.ChildDied) as caught:
        run(sandboxes, tmp_path, "crash")
    assert caught.value.kind == "crashed"
    assert caught.value.outcome.signal is not None
    assert str(caught.value).startswith("verify: ")


def test_a_child_that_leaves_without_a_word_is_a_death(sandboxes: Sandboxes, tmp_path: Path) -> None:
    with pytest.raises(errors.ChildDied) as caught:
        run(sandboxes, tmp_path, "leave", code=3)
    assert caught.value.kind == "exited"


def test_a_child_out_of_memory_is_a_death(tmp_path: Path) -> None:
    with Sandboxes(memory_bytes=256 << 20) as small, pytest.raises(errors.ChildDied) as caught:
        run(small, tmp_path, "allocate", bytes=1 << 30)
    assert caught.value.kind == "out-of-memory"


def test_a_child_out_of_time_is_a_death(sandboxes: Sandboxes, tmp_path: Path) -> None:
    with pytest.raises(errors.ChildDied) as caught:
        run(sandboxes, tmp_path, "sleep", seconds=60, within=0.3)
    assert caught.value.kind == "timed-out"


def test_what_a_function_raises_is_no_death(sandboxes: Sandboxes, tmp_path: Path) -> None:
    with pytest.raises(errors.ChildFailed) as caught:
        run(sandboxes, tmp_path, "return_object")
    assert caught.value.outcome.signal is None


def test_a_child_told_to_stop_stops(sandboxes: Sandboxes, tmp_path: Path) -> None:
    stop = threading.Event()
    threading.Timer(0.2, stop.set).start()
    with pytest.raises(errors.Stopped):
        sandboxes.run(
            isolation.ENGINE,
            f"{TARGETS}:sleep",
            {"seconds": 60},
            stage="convert",
            workdir=tmp_path,
            seconds=60,
            stop=stop,
        )


def test_the_walls_round_a_child_are_told(sandboxes: Sandboxes, tmp_path: Path) -> None:
    outcome = run(sandboxes, tmp_path, "double", value=2)
    assert outcome.result == {"double": 4}
    assert "limits" in outcome.walls
