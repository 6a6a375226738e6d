"""Does the acts that were asked for, in a thread of its own; one that a dead process left is taken over."""

import logging
import threading

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from db.queries import operations
from db.search import BadSearch

log = logging.getLogger(__name__)

_KEPT_SECONDS = 60.0
"""A step takes a second or two; whoever is silent for so long is gone."""
_LOOK_SECONDS = 5.0


class Runner:
    """Looks for acts every few seconds, and at once when told to hurry."""

    def __init__(self, reads: sessionmaker[Session], writes: sessionmaker[Session]) -> None:
        self._reads = reads
        self._sessions = writes
        self._wake = threading.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin, in a thread."""
        self._thread = threading.Thread(target=self._run, name="operations", daemon=True)
        self._thread.start()

    def hurry(self) -> None:
        """There is something to do."""
        self._wake.set()

    def stop(self) -> None:
        """End after the step at hand; another process goes on, or this one when it is started again."""
        self._stopping = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout=30)

    def run_once(self) -> bool:
        """Do one act to its end, or until told to stop; False: there was none."""
        # Looked for first: a transaction that writes, every few seconds, would be in SQLite's way.
        with self._reads() as session:
            if not operations.any_free(session):
                return False
        with self._sessions.begin() as session:
            operation_id = operations.claim(session, _KEPT_SECONDS)
        if operation_id is None:
            return False
        going = True
        while going and not self._stopping:
            try:
                with self._sessions.begin() as session:
                    going = operations.step(session, operation_id, _KEPT_SECONDS)
            except BadSearch as error:
                # Asked for by another version, whose filters this one does not know.
                with self._sessions.begin() as session:
                    operations.give_up(session, operation_id, str(error))
                going = False
        return True

    def _run(self) -> None:
        while not self._stopping:
            try:
                if self.run_once():
                    continue
            except SQLAlchemyError as error:
                log.warning("operations: %s", str(error).splitlines()[0])
            self._wake.wait(_LOOK_SECONDS)
            self._wake.clear()
