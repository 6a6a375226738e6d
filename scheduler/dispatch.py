"""Rings for jobs that are due: no more messages than the window allows, in the order of priority.

The broker is told first, then the database. A crash in between costs a second message, which the claim turns
away; and whatever is not claimed within `resend_after_seconds` is rung for again, which makes up for every
message the broker loses.
"""

from sqlalchemy.orm import Session, sessionmaker

from db.queries import dispatch
from workers.inbox import Sender


class Dispatcher:
    """One duty of the scheduler."""

    def __init__(
        self, sessions: sessionmaker[Session], send: Sender, *, window: int, resend_after_seconds: float
    ) -> None:
        self._sessions = sessions
        self._send = send
        self._window = window
        self._resend_after = resend_after_seconds
        self._broker_is_empty = False

    def run_once(self) -> int:
        """Send what is due; returns how many messages went out."""
        resend_after = 0 if self._broker_is_empty else self._resend_after
        with self._sessions.begin() as session:
            due = dispatch.due_for_dispatch(session, self._window, resend_after)
        if due:
            self._send((job.job_id, job.queue) for job in due)
            with self._sessions.begin() as session:
                dispatch.mark_dispatched(session, [job.job_id for job in due])
        self._broker_is_empty = False
        return len(due)

    def broker_is_empty(self) -> None:
        """Whatever was sent before is known to be gone: the next round sends it anew."""
        self._broker_is_empty = True
