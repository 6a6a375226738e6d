"""The worker process that a migration runs on its own machine, kept alive."""

import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from sqlalchemy.orm import Session, sessionmaker

from db.queries import jobs, queue, reap
from db.states import AttemptOutcome
from fleet.errors import FleetError
from fleet.processes import Child
from workers.identity import new_worker_id

ROOT = Path(__file__).resolve().parents[1]
#: A worker that dies so often within a minute of its start will not come right by itself.
_QUICK_DEATHS = 5
_QUICK_SECONDS = 60.0
_IDLE_STOP_SECONDS = 10.0


class Crew:
    """One worker process of `slots` threads; when it dies, its jobs are taken back and another is started."""

    def __init__(
        self, sessions: sessionmaker[Session], *, slots: int, environment: Mapping[str, str], log: Path
    ) -> None:
        self._sessions = sessions
        self._slots = slots
        self._environment = {**os.environ, **environment, "PYTHONPATH": str(ROOT)}
        self._log = log
        self._worker: Child | None = None
        self._worker_id = ""
        self._started_at = 0.0
        self._quick_deaths = 0

    def start(self) -> None:
        """Start a worker process."""
        self._worker_id = new_worker_id()
        argv = [sys.executable, "-P", "-m", "fleet.cli", "worker"]
        argv += ["--workers", str(self._slots), "--id", self._worker_id]
        self._worker = Child("worker", argv, self._log, self._environment)
        self._worker.start()
        self._started_at = time.monotonic()

    def is_running(self) -> bool:
        """Whether there is a live worker process."""
        return self._worker is not None and self._worker.exit_code() is None

    def look_after(self) -> str | None:
        """Replace the worker if it has died; returns what to tell the person watching, if anything.

        Raises:
            FleetError: it keeps dying.
        """
        if self._worker is None or (code := self._worker.exit_code()) is None:
            return None
        quick = time.monotonic() - self._started_at < _QUICK_SECONDS
        self._quick_deaths = self._quick_deaths + 1 if quick else 0
        if self._quick_deaths >= _QUICK_DEATHS:
            words = self._worker.last_words() or "it said nothing"
            raise FleetError(f"the worker keeps dying, see {self._log}: {words}")
        with self._sessions.begin() as session:
            lost = reap.reap(session, dead_workers=[self._worker_id])
        self.start()
        how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        return f"the worker process {how}; {len(lost)} jobs taken back, another one started"

    def drain(self) -> None:
        """Tell the worker to finish or hand back what it has, and to take nothing new."""
        if self._worker is not None:
            self._worker.terminate()

    def go_home(self) -> None:
        """Stop the idle worker in good order."""
        if self._worker is not None:
            self._worker.stop(_IDLE_STOP_SECONDS)

    def dismiss(self) -> None:
        """Kill the worker now; what it was doing goes back to the queue and counts against no job."""
        if self._worker is None:
            return
        self._worker.kill()
        with self._sessions.begin() as session:
            for job in jobs.running(session):
                if job.worker_id == self._worker_id:
                    queue.release(session, job.job_id, job.fence, outcome=AttemptOutcome.DRAINED)
