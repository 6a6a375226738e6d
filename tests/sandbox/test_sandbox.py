"""The sandbox, against real children that crash, hang, flood, bomb and pry."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from keras2torch.sandbox import ALL_WALLS, Limits, Outcome, Sandbox, SandboxError

TARGETS = "tests.sandbox.targets"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(["json"]) as sandbox:
        yield sandbox


@pytest.fixture
def run(sandbox: Sandbox, tmp_path: Path) -> Any:
    def run(function: str, /, limits: Limits | None = None, **payload: Any) -> Outcome:
        return sandbox.run(f"{TARGETS}:{function}", payload, workdir=tmp_path, limits=limits)

    return run


def alive(pid: int) -> bool:
    """True while `pid` runs; a zombie that waits for its parent does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_until_dead(*pids: int, seconds: float = 10.0) -> bool:
    end = time.monotonic() + seconds
    while any(map(alive, pids)) and time.monotonic() < end:
        time.sleep(0.02)
    return not any(map(alive, pids))


def wait_for(path: Path) -> str:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        if path.exists() and (text := path.read_text()):
            return text
        time.sleep(0.01)
    raise AssertionError(f"{path} never appeared")


# How a call ends


def test_a_result_comes_back(run: Any) -> None:
    outcome = run("double", value=21)
    assert outcome.ok
    assert outcome.result == {"double": 42}
    assert (outcome.exit_code, outcome.signal, outcome.error) == (0, None, None)
    assert outcome.max_rss > 1 << 20


def test_a_large_payload_comes_across(run: Any) -> None:
    assert run("echo_size", text="y" * 5_000_000).result == 5_000_000


def test_each_call_has_a_fresh_process(run: Any, tmp_path: Path) -> None:
    pids = set()
    for name in "ab":
        run("sleep", seconds=0, mark=str(tmp_path / name))
        pids.add((tmp_path / name).read_text())
    assert len(pids) == 2


def test_an_exception_keeps_its_kind_and_exit_code(run: Any) -> None:
    outcome = run("refuse")
    assert outcome.error == {
        "class": "RefusalError",
        "message": "dense/kernel: expected (2, 3), found (3, 2)",
        "kind": "wrong-shape",
        "exit_code": 3,
    }
    assert outcome.exit_code == 1
    assert "Traceback" in outcome.log_tail


def test_a_missing_function_is_an_error(run: Any) -> None:
    assert run("no_such_function").error["class"] == "AttributeError"


def test_sys_exit_is_no_result(run: Any) -> None:
    assert run("exit_politely").error["class"] == "SystemExit"


def test_leaving_without_a_result(run: Any) -> None:
    outcome = run("leave", code=7)
    assert (outcome.exit_code, outcome.error["kind"]) == (7, "exited")
    assert run("leave", code=0).error["kind"] == "exited"


def test_a_crash_is_told_with_its_signal(run: Any) -> None:
    outcome = run("crash")
    assert (outcome.signal, outcome.exit_code) == (signal.SIGSEGV, None)
    assert outcome.error["kind"] == "crashed"
    assert "SIGSEGV" in outcome.error["message"]
    assert "targets.py" in outcome.log_tail  # the fault handler says where


def test_a_result_that_is_not_json(run: Any) -> None:
    assert run("return_object").error["kind"] == "bad-result"


def test_a_result_too_large(run: Any) -> None:
    limits = Limits(result_bytes=100_000)
    assert run("return_text", limits, size=90_000).ok
    assert run("return_text", limits, size=110_000).error["kind"] == "bad-result"


def test_nonsense_on_the_result_pipe_kills_the_child(run: Any) -> None:
    outcome = run("speak_nonsense")
    assert outcome.error["kind"] == "bad-result"
    assert outcome.wall_s < 30


def test_progress_arrives_in_order(sandbox: Sandbox, tmp_path: Path) -> None:
    seen: list[dict[str, Any]] = []
    sandbox.run(f"{TARGETS}:report_progress", {}, workdir=tmp_path, on_progress=seen.append)
    assert seen == [{"step": 0}, {"step": 1}, {"step": 2}]


