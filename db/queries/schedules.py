"""Migrations that repeat: what is due is fired once, however many schedulers look; each run is a batch of its own."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, delete, func, insert, or_, select, update
from sqlalchemy.orm import Session

from db.clock import now
from db.models import Batch, Recipe, Schedule, ScheduleRun
from db.queries import inventory
from db.queries.insert_new import insert_unless_there
from db.states import BatchState, Overlap, RunOutcome


@dataclass(frozen=True, kw_only=True)
class Due:
    """A schedule whose time may have come."""

    id: int
    name: str
    cron: str
    timezone: str
    after: datetime
    """Ticks up to here have been seen to, or do not count."""
    now: datetime
    """By the database's clock."""


@dataclass(frozen=True, kw_only=True)
class ScheduleRow:
    """A schedule as an operator sees it."""

    id: int
    name: str
    cron: str
    timezone: str
    source_url: str
    dest_url: str
    options: Mapping[str, Any]
    selection: Mapping[str, Any]
    overlap: Overlap
    enabled: bool
    now: datetime
    last_tick: datetime | None
    last_outcome: RunOutcome | None
    last_batch: int | None
    last_state: BatchState | None


def add(
    session: Session, *, converter_version: str, dest_url: str, options: Mapping[str, Any], **fields: Any
) -> int:
    """A new schedule, whose first tick is the next one; returns its number. `fields` are columns of `Schedule`.

    Raises: sqlalchemy.exc.IntegrityError: the name is taken.
    """
    recipe_id = inventory.recipe_id_of(
        session, dest_url=dest_url, converter_version=converter_version, options=options
    )
    row = {**fields, "recipe_id": recipe_id, "since": now()}
    return session.scalars(insert(Schedule).values(row).returning(Schedule.id)).one()


def change(session: Session, name: str, **fields: Any) -> bool:
    """Sets these columns; ticks before now no longer count. False: there is no such schedule."""
    changed = session.scalars(
        update(Schedule)
        .where(Schedule.name == name)
        .values(**fields, since=now())
        .returning(Schedule.id)
        .execution_options(synchronize_session=False)
    ).one_or_none()
    return changed is not None


def remove(session: Session, name: str) -> bool:
    """Forgets a schedule; its batches and what they made stay. False: there is none of that name."""
    schedule_id = session.scalars(
        select(Schedule.id).where(Schedule.name == name).with_for_update()
    ).one_or_none()
    if schedule_id is None:
        return False
    session.execute(delete(ScheduleRun).where(ScheduleRun.schedule_id == schedule_id))
    session.execute(delete(Schedule).where(Schedule.id == schedule_id))
    return True


def list_schedules(session: Session) -> list[ScheduleRow]:
    """Every schedule by name, with its newest run."""
    newest = (
        select(ScheduleRun.schedule_id, func.max(ScheduleRun.id).label("id"))
        .group_by(ScheduleRun.schedule_id)
        .subquery()
    )
    own = ("id", "name", "cron", "timezone", "source_url", "selection", "overlap", "enabled")
    query = (
        select(
            *(getattr(Schedule, name) for name in own),
            Recipe.dest_url,
            Recipe.options,
            now().label("now"),
            ScheduleRun.scheduled_for.label("last_tick"),
            ScheduleRun.outcome.label("last_outcome"),
            ScheduleRun.batch_id.label("last_batch"),
            Batch.state.label("last_state"),
        )
        .join(Recipe, Recipe.id == Schedule.recipe_id)
        .outerjoin(newest, newest.c.schedule_id == Schedule.id)
        .outerjoin(ScheduleRun, ScheduleRun.id == newest.c.id)
        .outerjoin(Batch, Batch.id == ScheduleRun.batch_id)
        .order_by(Schedule.name)
    )
    return [ScheduleRow(**row._mapping) for row in session.execute(query)]


