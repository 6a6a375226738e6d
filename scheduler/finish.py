"""Ends the batches of which nothing is left to do."""

from sqlalchemy.orm import Session, sessionmaker

from db.queries import inventory


class Finisher:
    """One duty of the scheduler."""

    def __init__(self, sessions: sessionmaker[Session]) -> None:
        self._sessions = sessions

    def run_once(self) -> int:
        """Close every batch that is planned and done; returns how many."""
        with self._sessions() as session:
            open_now = inventory.running_batches(session)
        closed = 0
        for batch in open_now:
            with self._sessions.begin() as session:
                closed += inventory.close_batch(session, batch)
        return closed
