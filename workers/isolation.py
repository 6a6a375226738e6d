"""The sandboxes a worker keeps, and what a child in them may use.

Four servers, because of who may not meet whom: the engine's parser sees the stranger's file and needs
neither torch nor TensorFlow; torch and TensorFlow in one process abort (their copies of LLVM clash);
`keras` and `tf_keras` claim the same names. A server starts when the first job needs it, so a run over
Keras 3 files alone never loads `tf_keras`.
"""

import contextlib
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from keras2torch.parity.verify import ENVIRONMENT
from keras2torch.parity.verify import PRELOAD as PARITY_PRELOAD
from keras2torch.sandbox import Limits, Outcome, Sandbox, SandboxError
from workers import errors, machine, symptoms

ENGINE = "engine"
TORCH = "torch"
#: Runs one step: (server, target, payload, workdir=, readable=) to what the step returned.
Run = Callable[..., Any]


def _step_in(server: str) -> str:
    """The module whose function runs there: imported once, not in every child."""
    return f"keras2torch.parity.{'candidate' if server == TORCH else 'reference'}"


PRELOAD: Mapping[str, tuple[str, ...]] = {
    ENGINE: ("workers.steps",),
    **{name: (*modules, _step_in(name)) for name, modules in PARITY_PRELOAD.items()},
}

#: How soon a job that waits for a server's imports hears that it is to stop.
_POLL_SECONDS = 0.05


class Sandboxes:
    """A context holding every server; closing it ends them and whatever runs in them."""

    def __init__(self, *, memory_bytes: int) -> None:
        self._memory_bytes = memory_bytes
        self._servers = {name: Sandbox(preload, env=_environment(name)) for name, preload in PRELOAD.items()}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for server in self._servers.values():
            server.close()

    def warm(self) -> None:
        """Start, in the background, the two servers that every job needs."""
        for name in (ENGINE, TORCH):
            stop = threading.Event()
            threading.Thread(target=self._await, args=(name, stop), name=f"warm-{name}", daemon=True).start()

    def run(
        self,
        server: str,
        target: str,
        payload: Mapping[str, Any],
        *,
        stage: str,
        workdir: Path,
        readable: tuple[Path, ...] = (),
        seconds: float,
        stop: threading.Event,
        env: Mapping[str, str] | None = None,
        memory_bytes: int | None = None,
        on_progress: Callable[[dict[str, Any]], None] | None = None,
        on_log: Callable[[bytes], None] | None = None,
    ) -> Outcome:
        """Run `target` in a fresh child of `server`, for `seconds` at most; the outcome is that of a success.

        `env` is for that child alone, `memory_bytes` what it may allocate where that is not what all may.

        Raises:
            Stopped: `stop` was set, and the child is gone.
            OutOfMemory: it wanted more than there was.
            DeviceFailed: its GPU failed.
            ChildDied: by a signal, or out of time.
            ChildCannotWrite: the scratch disk is full or failing.
            ChildFailed: the function raised.
        """
        limits = Limits(wall_s=max(seconds, 0.1), memory_bytes=memory_bytes or self._memory_bytes)
        self._await(server, stop)
        if stop.is_set():
            raise errors.Stopped(f"{stage}: stopped")
        killed_before = machine.oom_kills()
        outcome = self._servers[server].run(
            target,
            payload,
            workdir=workdir,
            readable=readable,
            env=env,
            limits=limits,
            cancel=stop,
            on_progress=on_progress,
            on_log=on_log,
        )
        if outcome.cancelled:
            raise errors.Stopped(f"{stage}: stopped")
        if outcome.error is None:
            return outcome
        raise symptoms.error_of(stage, outcome, oom_kills=machine.oom_kills() - killed_before)

    def _await(self, name: str, stop: threading.Event) -> None:
        """Return once the server runs, or will tell why not; a job that is told to stop waits for no imports."""
        started = threading.Event()

        def start() -> None:
            # Whoever calls the server next meets the same error, and has somewhere to report it.
            with contextlib.suppress(SandboxError):
                self._servers[name].start()
            started.set()

        if not self._servers[name].started:
            threading.Thread(target=start, name=f"start-{name}", daemon=True).start()
            while not stop.is_set() and not started.wait(_POLL_SECONDS):
                continue


def _environment(server: str) -> Mapping[str, str]:
    # TensorFlow takes every GPU it sees, and torch must see the one it is asked to use.
    return ENVIRONMENT if server == TORCH else {**ENVIRONMENT, "CUDA_VISIBLE_DEVICES": "-1"}