@dataclass(frozen=True, kw_only=True)
class RunRow:
    """One time of a schedule, and what became of it."""

    id: int
    scheduled_for: datetime
    outcome: RunOutcome
    batch_id: int | None
    batch_state: BatchState | None


def list_runs(session: Session, schedule_id: int, *, limit: int = 50) -> list[RunRow]:
    """The newest runs of a schedule first."""
    query = (
        select(
            ScheduleRun.id,
            ScheduleRun.scheduled_for,
            ScheduleRun.outcome,
            ScheduleRun.batch_id,
            Batch.state.label("batch_state"),
        )
        .outerjoin(Batch, Batch.id == ScheduleRun.batch_id)
        .where(ScheduleRun.schedule_id == schedule_id)
        .order_by(ScheduleRun.scheduled_for.desc())
        .limit(limit)
    )
    return [RunRow(**row._mapping) for row in session.execute(query)]


def candidates(session: Session) -> list[Due]:
    """Every schedule that is not paused, and how far it has been seen to."""
    last = (
        select(func.max(ScheduleRun.scheduled_for))
        .where(ScheduleRun.schedule_id == Schedule.id)
        .correlate(Schedule)
        .scalar_subquery()
    )
    query = select(
        Schedule.id,
        Schedule.name,
        Schedule.cron,
        Schedule.timezone,
        func.coalesce(Schedule.since, Schedule.created_at).label("since"),
        last.label("last"),
        now().label("now"),
    ).where(Schedule.enabled)
    return [
        Due(
            id=row.id,
            name=row.name,
            cron=row.cron,
            timezone=row.timezone,
            after=max(row.since, row.last or row.since),
            now=row.now,
        )
        for row in session.execute(query)
    ]


def fire(session: Session, schedule_id: int, tick: datetime, converter_version: str) -> RunOutcome | None:
    """Records the tick and does what the schedule says; None: it was fired already, or is not to be."""
    schedule = _locked(session, schedule_id)
    if schedule is None or not schedule.enabled or tick <= _seen_to(session, schedule):
        return None
    busy, waiting = _unfinished(session, schedule_id), _waiting(session, schedule_id)
    outcome = RunOutcome.STARTED
    if schedule.overlap is not Overlap.ALLOW and (busy or waiting is not None):
        queued = schedule.overlap is Overlap.QUEUE and waiting is None
        outcome = RunOutcome.WAITING if queued else RunOutcome.SKIPPED
    run_id = session.scalars(
        insert_unless_there(session, ScheduleRun)
        .values(schedule_id=schedule_id, scheduled_for=tick, outcome=outcome)
        .returning(ScheduleRun.id)
    ).one_or_none()
    if run_id is None:
        return None
    if outcome is RunOutcome.STARTED:
        _start(session, schedule, run_id, converter_version)
    return outcome


def run_now(session: Session, name: str, converter_version: str) -> int | None:
    """A batch outside of the plan, whatever else runs, and even of a paused schedule; None: no such schedule."""
    schedule_id = session.scalars(select(Schedule.id).where(Schedule.name == name)).one_or_none()
    schedule = None if schedule_id is None else _locked(session, schedule_id)
    if schedule is None:
        return None
    run_id = session.scalars(
        insert(ScheduleRun).values(schedule_id=schedule.id, scheduled_for=now()).returning(ScheduleRun.id)
    ).one()
    return _start(session, schedule, run_id, converter_version)


def start_waiting(session: Session, converter_version: str) -> int:
    """Gives each waiting run its batch whose predecessor is finished; returns how many."""
    started = 0
    for schedule_id in session.scalars(
        select(ScheduleRun.schedule_id).where(ScheduleRun.outcome == RunOutcome.WAITING).distinct()
    ).all():
        schedule = _locked(session, schedule_id)
        run_id = _waiting(session, schedule_id)
        if schedule is not None and run_id is not None and not _unfinished(session, schedule_id):
            _start(session, schedule, run_id, converter_version)
            started += 1
    return started


