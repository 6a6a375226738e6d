"""Migrations that repeat."""

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import StringConstraints
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from dashboard import places
from dashboard.api.parameters import NO_ZERO, Address, ApiModel, Limit, Name, example, problems
from dashboard.api.recipes import Options, Taken, recipe_of, selection_of
from dashboard.problems import Problem, not_found
from dashboard.security.access import Operator, Viewer
from dashboard.security.roles import Principal
from dashboard.services import Given, Reading
from db.queries import audit, schedules
from db.queries.schedules import ScheduleRow
from db.states import BatchState, Overlap, RunOutcome
from scheduler import cron

router = APIRouter(prefix="/schedules", tags=["schedules"], responses=problems())

Cron = Annotated[str, StringConstraints(min_length=9, max_length=200, pattern=NO_ZERO)]
Zone = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9_+/-]*$")]


class Schedule(ApiModel):
    """A schedule, and when it comes next."""

    id: int
    name: str
    cron: str
    timezone: str
    source_url: str
    dest_url: str
    options: dict[str, Any]
    selection: dict[str, Any]
    overlap: Overlap
    enabled: bool
    last_tick: datetime | None
    last_outcome: RunOutcome | None
    last_batch: int | None
    last_state: BatchState | None
    next_tick: datetime | None
    """Null: it is paused, or has no time any more."""
    problem: str | None
    """Why it has none."""


class Run(ApiModel):
    """One time of a schedule."""

    id: int
    scheduled_for: datetime
    outcome: RunOutcome
    """`skipped`: missed, for the run before it was unfinished."""
    batch_id: int | None
    batch_state: BatchState | None


class New(Taken):
    """A schedule to be made."""

    model_config = example(
        name="nightly",
        cron="30 2 * * *",
        timezone="Europe/Berlin",
        source="s3://zoo/models",
        dest="s3://zoo/torch",
    )

    name: Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[^\x00/]*$")]
    cron: Cron
    """Minute, hour, day, month, day of the week."""
    timezone: Zone = "UTC"
    source: Address
    dest: Address
    overlap: Overlap = Overlap.SKIP
    only_needed: bool = True
    options: Options = Options()


class Change(ApiModel):
    """What is to be otherwise; what is left out stays."""

    model_config = example(cron="0 4 * * 1-5", taken={"include": ["prod/**"]})

    cron: Cron | None = None
    timezone: Zone | None = None
    overlap: Overlap | None = None
    enabled: bool | None = None
    """False: its times pass until it is set again."""
    taken: Taken | None = None


class Started(ApiModel):
    """A run outside of the plan."""

    name: str
    batch: int


@router.get("", summary="Schedules by name", response_model=list[Schedule])
def list_schedules(_who: Viewer, session: Reading) -> list[Schedule]:
    """When each comes next, and what became of the last time."""
    return [_shown(row) for row in schedules.list_schedules(session)]


@router.post(
    "",
    summary="Make a schedule",
    status_code=201,
    responses=problems(HTTPStatus.CONFLICT, HTTPStatus.NOT_FOUND, HTTPStatus.BAD_GATEWAY),
)
def create(who: Operator, services: Given, new: New) -> Schedule:
    """Its first time is the next one."""
    _check(new.cron, new.timezone)
    selection, options = selection_of(new), recipe_of(services, new.options)
    source = places.store_at(services, who, new.source, write=False)
    dest = places.store_at(services, who, new.dest, write=True)
    try:
        with services.writes.begin() as session:
            schedules.add(
                session,
                name=new.name,
                cron=new.cron,
                timezone=new.timezone,
                source_url=source.url,
                selection=selection.as_json(),
                overlap=new.overlap,
                dest_url=dest.url,
                converter_version=services.version,
                options=options,
            )
            audit.write(session, who.actor, "schedule-add", new.name)
    except IntegrityError:
        raise Problem(HTTPStatus.CONFLICT, f"there is a schedule {new.name!r} already") from None
    with services.reads() as session:
        return _shown(_row(session, new.name))


@router.get("/{name}", summary="One schedule", responses=problems(HTTPStatus.NOT_FOUND))
def show(_who: Viewer, session: Reading, name: Name) -> Schedule:
    """When it comes next, and what became of the last time."""
    return _shown(_row(session, name))


@router.patch("/{name}", summary="Change a schedule", responses=problems(HTTPStatus.NOT_FOUND))
def edit(who: Operator, services: Given, name: Name, change: Change) -> Schedule:
    """When it comes, what it takes, whether it is paused; times before now no longer count."""
    with services.writes.begin() as session:
        row = _row(session, name)
        fields = change.model_dump(exclude_none=True, exclude={"taken"})
        _check(fields.get("cron", row.cron), fields.get("timezone", row.timezone))
        if change.taken is not None:
            fields["selection"] = selection_of(change.taken).as_json()
        act = "edit"
        if set(fields) == {"enabled"}:
            act = "resume" if change.enabled else "pause"
        if fields:
            _change(session, who, name, act, **fields)
        return _shown(_row(session, name))


@router.post("/{name}/run", summary="Start it now", status_code=202, responses=problems(HTTPStatus.NOT_FOUND))
def run(who: Operator, services: Given, name: Name) -> Started:
    """Outside of its times, even where it is paused or runs already."""
    with services.writes.begin() as session:
        batch = schedules.run_now(session, name, services.version)
        if batch is None:
            raise _unknown(name)
        audit.write(session, who.actor, "schedule-run", name, data={"batch": batch})
    return Started(name=name, batch=batch)


@router.delete(
    "/{name}", summary="Forget a schedule", status_code=204, responses=problems(HTTPStatus.NOT_FOUND)
)
def remove(who: Operator, services: Given, name: Name) -> None:
    """What it converted stays, and what it began is finished."""
    with services.writes.begin() as session:
        if not schedules.remove(session, name):
            raise _unknown(name)
        audit.write(session, who.actor, "schedule-remove", name)


@router.get(
    "/{name}/runs",
    summary="The times of a schedule, the newest first",
    response_model=list[Run],
    responses=problems(HTTPStatus.NOT_FOUND),
)
def runs(_who: Viewer, session: Reading, name: Name, limit: Limit = 50) -> object:
    """And what became of each."""
    return schedules.list_runs(session, _row(session, name).id, limit=limit)


def _row(session: Session, name: str) -> ScheduleRow:
    found = next((row for row in schedules.list_schedules(session) if row.name == name), None)
    if found is None:
        raise _unknown(name)
    return found


def _shown(row: ScheduleRow) -> Schedule:
    next_tick, problem = None, None
    if row.enabled:
        try:
            next_tick = cron.next_tick(row.cron, row.timezone, row.now)
        except cron.BadSchedule as error:
            problem = str(error)
    return Schedule.model_validate(
        {
            **{name: value for name, value in vars(row).items() if name in Schedule.model_fields},
            "next_tick": next_tick,
            "problem": problem,
        }
    )


def _change(session: Session, who: Principal, name: str, action: str, **fields: Any) -> None:
    if not schedules.change(session, name, **fields):
        raise _unknown(name)
    audit.write(session, who.actor, f"schedule-{action}", name)


def _check(fields: str, timezone: str) -> None:
    try:
        cron.checked(fields, timezone)
    except cron.BadSchedule as error:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from error


def _unknown(name: str) -> Problem:
    return not_found(f"schedule {name}")
