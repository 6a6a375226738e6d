import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fleet.embedded import PrivateBroker, StateDir
from fleet.errors import FleetError

ROOT = Path(__file__).parents[2]


def wait_until(true: object, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():  # type: ignore[operator]
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.02)


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_one_command_at_a_time(tmp_path: Path) -> None:
    message = rf"another fleet command \(process {os.getpid()}\) is at work"
    with StateDir(tmp_path), pytest.raises(FleetError, match=message):
        StateDir(tmp_path).__enter__()
    with StateDir(tmp_path):
        pass


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FleetError, match=r"cannot write .*file/state"):
        StateDir(tmp_path / "file" / "state").__enter__()


def test_the_broker_answers_comes_back_and_leaves_nothing(tmp_path: Path) -> None:
    with StateDir(tmp_path) as state:
        with PrivateBroker(state) as broker:
            assert broker.answers()
            folder = broker.socket.parent
            pid = json.loads((tmp_path / "broker.json").read_text())["pid"]
            os.kill(pid, signal.SIGKILL)
            wait_until(lambda: not broker.alive())
            assert not broker.answers()
            broker.start()
            assert broker.answers()
        assert not folder.exists()
        assert not (tmp_path / "broker.json").exists()


def test_a_deep_state_folder_does_not_break_the_socket(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["a-rather-long-folder-name"] * 8)
    with StateDir(deep) as state, PrivateBroker(state) as broker:
        assert broker.answers()


CRASH = """
import os, sys
from pathlib import Path
from fleet.embedded import PrivateBroker, StateDir
state = StateDir(Path(sys.argv[1])).__enter__()
broker = PrivateBroker(state).__enter__()
print(broker.socket, flush=True)
sys.stdin.read()
"""


def test_the_broker_dies_with_a_killed_command_and_its_remains_are_cleared(tmp_path: Path) -> None:
    command = subprocess.Popen(
        [sys.executable, "-c", CRASH, str(tmp_path)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert command.stdout is not None
    socket = Path(command.stdout.readline().decode().strip())
    server = json.loads((tmp_path / "broker.json").read_text())["pid"]
    assert runs(server)
    command.kill()
    command.communicate()
    wait_until(lambda: not runs(server))
    assert socket.exists()
    with StateDir(tmp_path) as state, PrivateBroker(state) as broker:
        assert broker.answers()
        assert not socket.parent.exists()


def test_an_orphan_is_ended_and_a_stranger_with_its_number_is_not(tmp_path: Path) -> None:
    with StateDir(tmp_path) as state:
        orphan = subprocess.Popen(["sleep", "100"])
        started = Path(f"/proc/{orphan.pid}/stat").read_text().rpartition(")")[2].split()[19]
        record = {"pid": orphan.pid, "started": "1", "folder": str(tmp_path / "fleet-broker-x")}
        (tmp_path / "broker.json").write_text(json.dumps(record))
        with PrivateBroker(state):
            assert orphan.poll() is None
        (tmp_path / "broker.json").write_text(json.dumps(record | {"started": started}))
        with PrivateBroker(state):
            assert orphan.wait(10) == -signal.SIGKILL