def test_the_log_is_bounded_and_keeps_its_end(run: Any) -> None:
    outcome = run("chatter", Limits(log_bytes=256 << 10), lines=10_000)
    assert outcome.result == "done"
    assert len(outcome.log_tail) <= 256 << 10
    assert outcome.log_tail.endswith("the last line\n")


# Limits


def test_the_wall_clock_ends_a_loop(run: Any) -> None:
    outcome = run("burn", Limits(wall_s=0.5))
    assert outcome.timed_out
    assert outcome.error["kind"] == "timed-out"
    assert outcome.signal == signal.SIGTERM
    assert 0.5 <= outcome.wall_s < 5


def test_a_child_that_ignores_sigterm_is_killed(run: Any) -> None:
    outcome = run("sleep", Limits(wall_s=0.5, grace_s=0.3), seconds=60, ignore_term=True)
    assert outcome.timed_out
    assert outcome.signal == signal.SIGKILL
    assert outcome.wall_s < 5


def test_processor_time_is_limited(run: Any) -> None:
    outcome = run("burn", Limits(cpu_s=1, wall_s=30))
    assert outcome.timed_out
    assert outcome.signal == signal.SIGXCPU
    assert outcome.wall_s < 20


def test_memory_is_limited(run: Any) -> None:
    limits = Limits(memory_bytes=256 << 20)
    assert run("allocate", limits, bytes=200 << 20).result == 200 << 20
    outcome = run("allocate", limits, bytes=300 << 20)
    assert outcome.error["kind"] == "out-of-memory"


def test_files_are_limited(run: Any) -> None:
    limits = Limits(file_bytes=1 << 20)
    assert run("write_file", limits, bytes=1 << 20).ok
    assert not run("write_file", limits, bytes=2 << 20).ok


def test_cancelling_kills_at_once(sandbox: Sandbox, tmp_path: Path) -> None:
    cancel = threading.Event()
    mark = tmp_path / "mark"
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(
            sandbox.run,
            f"{TARGETS}:sleep",
            {"seconds": 60, "mark": str(mark)},
            workdir=tmp_path,
            cancel=cancel,
        )
        pid = int(wait_for(mark))
        cancel.set()
        outcome = future.result(timeout=10)
    assert outcome.cancelled
    assert not outcome.timed_out
    assert outcome.error is not None
    assert outcome.error["kind"] == "cancelled"
    assert not alive(pid)


