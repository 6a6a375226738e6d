"""Which stores this worker cannot reach, and that it takes no job for them until they answer again.

Without this, a worker whose network is gone would claim job after job only to put each of them off, and what it puts
off is missing to workers that could do it.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from storage.errors import StorageError, StoreUnavailable
from storage.store import ObjectStore
from workers.drain import Leases

log = logging.getLogger(__name__)

_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 30.0
_HOLD_SECONDS = 10.0
_POLL_SECONDS = 0.1


@dataclass
class _Outage:
    """A store that did not answer."""

    due: float
    """When to ask it again, by the monotonic clock."""
    pause: float = _FIRST_PAUSE_SECONDS


class Outages:
    """A circuit breaker for each store; safe for many threads."""

    def __init__(self) -> None:
        self._away: dict[str, _Outage] = {}
        self._lock = threading.Lock()

    def note(self, error: Exception, urls: set[str]) -> None:
        """A job at these stores ended so; which may be that one of them gave no answer."""
        if not isinstance(error, StoreUnavailable) or error.url not in urls:
            return
        with self._lock:
            if error.url in self._away:
                return
            self._away[error.url] = _Outage(due=time.monotonic())
        log.warning("%s does not answer: no job is taken for it until it does", error.url)

    def wait_for(self, urls: set[str], open_store: Callable[[str], ObjectStore], leases: Leases) -> bool:
        """Whether these stores answer, as far as is known; waits up to ten seconds for one that does not.

        Whoever hears False drops the message: the scheduler will ring again, and meanwhile others have their turn,
        which may be for other stores.
        """
        deadline = time.monotonic() + _HOLD_SECONDS
        while True:
            for url in urls:
                self._ask(url, open_store)
            if not any(url in self._away for url in urls):
                return True
            if leases.draining or time.monotonic() > deadline:
                return False
            time.sleep(_POLL_SECONDS)

    def _ask(self, url: str, open_store: Callable[[str], ObjectStore]) -> None:
        """Probe a store that is away, if it is time to."""
        with self._lock:
            outage = self._away.get(url)
            if outage is None or time.monotonic() < outage.due:
                return
            outage.due = time.monotonic() + outage.pause
            outage.pause = min(2 * outage.pause, _LONGEST_PAUSE_SECONDS)
        try:
            open_store(url).probe(write=False)
        except StoreUnavailable:
            return
        except StorageError as error:
            # It answers, if not as one would wish: that is for each job to meet by itself.
            log.warning("%s answers again: %s", url, error)
        else:
            log.warning("%s answers again", url)
        with self._lock:
            self._away.pop(url, None)
