"""Runs the scheduler's duties, each at its own interval, in one thread.

Any number of schedulers may run at once: every duty is correct beside its twin, a second one only spends
effort.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Duty:
    """Something to be done every `seconds`; `run` returns how many things it did."""

    name: str
    seconds: float
    run: Callable[[], int]


class Loop:
    """Does every duty once at the start, then at its interval, until `stop`."""

    def __init__(self, duties: Sequence[Duty]) -> None:
        self._duties = tuple(duties)
        self._wake = threading.Condition()
        self._stopping = False
        self._hurry = False
        #: What went wrong in the last round of each duty, in one line; empty when all is well.
        self.troubles: dict[str, str] = {}

    def run(self) -> None:
        """Run in the calling thread; returns after `stop`."""
        due = dict.fromkeys(self._duties, 0.0)
        while not self._stopping:
            for duty in self._duties:
                if time.monotonic() >= due[duty] and not self._stopping:
                    self._do(duty)
                    due[duty] = time.monotonic() + duty.seconds
            with self._wake:
                pause = max(0.0, min(due.values()) - time.monotonic())
                self._wake.wait_for(lambda: self._stopping or self._hurry, timeout=pause)
                if self._hurry:
                    self._hurry = False
                    due = dict.fromkeys(self._duties, 0.0)

    def hurry(self) -> None:
        """Do every duty again now: something happened that they should see."""
        with self._wake:
            self._hurry = True
            self._wake.notify()

    def stop(self) -> None:
        """Return from `run` once the duty at hand is done."""
        with self._wake:
            self._stopping = True
            self._wake.notify()

    def _do(self, duty: Duty) -> None:
        # A duty meets every outage there is: database, broker, network, disk. None of them may end the
        # loop, all of them are worth one line, and the next round is the retry.
        try:
            did = duty.run()
        except Exception as error:  # noqa: BLE001
            line = str(error).splitlines()[0] if str(error) else type(error).__name__
            if self.troubles.get(duty.name) != line:
                log.warning("%s: %s", duty.name, line)
            self.troubles[duty.name] = line
        else:
            if self.troubles.pop(duty.name, None) is not None:
                log.warning("%s: works again", duty.name)
            if did:
                log.info("%s: %d", duty.name, did)
