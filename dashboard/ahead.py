"""Finds what every reader's pages show before somebody asks, so that nobody is the first who waits for it."""

import logging
import threading
import time
from dataclasses import replace

from sqlalchemy.exc import SQLAlchemyError

from dashboard import figures
from dashboard.services import Services

log = logging.getLogger(__name__)

_SHARE = 20
"""It rests so many times as long as it worked: a twentieth of a core, whatever there is to find."""
_PAUSE_SECONDS = 5.0


class Ahead:
    """Goes through the standing figures, in a thread, while the application runs."""

    def __init__(self, services: Services) -> None:
        self._services = replace(services, ahead=True)
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin, unless nothing may be remembered."""
        if self._services.config.patience > 0:
            self._thread = threading.Thread(target=self._run, name="ahead", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End after the figure at hand."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(timeout=30)

    def _run(self) -> None:
        share = 1  # at first, when nothing is there yet, as long as it worked
        while True:
            try:
                for find in figures.standing(self._services):
                    began = time.monotonic()
                    find()
                    if self._stopping.wait(share * (time.monotonic() - began)):
                        return
            except SQLAlchemyError as error:
                log.warning("figures cannot be found: %s", type(error).__name__)
            share = _SHARE
            if self._stopping.wait(_PAUSE_SECONDS):
                return
