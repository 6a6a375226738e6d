"""The caller's side: start the server, hand it requests, watch each child and its clock."""

import dataclasses
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from keras2torch.sandbox.call import Call
from keras2torch.sandbox.terms import ALL_WALLS, Limits, Outcome


class SandboxError(RuntimeError):
    """The sandbox's server could not be started."""

    kind = "sandbox-failed"
    exit_code = 1


class Sandbox:
    """A server that has imported `preload`, and confined children of it, one a call.

    Any number of threads may call `run` at once. The server starts at the first call (or at `start`),
    inherits none of this process's environment but what `env` gives it, and is started again when it has
    died. It ends with `close`, with the `with` block, or with this process.
    """

    def __init__(
        self,
        preload: Sequence[str] = (),
        *,
        env: Mapping[str, str] | None = None,
        walls: frozenset[str] = ALL_WALLS,
        start_timeout_s: float = 180.0,
    ) -> None:
        self.preload = tuple(preload)
        self.walls = walls
        self.start_timeout_s = start_timeout_s
        self._env = dict(env or {})
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._starting: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def server_pid(self) -> int | None:
        """The server's process id, or None while there is none."""
        return self._process.pid if self._process else None

    @property
    def started(self) -> bool:
        """Whether there is a server that has imported what it is to preload."""
        return self._process is not None and self._starting is None

    def start(self) -> None:
        """Start the server now, if it is not running. Raises SandboxError."""
        with self._lock:
            self._ensure_running()

    def close(self) -> None:
        """End the server and every child it still has. A later `run` starts a new one.

        A start that is under way fails; imports take long, and nobody wants them any more.
        """
        if (starting := self._starting) is not None:
            starting.kill()
        with self._lock:
            self._drop_server()

    def run(
        self,
        target: str,
        payload: Mapping[str, Any],
        *,
        workdir: Path,
        limits: Limits | None = None,
        readable: Sequence[Path] = (),
        env: Mapping[str, str] | None = None,
        cancel: threading.Event | None = None,
        on_progress: Callable[[dict[str, Any]], None] | None = None,
        on_log: Callable[[bytes], None] | None = None,
    ) -> Outcome:
        """Call `target` ("package.module:function") with `payload` (a JSON object) in a fresh child.

        The child may write beneath `workdir`, its current directory, and read `readable` besides; `env` is set for it
        alone, after the server's imports. `cancel`, once set, kills it. `on_progress` receives what the function gives
        to `progress`, `on_log` what it writes to stdout and stderr; as it comes, and in the calling thread. Failures of
        the function or its process are told by the Outcome; SandboxError is raised when there is no server to ask.
        """
        limits = limits or Limits()
        request = {
            "target": target,
            "workdir": str(Path(workdir).resolve()),
            "readable": [str(Path(path).resolve()) for path in readable],
            "env": dict(env or {}),
            "limits": dataclasses.asdict(limits),
            "walls": sorted(self.walls),
        }
        with ExitStack() as ours, ExitStack() as theirs:
            watch, their_watch = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            ours.enter_context(watch)
            theirs.enter_context(their_watch)
            events, their_events = _pipe(ours, theirs)
            log, their_log = _pipe(ours, theirs)
            argument = theirs.enter_context(_file_holding(payload))
            started = time.monotonic()
            self._send(request, [their_watch.fileno(), argument.fileno(), their_events, their_log])
            theirs.close()  # or the ends of the pipes would never come
            call = Call(watch, events, log, limits)
            call.follow(cancel, on_progress, on_log)
            return call.outcome(time.monotonic() - started)

    def _send(self, request: dict[str, Any], fds: list[int]) -> None:
        message = json.dumps(request).encode()
        with self._lock:
            try:
                socket.send_fds(self._ensure_running(), [message], fds)
            except (BrokenPipeError, ConnectionResetError):  # it died since the last call
                self._drop_server()
                socket.send_fds(self._ensure_running(), [message], fds)

    def _ensure_running(self) -> socket.socket:
        if self._process is not None and self._process.poll() is not None:
            self._drop_server()
        if self._control is None:
            self._start_server()
        assert self._control is not None
        return self._control

    def _start_server(self) -> None:
        control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs, tempfile.TemporaryFile() as log:
            # -P: never import from the current directory. A session of its own: Ctrl-C at the terminal is for
            # the caller.
            self._starting = self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "keras2torch.sandbox", str(theirs.fileno()), *self.preload],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment(),
                start_new_session=True,
            )
            theirs.close()
            self._control = control
            control.settimeout(self.start_timeout_s)
            try:
                ready = control.recv(16) == b"ready"
            except (TimeoutError, ConnectionResetError):
                ready = False
            finally:
                self._starting = None
            control.settimeout(None)
            if not ready:
                self._drop_server()
                log.seek(0)
                said = log.read().decode(errors="replace").strip() or "it said nothing"
                raise SandboxError(
                    f"the server with {', '.join(self.preload) or 'no modules'} did not start: {said}"
                )

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": os.defpath,
            "LANG": "C.UTF-8",
            "HOME": "/nonexistent",
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            "PYTHONHASHSEED": "0",
            "PYTHONNOUSERSITE": "1",
            **self._env,
        }

    def _drop_server(self) -> None:
        if self._control is not None:
            self._control.close()
            self._control = None
        if self._process is not None:
            try:
                self._process.wait(timeout=10.0)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None


def _pipe(ours: ExitStack, theirs: ExitStack) -> tuple[int, int]:
    reader, writer = os.pipe()
    ours.callback(os.close, reader)
    theirs.callback(os.close, writer)
    return reader, writer


def _file_holding(payload: Mapping[str, Any]) -> BinaryIO:
    """The payload in an unnamed file in memory: of any size, and nobody waits while it is read."""
    file = os.fdopen(os.memfd_create("payload"), "w+b")
    file.write(json.dumps(payload).encode())
    file.flush()
    file.seek(0)
    return file
