"""The child: confine yourself, call the function, report, end. It never returns into the server's code."""

import faulthandler
import importlib
import json
import os
import shutil
import signal
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any, NoReturn

from keras2torch.sandbox import confine

_events_fd: int | None = None


def progress(**fields: Any) -> None:
    """Tell the caller how far the function has come; does nothing outside a sandbox."""
    if _events_fd is not None:
        _report({"progress": fields})


def run_child(request: dict[str, Any], payload_fd: int, events_fd: int, log_fd: int) -> NoReturn:
    """Run `request["target"]` on the payload and end the process: 0 after a result, 1 after an error."""
    code = 1
    try:
        code = _run(request, payload_fd, events_fd, log_fd)
    except BaseException:  # noqa: BLE001  nothing may pass into the server's code
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _run(request: dict[str, Any], payload_fd: int, events_fd: int, log_fd: int) -> int:
    global _events_fd  # noqa: PLW0603  set once in the life of this process
    _events_fd = events_fd
    os.setpgid(0, 0)
    confine.die_with_parent(request["server"])
    _redirect(log_fd)
    workdir = Path(request["workdir"])
    home = Path(tempfile.mkdtemp(prefix=".home-", dir=workdir))
    os.chdir(workdir)
    os.environ.update(request["env"], HOME=str(home), TMPDIR=str(home))
    tempfile.tempdir = str(home)
    with open(payload_fd, encoding="utf-8") as file:
        payload = json.load(file)
    readable = [Path(path) for path in request["readable"]]
    _report(
        {"walls": confine.confine(request["limits"], request["walls"], writable=[workdir], readable=readable)}
    )
    try:
        module, _, function = request["target"].partition(":")
        result = getattr(importlib.import_module(module), function)(payload)
    except BaseException as error:  # noqa: BLE001  SystemExit too: it is for the caller to judge
        traceback.print_exc()
        _report({"error": _describe(error)})
        return 1
    finally:
        shutil.rmtree(home, ignore_errors=True)
    try:
        _report({"result": result})
    except (TypeError, ValueError) as error:
        _report({"error": {**_describe(error), "kind": "bad-result"}})
        return 1
    return 0


def _redirect(log_fd: int) -> None:
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(log_fd, 1)
    os.dup2(log_fd, 2)
    os.close(null)
    os.close(log_fd)
    # Not closed: they are this process's to the end.
    sys.stdout = open(1, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    faulthandler.enable()


def _describe(error: BaseException) -> dict[str, Any]:
    kind = "out-of-memory" if isinstance(error, MemoryError) else getattr(error, "kind", "exception")
    return {
        "class": type(error).__name__,
        "message": str(error) or type(error).__name__,
        "kind": str(kind),
        "exit_code": int(getattr(error, "exit_code", 1)),
    }


def _report(event: dict[str, Any]) -> None:
    assert _events_fd is not None
    line = memoryview(json.dumps(event, allow_nan=True).encode() + b"\n")
    while line:
        line = line[os.write(_events_fd, line) :]
