"""Delivers what the outbox holds: each notification at least once by each channel, later and later where that fails."""

import logging
from collections.abc import Sequence

from sqlalchemy.orm import Session, sessionmaker

from db.queries import outbox
from db.queries.outbox import Message
from scheduler.channels import Channel, Undelivered

log = logging.getLogger(__name__)

TRIES = 15
"""Then a notification is given up: at twice the pause each time, up to six hours, that is after most of a day."""
_AT_ONCE = 20
#: Above the time that `_AT_ONCE` messages can take by two channels that do not answer.
_TAKEN_SECONDS = 600.0
_BACKOFF_SECONDS = 5.0
_BACKOFF_LIMIT_SECONDS = 6 * 3600.0


class Notifier:
    """One duty of the scheduler. Without channels, what is due is done with: nobody wants it told."""

    def __init__(self, sessions: sessionmaker[Session], channels: Sequence[Channel]) -> None:
        self._sessions = sessions
        self._channels = tuple(channels)

    def run_once(self) -> int:
        """Deliver what is due; returns how many notifications every channel has now."""
        with self._sessions.begin() as session:
            messages = outbox.take(session, limit=_AT_ONCE, for_seconds=_TAKEN_SECONDS)
        return sum(self._deliver(message) for message in messages)

    def _deliver(self, message: Message) -> bool:
        delivered = set(message.delivered)
        trouble = None
        for channel in self._channels:
            if channel.name in delivered:
                continue
            try:
                channel.send(message)
            except Undelivered as error:
                trouble = f"{channel.name}: {error}"
                log.warning("%s not delivered (try %d), %s", message.key, message.tries, trouble)
            else:
                delivered.add(channel.name)
        again = None
        if trouble is not None and message.tries < TRIES:
            again = min(_BACKOFF_LIMIT_SECONDS, _BACKOFF_SECONDS * 2 ** (message.tries - 1))
        with self._sessions.begin() as session:
            outbox.settle(session, message, sorted(delivered), again_in_s=again, error=trouble)
        return trouble is None and bool(self._channels)
