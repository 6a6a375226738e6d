"""Deletes what is older than the operator wants to keep, in small pieces, or whole months at once."""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy.orm import Session, sessionmaker

from db.queries import event_months, retention
from storage.store import ObjectStore

_DAY = 86400.0
_AT_ONCE = 500
#: Of each kind in one round: a first round on a large database must not keep the other duties waiting.
_PIECES = 20


@dataclass(frozen=True, kw_only=True)
class Keep:
    """How many days to keep what; None: for ever."""

    events_days: float | None = None
    """Events, and notifications that were delivered. Months of events go when all of the month is so old."""
    attempts_days: float | None = None
    """All attempts but the newest of each job; their logs go before them."""
    logs_days: float | None = None
    workers_days: float | None = None
    """Since they were last heard of."""


class Retention:
    """One duty of the scheduler."""

    def __init__(
        self, sessions: sessionmaker[Session], open_store: Callable[[str], ObjectStore], keep: Keep
    ) -> None:
        self._sessions = sessions
        self._open_store = open_store
        self._keep = keep

    def run_once(self) -> int:
        """Delete what is due; returns how many rows, logs and months went."""
        keep, gone = self._keep, 0
        given = [days for days in (keep.logs_days, keep.attempts_days) if days is not None]
        if given:
            gone += self._in_pieces(self._logs, min(given))
            gone += self._in_pieces(self._rows(retention.forget_tails), min(given))
        if keep.attempts_days is not None:
            gone += self._in_pieces(self._rows(retention.delete_attempts), keep.attempts_days)
        if keep.events_days is not None:
            gone += self._in_pieces(self._rows(retention.delete_events), keep.events_days)
            gone += self._in_pieces(self._rows(retention.delete_notifications), keep.events_days)
        if keep.workers_days is not None:
            gone += self._in_pieces(self._rows(retention.delete_workers), keep.workers_days)
        if keep.events_days is not None:
            # At the end: it fails where the tables are busy, and is tried again next time.
            gone += self._months(keep.events_days)
        return gone

    def _in_pieces(self, delete: Callable[[float], int], days: float) -> int:
        gone = 0
        for _ in range(_PIECES):
            piece = delete(days * _DAY)
            gone += piece
            if piece < _AT_ONCE:
                break
        return gone

    def _rows(self, delete: Callable[..., int]) -> Callable[[float], int]:
        def piece(seconds: float) -> int:
            with self._sessions.begin() as session:
                return delete(session, older_than_s=seconds, limit=_AT_ONCE)

        return piece

    def _months(self, days: float) -> int:
        with self._sessions.begin() as session:
            return len(event_months.drop_old(session, older_than_s=days * _DAY))

    def _logs(self, seconds: float) -> int:
        """The object first: what a crash leaves is asked for again, and deleting twice is no error."""
        with self._sessions() as session:
            logs = retention.old_logs(session, older_than_s=seconds, limit=_AT_ONCE)
        for log in logs:
            self._open_store(log.dest_url).delete(log.key)
        if logs:
            with self._sessions.begin() as session:
                retention.forget_logs(session, logs)
        return len(logs)
