"""How the end of a child, however it comes, reaches the job."""

import resource
import signal
import threading
from pathlib import Path

import pytest

from db.states import AttemptOutcome, JobState
from keras2torch.sandbox import Outcome
from tests.workers.test_verdict import claim
from workers import errors, isolation, verdict
from workers.isolation import Sandboxes

TARGETS = "tests.sandbox.targets"


def run(
    sandboxes: Sandboxes,
    workdir: Path,
    function: str,
    *,
    module: str = TARGETS,
    within: float = 60,
    **payload: object,
) -> Outcome:
    return sandboxes.run(
        isolation.ENGINE,
        f"{module}:{function}",
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


def test_a_child_whose_file_was_cut_off_is_a_death_that_is_tried_again(
    sandboxes: Sandboxes, tmp_path: Path
) -> None:
    """The kernel has no page to give, and says so by a signal that no reader can catch."""
    with pytest.raises(errors.ChildDied) as caught:
        run(sandboxes, tmp_path, "lose_pages")
    assert caught.value.outcome.signal == signal.SIGBUS
    judged = verdict.judge(caught.value, claim())
    assert (judged.again, judged.outcome) == (True, AttemptOutcome.CRASHED)
    assert judged.error.message.endswith("verify: killed by SIGBUS")
    assert verdict.judge(caught.value, claim(lost_count=2)).state is JobState.QUARANTINED


def test_a_child_that_leaves_without_a_word_is_a_death(sandboxes: Sandboxes, tmp_path: Path) -> None:
    with pytest.raises(errors.ChildDied) as caught:
        run(sandboxes, tmp_path, "leave", code=3)
    assert caught.value.kind == "exited"


def test_a_child_out_of_memory_is_a_death(tmp_path: Path) -> None:
    with Sandboxes(memory_bytes=256 << 20) as small, pytest.raises(errors.OutOfMemory) as caught:
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


def test_a_flood_of_log_costs_no_memory(sandboxes: Sandboxes, tmp_path: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    outcome = run(sandboxes, tmp_path, "flood", module="tests.workers.hungry", mib=512)
    assert outcome.result == "done"
    assert outcome.log_tail.endswith("the end\n")
    assert len(outcome.log_tail) <= 256 << 10
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 16 << 10
