import fcntl
from pathlib import Path
from typing import IO

import pytest

from workers.scratch import Scratch


def test_a_worker_that_starts_at_the_same_moment_sweeps_nobody_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one looks after the first folder was made, and before it was locked."""
    flock = fcntl.flock
    looked = False

    def late(lock: IO[str], how: int) -> None:
        nonlocal looked
        if how == fcntl.LOCK_EX and not looked:
            looked = True
            Scratch(tmp_path)._sweep()
            assert [*tmp_path.iterdir()] == []
        flock(lock, how)

    monkeypatch.setattr(fcntl, "flock", late)
    with Scratch(tmp_path) as scratch, scratch.desk(1, 1) as desk:
        assert desk.is_dir()
        Scratch(tmp_path)._sweep()
        assert desk.is_dir()
    assert looked
    assert [*tmp_path.iterdir()] == []


def test_what_a_killed_worker_left_is_swept(tmp_path: Path) -> None:
    left = tmp_path / "fleet-worker-dead" / "job-1-1"
    left.mkdir(parents=True)
    (left.parent / "lock").touch()
    with Scratch(tmp_path):
        assert not left.parent.exists()
