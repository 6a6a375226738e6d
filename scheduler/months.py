"""Makes room for the events of the months to come, where the database keeps each month by itself."""

from sqlalchemy.orm import Session, sessionmaker

from db.queries import event_months


class Months:
    """One duty of the scheduler."""

    def __init__(self, sessions: sessionmaker[Session]) -> None:
        self._sessions = sessions

    def run_once(self) -> int:
        """Make what is missing of this month and the next two; returns how many."""
        with self._sessions.begin() as session:
            return len(event_months.make_ahead(session))