@pytest.mark.parametrize("then", ["hang", "return"])
def test_nothing_the_child_started_outlives_it(then: str, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    with Sandbox(
        walls=frozenset({"namespaces", "landlock"})
    ) as sandbox:  # seccomp would let it start nothing
        outcome = sandbox.run(
            f"{TARGETS}:fork_family",
            {"pids": str(pids), "then": then},
            workdir=tmp_path,
            limits=Limits(wall_s=2, grace_s=0.2),
        )
        family = [int(pid) for pid in pids.read_text().split()]
    assert outcome.timed_out is (then == "hang")
    assert len(set(family)) == 3
    assert not any(map(alive, family))


# Walls


def test_all_walls_stand_on_this_machine(run: Any) -> None:
    assert run("double", value=1).walls == ("limits", "namespaces", "privileges", "landlock", "seccomp")


@pytest.fixture
def greeter() -> Iterator[int]:
    """A loopback server that says hello; its port."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def greet() -> None:
            try:
                while True:
                    with server.accept()[0] as client:
                        client.sendall(b"hello")
            except OSError:
                return  # closed

        thread = threading.Thread(target=greet)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.mark.parametrize("wall", sorted(ALL_WALLS - {"privileges"}))
def test_each_wall_alone_keeps_the_network_out(wall: str, greeter: int, tmp_path: Path) -> None:
    with Sandbox(walls=frozenset({wall})) as sandbox:
        outcome = sandbox.run(f"{TARGETS}:try_network", {"port": greeter}, workdir=tmp_path)
    assert outcome.walls == ("limits", wall)
    assert outcome.error is not None
    assert outcome.error["class"] in {"PermissionError", "OSError"}


def test_without_walls_the_network_is_there(greeter: int, tmp_path: Path) -> None:
    with Sandbox(walls=frozenset()) as sandbox:
        assert sandbox.run(f"{TARGETS}:try_network", {"port": greeter}, workdir=tmp_path).result == "hello"


@pytest.mark.parametrize("attempt", ["try_fork", "try_program"])
def test_no_process_can_be_started(run: Any, attempt: str) -> None:
    assert run(attempt).error["class"] == "PermissionError"


def test_threads_can_be_started(run: Any) -> None:
    assert run("use_threads").result == 4


def test_only_what_was_given_can_be_read(sandbox: Sandbox, tmp_path: Path) -> None:
    workdir, given, secret = (tmp_path / name for name in ("work", "given", "secret"))
    for folder in (workdir, given, secret):
        folder.mkdir()
        (folder / "file").write_text(folder.name)

    def run(function: str, path: Path) -> Outcome:
        payload = {"path": str(path)}
        return sandbox.run(f"{TARGETS}:{function}", payload, workdir=workdir, readable=[given])

    assert run("read_text", workdir / "file").result == "work"
    assert run("read_text", given / "file").result == "given"
    for attempt in (
        run("read_text", secret / "file"),
        run("write_text", given / "file"),
        run("write_text", secret / "new"),
        run("read_text", Path("/etc/hostname")),
        run("read_text", Path(f"/proc/{os.getpid()}/environ")),
    ):
        assert attempt.error is not None
        assert attempt.error["class"] == "PermissionError"
    assert run("write_text", workdir / "new").ok


@pytest.mark.parametrize("walls", [{"privileges"}, {"namespaces", "privileges"}])
def test_no_privilege_is_left(walls: set[str], tmp_path: Path) -> None:
    with Sandbox(walls=frozenset(walls)) as sandbox:
        outcome = sandbox.run(f"{TARGETS}:privileges", {}, workdir=tmp_path)
    assert set(outcome.walls) == {"limits", *walls}
    # What could be had again by starting a program of root's is gone too, for whoever had it.
    assert outcome.result["CapPrm"] == outcome.result["CapEff"] == outcome.result["CapAmb"] == 0
    assert outcome.result["CapBnd"] == 0 or os.geteuid() != 0


def test_the_folder_somebody_works_in_stays_closed(tmp_path: Path) -> None:
    """`python -m` puts it on the path, so that modules in it can be imported: the models beside them stay closed."""
    here, workdir = tmp_path / "here", tmp_path / "work"
    here.mkdir()
    workdir.mkdir()
    (here / "model.h5").write_text("mine")
    (here / "module_of_mine.py").write_text("def answer(payload):\n    return open(payload['path']).read()\n")
    env = {"PYTHONPATH": os.pathsep.join([str(here), *filter(None, sys.path)])}
    with Sandbox(env=env) as sandbox:

        def read(path: Path) -> Outcome:
            return sandbox.run("module_of_mine:answer", {"path": str(path)}, workdir=workdir)

        refused = read(here / "model.h5")
        assert refused.error is not None
        assert refused.error["class"] == "PermissionError"
        assert read(here / "module_of_mine.py").ok


def test_the_caller_cannot_be_signalled(run: Any) -> None:
    assert run("signal_process", pid=os.getpid()).error["class"] == "PermissionError"


def test_no_credentials_are_within_reach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    monkeypatch.setenv("FLEET_DATABASE_URL", "postgresql://user:hunter2@host/db")
    with Sandbox(["json"], env={"TF_CPP_MIN_LOG_LEVEL": "3"}) as sandbox:
        seen = sandbox.run(f"{TARGETS}:surroundings", {}, workdir=tmp_path).result
    assert seen["environ"]["TF_CPP_MIN_LOG_LEVEL"] == "3"
    assert "hunter2" not in str(seen["environ"]) + str(seen["initial_environ"])
    assert set(seen["environ"]) - {
        "LC_CTYPE"
    } == {  # Python sets that one itself, where the locale is coerced
        *("PATH", "LANG", "HOME", "TMPDIR"),
        *("PYTHONPATH", "PYTHONHASHSEED", "PYTHONNOUSERSITE", "TF_CPP_MIN_LOG_LEVEL"),
    }
    assert seen["home_files"] == []
    assert seen["environ"]["HOME"].startswith(str(tmp_path))
    assert seen["temporary"] == seen["environ"]["HOME"]
    assert seen["cwd"] == str(tmp_path)
    assert seen["stdin"] == ""
    assert len(seen["fds"]) <= 6, "the child holds descriptors of its server"
    assert list(tmp_path.iterdir()) == [], "the child's home stays behind"


# The server


def test_many_threads_share_a_server(run: Any) -> None:
    def call(n: int) -> Any:
        return run("leave", code=9).exit_code if n % 4 == 0 else run("double", value=n).result["double"]

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(call, range(64))) == [9 if n % 4 == 0 else 2 * n for n in range(64)]


def test_calls_run_at_the_same_time(run: Any) -> None:
    started = time.monotonic()
    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(lambda _: run("sleep", seconds=1.0), range(4)))
    assert all(outcome.ok for outcome in outcomes)
    assert time.monotonic() - started < 3


def test_a_killed_server_is_replaced(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    with Sandbox() as sandbox, ThreadPoolExecutor(1) as pool:
        future = pool.submit(
            sandbox.run, f"{TARGETS}:sleep", {"seconds": 60, "mark": str(mark)}, workdir=tmp_path
        )
        child = int(wait_for(mark))
        first = sandbox.server_pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        outcome = future.result(timeout=10)
        assert outcome.error is not None
        assert outcome.error["kind"] == "server-lost"
        assert wait_until_dead(child)
        assert sandbox.run(f"{TARGETS}:double", {"value": 1}, workdir=tmp_path).ok
        assert sandbox.server_pid != first


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    with (
        Sandbox(["no_such_module"]) as sandbox,
        pytest.raises(SandboxError, match="No module named 'no_such_module'"),
    ):
        sandbox.run(f"{TARGETS}:double", {"value": 1}, workdir=tmp_path)


def test_the_caller_does_not_import_what_the_server_does(tmp_path: Path) -> None:
    with Sandbox(["wave"]) as sandbox:
        outcome = sandbox.run(f"{TARGETS}:surroundings", {}, workdir=tmp_path)
    assert "wave" in outcome.result["modules"]
    assert "wave" not in sys.modules


CALLER = """
import sys, threading
from pathlib import Path
from keras2torch.sandbox import Sandbox
sandbox = Sandbox()
sandbox.start()
Path(sys.argv[1], "server").write_text(str(sandbox.server_pid))
payload = {"seconds": 60, "mark": sys.argv[1] + "/child"}
sandbox.run("tests.sandbox.targets:sleep", payload, workdir=Path(sys.argv[1]))
"""


def test_when_the_caller_is_killed_nothing_is_left(tmp_path: Path) -> None:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    with subprocess.Popen([sys.executable, "-c", CALLER, str(tmp_path)], env=env) as caller:
        child, server = int(wait_for(tmp_path / "child")), int(wait_for(tmp_path / "server"))
        assert alive(child)
        assert alive(server)
        caller.kill()
    assert wait_until_dead(child, server)


def test_a_sandbox_outlives_the_thread_that_started_it(tmp_path: Path) -> None:
    """A death signal bound to the starting thread would take the server with it."""
    with Sandbox() as sandbox:
        thread = threading.Thread(target=sandbox.start)
        thread.start()
        thread.join()
        pid = sandbox.server_pid
        assert sandbox.run(f"{TARGETS}:double", {"value": 2}, workdir=tmp_path).ok
        assert sandbox.server_pid == pid
