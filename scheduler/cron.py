"""When a schedule's time comes: five cron fields read in a time zone, as Debian's cron reads them.

Over a change of the clock: what is due at a fixed time in the hour that is left out comes right behind it, and what is
due in the hour that comes twice comes once; what comes every hour or every few minutes comes as the hours do.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

_WINDOWS = (timedelta(hours=2), timedelta(days=2), timedelta(days=40), timedelta(days=400))


class BadSchedule(ValueError):
    """Fields or a time zone that mean nothing; one line."""


def checked(cron: str, timezone: str) -> None:
    """Raise `BadSchedule` unless this has a time, some day."""
    next_tick(cron, timezone, datetime(2026, 1, 1, tzinfo=ZoneInfo("UTC")))


def next_tick(cron: str, timezone: str, after: datetime) -> datetime:
    """The first tick behind `after`.

    Raises:
        BadSchedule: there is none within 50 years, or the fields or the zone mean nothing.
    """
    tick = next(_ticks(cron, timezone, after), None)
    if tick is None:
        raise BadSchedule(f"{cron!r} never comes")
    return tick


def latest_tick(cron: str, timezone: str, after: datetime, now: datetime) -> datetime | None:
    """The last tick behind `after` and not behind `now`: of all that were missed, the one to make up for.

    Raises:
        BadSchedule: the fields or the zone mean nothing.
    """
    # From ever further back, so that a schedule of every minute, found after a year's pause, costs a hundred steps.
    for start in (*(now - window for window in _WINDOWS), after):
        found = None
        for tick in _ticks(cron, timezone, max(start, after)):
            if tick > now:
                break
            found = tick
        if found is not None or start <= after:
            return found
    return None


def _ticks(cron: str, timezone: str, after: datetime) -> Iterator[datetime]:
    try:
        zone = ZoneInfo(timezone)
    except (KeyError, ValueError, OSError) as error:
        raise BadSchedule(f"no time zone {timezone!r} is known here") from error
    if len(cron.split()) != 5:
        raise BadSchedule(f"{cron!r}: five fields are needed: minute, hour, day of month, month, day of week")
    try:
        return CronSim(cron, after.astimezone(zone))
    except CronSimError as error:
        raise BadSchedule(f"{cron!r}: {error}") from error
