"""One call, seen from the caller: read what the child sends, keep its clock, say how it ended."""

import contextlib
import json
import os
import selectors
import signal
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from keras2torch.sandbox.terms import Limits, Outcome

CANCEL_POLL_S = 0.05
CHUNK = 1 << 16


class Call:
    """Follows one child over the three descriptors its server answers on."""

    def __init__(self, watch: socket.socket, events: int, log: int, limits: Limits) -> None:
        self.watch, self.events, self.log = watch, events, log
        self.limits = limits
        self.pid: int | None = None
        self.exit: dict[str, int] | None = None
        self.walls: tuple[str, ...] = ()
        self.result: Any = None
        self.error: dict[str, Any] | None = None
        self.returned = self.timed_out = self.cancelled = self.lost = False
        self._log_tail: deque[bytes] = deque()
        self._log_bytes = 0
        self._unread = bytearray()
        self._received = 0
        self._on_progress: Callable[[dict[str, Any]], None] | None = None
        self._on_log: Callable[[bytes], None] | None = None

    def follow(
        self,
        cancel: threading.Event | None,
        on_progress: Callable[[dict[str, Any]], None] | None,
        on_log: Callable[[bytes], None] | None,
    ) -> None:
        """Return when the child and all it started have ended."""
        self._on_progress = on_progress
        self._on_log = on_log
        stop_at = time.monotonic() + self.limits.wall_s
        stopping = False
        with selectors.DefaultSelector() as selector:
            for source in (self.watch, self.events, self.log):
                selector.register(source, selectors.EVENT_READ)
            while self.exit is None and not self.lost:
                wait = max(stop_at - time.monotonic(), 0.0)
                for key, _ in selector.select(min(wait, CANCEL_POLL_S) if cancel and not stopping else wait):
                    if key.fileobj is self.watch:
                        self._read_watch()
                    elif not self._read_pipe(key.fd):
                        selector.unregister(key.fd)
                if not stopping and cancel is not None and cancel.is_set():
                    self.cancelled = True
                elif not stopping and time.monotonic() >= stop_at:
                    self.timed_out = True
                elif not stopping or time.monotonic() < stop_at:
                    continue
                self._order(b"K" if stopping else b"T")
                stop_at = time.monotonic() + self.limits.grace_s
                stopping = True
        for pipe in (self.events, self.log):
            os.set_blocking(pipe, False)
            while self._read_pipe(pipe):
                continue

    def outcome(self, wall_s: float) -> Outcome:
        """What to tell the caller. A function that returned has succeeded, even if time ran out just then."""
        code = self.exit["code"] if self.exit else None
        error = None if self.returned and not self.error else self._failure(code)
        return Outcome(
            result=self.result if error is None else None,
            error=error,
            exit_code=code if code is not None and code >= 0 else None,
            signal=-code if code is not None and code < 0 else None,
            max_rss=self.exit["max_rss"] if self.exit else 0,
            wall_s=wall_s,
            log_tail=b"".join(self._log_tail)[-self.limits.log_bytes :].decode(errors="replace"),
            timed_out=error is not None and error["kind"] == "timed-out",
            cancelled=error is not None and error["kind"] == "cancelled",
            walls=self.walls,
        )

    def _failure(self, code: int | None) -> dict[str, Any]:
        def failure(kind: str, message: str) -> dict[str, Any]:
            return {"class": "SandboxFailure", "message": message, "kind": kind, "exit_code": 1}

        if self.error is not None:
            return self.error
        if self.cancelled:
            return failure("cancelled", "cancelled by the caller")
        if self.timed_out:
            return failure("timed-out", f"still running after {self.limits.wall_s:g} s")
        if code is None:
            return failure("server-lost", "the sandbox's server died during the call")
        if -code == signal.SIGXCPU:
            return failure("timed-out", f"used more than {self.limits.cpu_s} s of processor time")
        if code < 0:
            return failure("crashed", f"killed by {signal.Signals(-code).name}")
        return failure("exited", f"ended with exit code {code} before returning")

    def _order(self, order: bytes) -> None:
        # If the server is gone, the next read of `watch` says so.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.watch.send(order)

    def _read_watch(self) -> None:
        try:
            message = self.watch.recv(CHUNK)
        except ConnectionResetError:
            message = b""
        if not message:
            self.lost = True
            # The child dies with its server; what it had started may not, and shares its group.
            if self.pid is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self.pid, signal.SIGKILL)
            return
        news = json.loads(message)
        if "pid" in news:
            self.pid = news["pid"]
        else:
            self.exit = news

    def _read_pipe(self, fd: int) -> bool:
        """Read what there is. False at the end of the pipe, or when it is empty and not blocking."""
        try:
            chunk = os.read(fd, CHUNK)
        except BlockingIOError:
            return False
        if fd == self.log:
            if self._on_log is not None:
                self._on_log(chunk)
            self._log_tail.append(chunk)
            self._log_bytes += len(chunk)
            # Whole chunks only: a child may write gigabytes, and none of them may be copied for it.
            while (
                len(self._log_tail) > 1 and self._log_bytes - len(self._log_tail[0]) >= self.limits.log_bytes
            ):
                self._log_bytes -= len(self._log_tail.popleft())
        else:
            self._take_events(chunk)
        return bool(chunk)

    def _take_events(self, chunk: bytes) -> None:
        self._received += len(chunk)
        if self._received > self.limits.result_bytes:
            self._refuse(f"sent more than {self.limits.result_bytes} bytes")
            return
        *lines, rest = chunk.split(b"\n")
        for line in lines:
            self._unread += line
            self._take_event(bytes(self._unread))
            self._unread.clear()
        self._unread += rest

    def _take_event(self, line: bytes) -> None:
        # The child may have been taken over by what it works on: nothing it says may break the caller.
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            event = None
        match event:
            case {"progress": dict() as fields}:
                if self._on_progress is not None:
                    self._on_progress(fields)
            case {"walls": list() as walls}:
                self.walls = tuple(str(wall) for wall in walls)
            case {"result": result}:
                self.result, self.returned = result, True
            case {"error": {"class": str(), "message": str(), "kind": str(), "exit_code": int()} as error}:
                self.error = error
            case _:
                self._refuse("sent what is not a message")

    def _refuse(self, message: str) -> None:
        self.error = {"class": "SandboxFailure", "message": message, "kind": "bad-result", "exit_code": 1}
        self._unread.clear()
        self._order(b"K")
