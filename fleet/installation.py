"""Broker, scheduler and worker of one migration: started when there is work, kept alive, stopped in order."""

import logging
import threading
from collections.abc import Iterator

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from fleet import connect
from fleet.crew import Crew
from fleet.embedded import PrivateBroker, StateDir
from fleet.parts import Scheduler
from fleet.settings import Settings

log = logging.getLogger(__name__)

_PRIVATE_DISPATCH_SECONDS = 0.1


class Installation:
    """What a migration runs beside itself; the broker is the given one, or else a private one."""

    def __init__(
        self, settings: Settings, state: StateDir, sessions: sessionmaker[Session], database_url: str
    ) -> None:
        self._settings = settings
        self._state = state
        self._sessions = sessions
        self._database_url = database_url
        self._broker: PrivateBroker | None = None
        self._crew: Crew | None = None
        self._scheduler: Scheduler | None = None
        self._troubles: dict[str, str] = {}

    @property
    def started(self) -> bool:
        """Whether `start` was called."""
        return self._scheduler is not None

    def start(self) -> None:
        """Start all of it.

        Raises:
            FleetError: the private broker does not start.
        """
        if self._settings.broker_url is None:
            self._broker = PrivateBroker(self._state).__enter__()
            broker_url = self._broker.url
        else:
            broker_url = self._settings.broker_url.get_secret_value()
        if self._settings.workers:
            self._crew = Crew(
                self._sessions,
                slots=self._settings.workers,
                environment=self._for_workers(broker_url),
                log=self._state.logs / "worker.log",
            )
            self._crew.start()
        self._scheduler = Scheduler(
            self._settings,
            self._sessions,
            broker_url,
            dispatch_seconds=_PRIVATE_DISPATCH_SECONDS if self._broker else self._settings.dispatch_seconds,
        )
        if self._broker is not None:
            self._scheduler.dispatcher.broker_is_empty()
        threading.Thread(target=self._scheduler.loop.run, name="scheduler", daemon=True).start()

    def look_after(self) -> Iterator[str]:
        """Put right what has died; yields what a person should know.

        Raises:
            FleetError: the broker does not come back, or the worker keeps dying.
        """
        if self._scheduler is None:
            return
        if self._broker is not None and not self._broker.alive():
            self._broker.start()
            self._scheduler.dispatcher.broker_is_empty()
            yield "the private broker died; another one is started and every message is sent anew"
        if self._crew is not None and (news := self._crew.look_after()):
            yield news
        troubles = dict(self._scheduler.loop.troubles)
        for duty, trouble in troubles.items():
            if self._troubles.get(duty) != trouble:
                yield f"{duty}: {trouble}"
        self._troubles = troubles

    def drain(self) -> None:
        """Send nothing more, and have the worker finish or hand back what it has."""
        if self._scheduler is not None:
            self._scheduler.loop.stop()
        if self._crew is not None:
            self._crew.drain()

    def is_working(self) -> bool:
        """Whether there is a live worker process of ours."""
        return self._crew is not None and self._crew.is_running()

    def close(self, *, at_once: bool) -> None:
        """Stop everything, in an order that cuts nothing off; `at_once` does not wait for the worker."""
        if self._scheduler is not None:
            self._scheduler.loop.stop()
        if self._crew is not None:
            if not at_once:
                self._crew.go_home()
                self._tell()
            self._crew.dismiss()
            self._crew = None
        if self._broker is not None:
            self._broker.__exit__()
            self._broker = None

    def _tell(self) -> None:
        """Send what has happened last; what does not reach anybody stays for the next migration."""
        try:
            if self._scheduler is not None:
                self._scheduler.notifier.run_once()
        except SQLAlchemyError as error:
            log.warning("notifications not sent: %s", connect.database_problem(error))

    def _for_workers(self, broker_url: str) -> dict[str, str]:
        scratch = self._settings.scratch_dir or self._state.path / "scratch"
        return {
            "FLEET_DATABASE_URL": self._database_url,
            "FLEET_BROKER_URL": broker_url,
            "FLEET_SCRATCH_DIR": str(scratch),
        }
