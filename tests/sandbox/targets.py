"""What the sandboxed children of the tests do."""

import ctypes
import json
import mmap
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from keras2torch.sandbox import progress


class RefusalError(Exception):
    kind = "wrong-shape"
    exit_code = 3


def double(payload: dict[str, Any]) -> dict[str, Any]:
    return {"double": payload["value"] * 2}


def echo_size(payload: dict[str, Any]) -> int:
    return len(payload["text"])


def return_text(payload: dict[str, Any]) -> str:
    return "x" * int(payload["size"])


def return_object(payload: dict[str, Any]) -> object:
    return object()


def refuse(payload: dict[str, Any]) -> None:
    raise RefusalError("dense/kernel: expected (2, 3), found (3, 2)")


def privileges(payload: dict[str, Any]) -> dict[str, int]:
    status = Path("/proc/self/status").read_text()
    return {
        line.split(":")[0]: int(line.split()[1], 16) for line in status.splitlines() if line.startswith("Cap")
    }


def leave(payload: dict[str, Any]) -> None:
    os._exit(payload["code"])


def exit_politely(payload: dict[str, Any]) -> None:
    sys.exit(4)


def crash(payload: dict[str, Any]) -> None:
    ctypes.string_at(0)


def lose_pages(payload: dict[str, Any]) -> int:
    """Read a mapped file that somebody cut off."""
    path = Path("mapped")
    path.write_bytes(bytes(1 << 20))
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        os.truncate(path, 0)
        return mapped[1 << 19]


def chatter(payload: dict[str, Any]) -> str:
    for _ in range(payload["lines"]):
        print("x" * 1023)
    os.write(1, b"\xff\xfe not text\n")
    print("the last line")
    return "done"


def report_progress(payload: dict[str, Any]) -> None:
    for step in range(3):
        progress(step=step)


def speak_nonsense(payload: dict[str, Any]) -> None:
    for fd in range(3, 64):
        try:
            if Path(f"/proc/self/fd/{fd}").readlink().name.startswith("pipe:"):
                os.write(fd, b"[" * 100_000 + b"\n")
        except OSError:
            continue
    time.sleep(60)


def allocate(payload: dict[str, Any]) -> int:
    return len(bytearray(payload["bytes"]))


def write_file(payload: dict[str, Any]) -> int:
    with Path("big").open("wb") as file:
        return file.write(b"\0" * payload["bytes"])


def sleep(payload: dict[str, Any]) -> str:
    if payload.get("mark"):
        Path(payload["mark"]).write_text(str(os.getpid()))
    if payload.get("ignore_term"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(payload["seconds"])
    return "slept"


def burn(payload: dict[str, Any]) -> None:
    while True:
        sum(range(10_000))


def fork_family(payload: dict[str, Any]) -> None:
    """A child, and a daemon in a session of its own, both of which ignore SIGTERM; then wait or return."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    read, write = os.pipe()
    if os.fork() == 0:
        os.write(write, f"{os.getpid()} ".encode())
        time.sleep(60)
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.write(write, f"{os.getpid()} ".encode())
            time.sleep(60)
        os._exit(0)
    pids = b""
    while pids.count(b" ") < 2:
        pids += os.read(read, 64)
    Path(payload["pids"]).write_text(f"{pids.decode()}{os.getpid()}")
    if payload["then"] == "hang":
        time.sleep(60)


def try_network(payload: dict[str, Any]) -> str:
    with socket.socket() as client:
        client.settimeout(5)
        client.connect(("127.0.0.1", payload["port"]))
        return client.recv(5).decode()


def try_fork(payload: dict[str, Any]) -> None:
    os.fork()


def try_program(payload: dict[str, Any]) -> None:
    subprocess.run(["/bin/true"], check=True)


def use_threads(payload: dict[str, Any]) -> int:
    seen: list[int] = []
    threads = [threading.Thread(target=seen.append, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(seen)


def read_text(payload: dict[str, Any]) -> str:
    return Path(payload["path"]).read_text()


def write_text(payload: dict[str, Any]) -> None:
    Path(payload["path"]).write_text("mine")


def signal_process(payload: dict[str, Any]) -> None:
    os.kill(payload["pid"], 0)


def surroundings(payload: dict[str, Any]) -> dict[str, Any]:
    home = Path(os.environ["HOME"])
    return {
        "environ": dict(os.environ),
        "initial_environ": Path("/proc/self/environ").read_text().split("\0"),
        "home_files": [path.name for path in home.rglob("*")],
        "temporary": tempfile.gettempdir(),
        "cwd": str(Path.cwd()),
        "stdin": sys.stdin.read(),
        "modules": sorted(sys.modules),
        "fds": sorted(int(path.name) for path in Path("/proc/self/fd").iterdir()),
        "json": json.__name__,
    }


def open_each(payload: dict[str, Any]) -> dict[str, str]:
    """Path -> "opened", or what kind of error kept it shut."""
    found = {}
    for path in payload["paths"]:
        try:
            Path(path).open("rb").close()
        except OSError as error:
            found[path] = type(error).__name__
        else:
            found[path] = "opened"
    return found
