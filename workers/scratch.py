"""Where a worker's files live while it works: one folder a process, swept clean of what killed ones left."""

import contextlib
import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Self

_PREFIX = "fleet-worker-"


class Scratch:
    """A context holding one worker process's folder beneath `parent` (None: the system's temporary folder).

    The lock in each folder is the kernel's: it is free exactly when the folder's owner is dead.
    """

    def __init__(self, parent: Path | None = None) -> None:
        self._parent = parent or Path(tempfile.gettempdir())
        self._lock: IO[str] | None = None
        self._folder: Path | None = None

    def __enter__(self) -> Self:
        self._parent.mkdir(parents=True, exist_ok=True)
        self._sweep()
        while self._lock is None:
            self._folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=self._parent))
            lock = (self._folder / "lock").open("w")
            fcntl.flock(lock, fcntl.LOCK_EX)
            # A worker that starts at the same moment may have found it before it was locked, and swept it away.
            if self._folder.exists():
                self._lock = lock
            else:
                lock.close()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._lock is not None
        assert self._folder is not None
        shutil.rmtree(self._folder, ignore_errors=True)
        self._lock.close()

    @contextlib.contextmanager
    def desk(self, job_id: int, fence: int) -> Iterator[Path]:
        """An empty folder for one attempt, gone afterwards."""
        assert self._folder is not None
        folder = self._folder / f"job-{job_id}-{fence}"
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _sweep(self) -> None:
        for folder in self._parent.glob(f"{_PREFIX}*"):
            with (
                contextlib.suppress(FileNotFoundError, BlockingIOError, PermissionError),
                (folder / "lock").open() as lock,
            ):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
