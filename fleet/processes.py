"""Child processes of the operator's command: in their own session, logged to a file, never left behind.

A session of their own, so that Ctrl-C in the terminal reaches the command alone, which then stops its
children in order. On Linux the kernel also ends them when the command dies in a way that lets it clean
nothing up.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO

_PR_SET_PDEATHSIG = 1


class Child:
    """One child process, its log (None: it says what it has to say where we do) and its end.

    Start it from the main thread: the kernel takes the end of the thread that started it for the parent's
    death.
    """

    def __init__(
        self, name: str, argv: Sequence[str], log: Path | None, env: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self.log = log
        self._argv = list(argv)
        self._env = dict(env) if env is not None else None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id; the child must have been started."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it, or start it again after its end."""
        with self._opened() as log:
            self._process = subprocess.Popen(
                self._argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._env,
                start_new_session=True,
                preexec_fn=_end_with_parent(),  # noqa: PLW1509 - called from the main thread only, see the class
            )

    def exit_code(self) -> int | None:
        """The exit code; negative: the signal that ended it; None: it runs."""
        assert self._process is not None
        return self._process.poll()

    def terminate(self) -> None:
        """Ask it to stop."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it and everything it started, now."""
        if self._process is not None and self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def stop(self, grace_seconds: float) -> None:
        """Ask it to stop; kill it when it still runs after `grace_seconds`."""
        if self._process is None:
            return
        self.terminate()
        try:
            self._process.wait(grace_seconds)
        except subprocess.TimeoutExpired:
            self.kill()

    def last_words(self, characters: int = 300) -> str:
        """The end of its log on one line, for an error message."""
        try:
            text = self.log.read_text(errors="replace") if self.log is not None else ""
        except FileNotFoundError:
            return ""
        return " | ".join(line.strip() for line in text[-characters:].splitlines() if line.strip())

    def _opened(self) -> AbstractContextManager[IO[bytes] | None]:
        if self.log is None:
            return contextlib.nullcontext()
        self.log.parent.mkdir(parents=True, exist_ok=True)
        return self.log.open("ab")

    def _signal(self, number: int) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)


def _end_with_parent() -> Callable[[], None] | None:
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    parent = os.getpid()

    def ask_kernel() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # the parent died before the kernel was asked
            os._exit(1)

    return ask_kernel
