"""The sandboxes a worker keeps, and what a child in them may use.

Four servers, because of who may not meet whom: the engine's parser sees the stranger's file and needs
neither torch nor TensorFlow; torch and TensorFlow in one process abort (their copies of LLVM clash);
`keras` and `tf_keras` claim the same names. A server starts when the first job needs it, so a run over
Keras 3 files alone never loads `tf_keras`.
"""

import contextlib
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from keras2torch.parity.verify import ENVIRONMENT
from keras2torch.parity.verify import PRELOAD as PARITY_PRELOAD
from keras2torch.sandbox import Limits, Outcome, Sandbox, SandboxError
from workers import errors

ENGINE = "engine"
TORCH = "torch"


def _step_in(server: str) -> str:
    """The module whose function runs there: imported once, not in every child."""
    return f"keras2torch.parity.{'candidate' if server == TORCH else 'reference'}"


PRELOAD: Mapping[str, tuple[str, ...]] = {
    ENGINE: ("workers.steps",),
    **{name: (*modules, _step_in(name)) for name, modules in PARITY_PRELOAD.items()},
}

#: Kinds of error by which the sandbox says that the process, not the function, came to an end.
_DEATHS = frozenset({"timed-out", "out-of-memory", "crashed", "exited", "server-lost"})


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
            threading.Thread(target=self._warm, args=(name,), name=f"warm-{name}", daemon=True).start()

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
    ) -> Outcome:
        """Run `target` in a fresh child of `server`, for `seconds` at most; the outcome is that of a success.

        Raises:
            Stopped: `stop` was set, and the child is gone.
            ChildDied: by a signal, for want of memory, or out of time.
            ChildCannotWrite: the scratch disk is full or failing.
            ChildFailed: the function raised.
        """
        limits = Limits(wall_s=max(seconds, 0.1), memory_bytes=self._memory_bytes)
        outcome = self._servers[server].run(
            target, payload, workdir=workdir, readable=readable, limits=limits, cancel=stop
        )
        if outcome.cancelled:
            raise errors.Stopped(f"{stage}: stopped")
        if outcome.error is None:
            return outcome
        if outcome.signal is not None or outcome.timed_out or outcome.error["kind"] in _DEATHS:
            raise errors.ChildDied(stage, outcome)
        if outcome.error["kind"] == "cannot-write":
            raise errors.ChildCannotWrite(stage, outcome)
        raise errors.ChildFailed(stage, outcome)

    def _warm(self, name: str) -> None:
        # The first job to need the server meets the same error, and has somewhere to report it.
        with contextlib.suppress(SandboxError):
            self._servers[name].start()


def _environment(server: str) -> Mapping[str, str]:
    # TensorFlow takes every GPU it sees, and torch must see the one it is asked to use.
    return ENVIRONMENT if server == TORCH else {**ENVIRONMENT, "CUDA_VISIBLE_DEVICES": "-1"}
