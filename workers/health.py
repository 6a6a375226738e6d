"""Two files that say how a worker or scheduler is, for whoever watches its container: no broker is asked, no code is
loaded.

`alive` is touched at every beat by a thread of its own, whatever database and broker do: a process that waits for them
must not be restarted for it. `ready` is there, and touched, while a worker's row in the database could be written and
it takes jobs, or while a scheduler finds the jobs that are due and can ring for them.
"""

import contextlib
import threading
from pathlib import Path
from types import TracebackType
from typing import Self


class Health:
    """A context that keeps `alive` fresh in `folder` and leaves nothing behind; without a folder it does nothing."""

    def __init__(self, folder: Path | None, seconds: float) -> None:
        self._folder = folder
        self._seconds = seconds
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="health", daemon=True)

    def __enter__(self) -> Self:
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._touch("alive")
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed.set()
        if self._folder is not None:
            self._thread.join()
            self._remove("ready")
            self._remove("alive")

    def ready(self, is_ready: bool) -> None:
        """Whether this process could do its work just now: for a worker, write to the database and take a job."""
        if self._folder is not None:
            (self._touch if is_ready else self._remove)("ready")

    def _beat(self) -> None:
        while not self._closed.wait(self._seconds):
            self._touch("alive")

    # A full or failing disk is for those who watch to see: the file is old, then.
    def _touch(self, name: str) -> None:
        assert self._folder is not None
        with contextlib.suppress(OSError):
            (self._folder / name).touch()

    def _remove(self, name: str) -> None:
        assert self._folder is not None
        with contextlib.suppress(OSError):
            (self._folder / name).unlink(missing_ok=True)
