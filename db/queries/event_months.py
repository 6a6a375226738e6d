"""Events by month, on PostgreSQL: a partition each, made ahead of time and dropped when all of it is old.

Two partitions are no months. `event_before` has what came before there were months. `event_default` takes what no other
has room for, so that an event can be written though nobody made its month. SQLite keeps one table, and nothing here has
anything to do.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import MetaData, Table, delete, func, insert, select, text
from sqlalchemy.orm import Session

from db.clock import now
from db.models import Event

#: This month and the next two: a scheduler may stand still for long before anything lands in `event_default`.
AHEAD = 3
_EVENT = Event.metadata.tables[Event.__tablename__]
_DEFAULT = "event_default"
#: Any constant of our own: schedulers that look at the same moment must not make the same table.
_ADVISORY_LOCK = 0x6B32746D
#: Below the second after which PostgreSQL looks for deadlocks: it is us who give up, and nobody else.
_PATIENCE = "500ms"
_PARTITIONS = text(
    r"""SELECT relname AS name,
               CAST((regexp_match(bounds, 'FROM \(''(.+?)''\)'))[1] AS timestamptz) AS begins,
               CAST((regexp_match(bounds, 'TO \(''(.+?)''\)'))[1] AS timestamptz) AS ends
        FROM (SELECT relname, pg_get_expr(relpartbound, pg_class.oid) AS bounds
              FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
              WHERE inhparent = CAST('event' AS regclass)) partition
        ORDER BY ends, name"""
)


@dataclass(frozen=True)
class Partition:
    """A table with some of the events."""

    name: str
    begins: datetime | None
    """None: with the first there was."""
    ends: datetime | None
    """The first moment that is no longer in it. None as well: this is the default."""

    def has(self, moment: datetime) -> bool:
        """Whether events of this moment have their place here, and not for want of another."""
        return self.ends is not None and (self.begins is None or self.begins <= moment) and moment < self.ends


def partitions(session: Session) -> list[Partition]:
    """Those there are, the oldest first and the default last; none on SQLite."""
    if not _by_month(session):
        return []
    return [Partition(**row._mapping) for row in session.execute(_PARTITIONS)]


def this_month_is_there(session: Session) -> bool:
    """Whether events of today have a partition; True on SQLite, where they need none."""
    if not _by_month(session):
        return True
    today = session.scalars(select(now())).one()
    return any(partition.has(today) for partition in partitions(session))


def make_ahead(session: Session) -> list[str]:
    """Makes what is missing of this month and the next two; returns the names of the partitions made.

    Keeps everybody from events, and writers from jobs and batches, for some milliseconds. What fell into the default
    meanwhile moves.

    Raises:
        OperationalError: those were not free within half a second; nothing was made.
    """
    if not _by_month(session) or not session.scalar(select(func.pg_try_advisory_xact_lock(_ADVISORY_LOCK))):
        return []
    there = partitions(session)
    months = _months_from(session.scalars(select(now())).one())
    missing = [month for month in months if not any(partition.has(month) for partition in there)]
    if missing:
        # In the order in which the fleet's own transactions take them, and before what needs them.
        _be_brief(session)
        session.execute(text("LOCK TABLE job, batch IN SHARE ROW EXCLUSIVE MODE"))
        session.execute(text("LOCK TABLE event IN ACCESS EXCLUSIVE MODE"))
    return [_make(session, month) for month in missing]


def drop_old(session: Session, *, older_than_s: float) -> list[str]:
    """Drops partitions of which every event is older; returns their names.

    Raises:
        OperationalError: somebody read or wrote events for half a second; nothing was dropped.
    """
    if not _by_month(session):
        return []
    horizon = session.scalars(select(now(-older_than_s))).one()
    old = [
        partition.name
        for partition in partitions(session)
        if partition.ends is not None and partition.ends <= horizon
    ]
    if old:
        _be_brief(session)
        session.execute(text(f"DROP TABLE IF EXISTS {', '.join(old)}"))
    return old


def without_months(session: Session) -> Sequence[Table]:
    """The tables whose events have to be deleted one by one: all there are on SQLite."""
    if not _by_month(session):
        return [_EVENT]
    return [_table(partition.name) for partition in partitions(session) if partition.begins is None]


def _by_month(session: Session) -> bool:
    return session.get_bind().dialect.name == "postgresql"


def _be_brief(session: Session) -> None:
    """While a lock is waited for, all that want it later wait too."""
    session.execute(text(f"SET LOCAL lock_timeout = '{_PATIENCE}'"))


def _make(session: Session, month: datetime) -> str:
    name, end = f"event_{month:%Y_%m}", _next(month)
    session.execute(
        text(f"CREATE TABLE {name} (LIKE event INCLUDING DEFAULTS, CONSTRAINT pk_{name} PRIMARY KEY (id))")
    )
    default = _table(_DEFAULT)
    strays = (
        delete(default).where(default.c.at >= month, default.c.at < end).returning(*default.c).cte("strays")
    )
    session.execute(insert(_table(name)).from_select([column.name for column in default.c], select(strays)))
    session.execute(
        text(f"ALTER TABLE event ATTACH PARTITION {name} FOR VALUES FROM ('{month}') TO ('{end}')")
    )
    return name


def _table(name: str) -> Table:
    """A partition, which has the columns of all."""
    return _EVENT.to_metadata(MetaData(), name=name)


def _months_from(moment: datetime) -> list[datetime]:
    months = [moment.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)]
    while len(months) < AHEAD:
        months.append(_next(months[-1]))
    return months


def _next(month: datetime) -> datetime:
    return (month + timedelta(days=32)).replace(day=1)