@dataclass(frozen=True, kw_only=True)
class Unplanned:
    """A batch that nobody lists at the moment."""

    batch_id: int
    source_url: str
    selection: Mapping[str, Any]


def claim_planning(session: Session, seconds: float) -> Unplanned | None:
    """The oldest batch that is left to schedulers to be listed, kept for this caller for so long; None: there is none.

    Those of schedules are, and those that have had a planner; `fleet migrate` lists its own.
    """
    of_schedule = select(ScheduleRun.id).where(ScheduleRun.batch_id == Batch.id).exists()
    batch_id = session.scalars(
        select(Batch.id)
        .where(
            Batch.state == BatchState.PLANNING,
            or_(Batch.planner_until.is_not(None), of_schedule),
            _nobody_plans(),
        )
        .order_by(Batch.planner_until.nulls_first(), Batch.id)
        .limit(1)
    ).one_or_none()
    if batch_id is None:
        return None
    row = session.execute(
        update(Batch)
        .where(Batch.id == batch_id, _nobody_plans())
        .values(planner_until=now(seconds))
        .returning(Batch.id, Batch.source_url, Batch.selection)
        .execution_options(synchronize_session=False)
    ).one_or_none()
    if row is None:
        return None
    return Unplanned(batch_id=row.id, source_url=row.source_url, selection=row.selection)


def keep_planning(session: Session, batch_id: int, seconds: float) -> None:
    """Keeps a batch for its planner for so long from now; 0 gives it up."""
    session.execute(
        update(Batch)
        .where(Batch.id == batch_id)
        .values(planner_until=now(seconds))
        .execution_options(synchronize_session=False)
    )


def _nobody_plans() -> Any:
    return or_(Batch.planner_until.is_(None), Batch.planner_until <= now())


def _locked(session: Session, schedule_id: int) -> Row[Any] | None:
    """The schedule, which no other scheduler fires or starts meanwhile."""
    query: Select[Any] = (
        select(
            Schedule.id,
            Schedule.enabled,
            Schedule.overlap,
            func.coalesce(Schedule.since, Schedule.created_at).label("since"),
            Schedule.source_url,
            Schedule.selection,
            Recipe.dest_url,
            Recipe.options,
        )
        .join(Recipe, Recipe.id == Schedule.recipe_id)
        .where(Schedule.id == schedule_id)
        .with_for_update(of=Schedule)
    )
    return session.execute(query).one_or_none()


def _seen_to(session: Session, schedule: Row[Any]) -> datetime:
    """Ticks up to here are none any more: a rival fired a later one since the caller looked, or it was edited."""
    since: datetime = schedule.since
    runs = select(func.max(ScheduleRun.scheduled_for)).where(ScheduleRun.schedule_id == schedule.id)
    return max(since, session.scalar(runs) or since)


def _unfinished(session: Session, schedule_id: int) -> bool:
    found = session.scalars(
        select(Batch.id)
        .join(ScheduleRun, ScheduleRun.batch_id == Batch.id)
        .where(ScheduleRun.schedule_id == schedule_id, Batch.state != BatchState.FINISHED)
        .limit(1)
    ).one_or_none()
    return found is not None


def _waiting(session: Session, schedule_id: int) -> int | None:
    return session.scalars(
        select(ScheduleRun.id)
        .where(ScheduleRun.schedule_id == schedule_id, ScheduleRun.outcome == RunOutcome.WAITING)
        .limit(1)
    ).one_or_none()


def _start(session: Session, schedule: Row[Any], run_id: int, converter_version: str) -> int:
    batch_id = inventory.create_batch(
        session,
        source_url=schedule.source_url,
        dest_url=schedule.dest_url,
        converter_version=converter_version,
        options=schedule.options,
        selection=schedule.selection,
    )
    session.execute(
        update(ScheduleRun)
        .where(ScheduleRun.id == run_id)
        .values(batch_id=batch_id, outcome=RunOutcome.STARTED)
        .execution_options(synchronize_session=False)
    )
    return batch_id
