"""What the caller, the server and the child agree on."""

from dataclasses import dataclass
from typing import Any

ALL_WALLS = frozenset({"namespaces", "privileges", "landlock", "seccomp"})
"""The walls a child puts up round itself; each stands only where the kernel grants it (see
`Outcome.walls`)."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one call may use.

    `memory_bytes` counts what the call itself allocates, beyond what the server had preloaded. It is enforced
    as RLIMIT_DATA: RLIMIT_AS would count the gigabytes of address space that TensorFlow and CUDA reserve and
    never touch, while RLIMIT_DATA counts private writable memory only, so an allocation too many fails inside
    the child (a MemoryError, or an abort from C++), with no watcher to poll and no race to lose.

    `processes` counts threads too.

    `cpu_s` of None is no limit other than the wall clock. `grace_s` is the time between SIGTERM and SIGKILL.
    """

    wall_s: float = 600.0
    cpu_s: int | None = None
    memory_bytes: int = 4 << 30
    file_bytes: int = 16 << 30
    open_files: int = 1024
    processes: int = 4096
    log_bytes: int = 256 << 10
    result_bytes: int = 64 << 20
    grace_s: float = 2.0


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a call ended. `error` is None exactly when the function returned, and `result` is what it returned.

    `error` has the keys `class`, `message`, `kind` and `exit_code`. Its kind is that of the exception raised,
    or one of `timed-out`, `cancelled`, `out-of-memory`, `crashed` (killed by a signal), `exited` (left
    without a result), `bad-result` (not JSON, or too large), `server-lost`. `exit_code` is None when `signal`
    is not. `max_rss` is in bytes and includes the preloaded pages the child touched. `walls` names the
    confinements that stood, `log_tail` is the end of what the child wrote to stdout and stderr.
    """

    result: Any
    error: dict[str, Any] | None
    exit_code: int | None
    signal: int | None
    max_rss: int
    wall_s: float
    log_tail: str
    timed_out: bool
    cancelled: bool
    walls: tuple[str, ...]

    @property
    def ok(self) -> bool:
        return self.error is None
