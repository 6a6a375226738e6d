"""From a listing to jobs: which sources there are, and which of them are new work.

Everything here may be repeated, by anyone, at any time: what is known already stays as it is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session, aliased

from db import identity
from db.clock import now
from db.errors import UnknownBatch
from db.models import Batch, BatchJob, Event, Job, Recipe, Source
from db.queries import outbox, reports
from db.queries.insert_new import insert_new
from db.queries.listing import Found
from db.queries.plan_chunk import plan_chunk
from db.queries.predicates import chunks, is_recipe
from db.states import TERMINAL, BatchState, JobState


@dataclass(frozen=True)
class Planned:
    """What a chunk of a listing came to."""

    new: int
    """Jobs created."""
    known: int
    """Jobs that were there: done, under way, or refused before."""


def recipe_id_of(
    session: Session, *, dest_url: str, converter_version: str, options: Mapping[str, Any]
) -> int:
    """The number of this recipe, which is made if need be."""
    row = {
        "dest_url": dest_url,
        "converter_version": converter_version,
        "options_key": identity.options_key(options),
        "options": dict(options),
    }
    insert_new(session, Recipe, [row])
    this = is_recipe(dest_url=dest_url, converter_version=converter_version, options=options)
    return session.scalars(select(Recipe.id).where(*this)).one()


def create_batch(
    session: Session,
    *,
    source_url: str,
    dest_url: str,
    converter_version: str,
    options: Mapping[str, Any],
    selection: Mapping[str, Any] | None = None,
    left_to_scheduler: bool = False,
) -> int:
    """A new batch in state `planning`; returns its number. A scheduler lists its source, or else the caller does."""
    recipe_id = recipe_id_of(session, dest_url=dest_url, converter_version=converter_version, options=options)
    row: dict[str, Any] = {
        "recipe_id": recipe_id,
        "source_url": source_url,
        "selection": dict(selection or {}),
    }
    if left_to_scheduler:
        # A planner's time that is over: whoever looks for such batches is free to take it.
        row["planner_until"] = now()
    batch_id = session.scalars(insert(Batch).values(row).returning(Batch.id)).one()
    session.execute(insert(Event).values(batch_id=batch_id, type="batch-created", data={}))
    return batch_id


def interrupted_batch(
    session: Session,
    *,
    source_url: str,
    dest_url: str,
    converter_version: str,
    options: Mapping[str, Any],
    selection: Mapping[str, Any] | None = None,
) -> int | None:
    """The newest batch of exactly this request whose listing has begun and not come to its end."""
    rows = session.execute(
        select(Batch.id, Batch.selection)
        .join(Recipe, Recipe.id == Batch.recipe_id)
        .where(
            Batch.state == BatchState.PLANNING,
            Batch.listed_after.is_not(None),
            Batch.source_url == source_url,
            *is_recipe(dest_url=dest_url, converter_version=converter_version, options=options),
        )
        .order_by(Batch.id.desc())
    )
    wanted = dict(selection or {})
    return next((row.id for row in rows if row.selection == wanted), None)


def plan(
    session: Session,
    batch_id: int,
    found: Sequence[Found],
    *,
    listed_to: str | None = None,
    only_needed: bool = False,
    queue: str = "default",
    priority: int = 0,
) -> Planned:
    """Makes sure each object has its source and its job, and that the batch knows them.

    Takes any number. A caller with a million commits between calls, and after a crash goes on behind
    `listed_after`, which becomes `listed_to`, or else the key of the last object found. With `only_needed`,
    an object that another version of the converter has dealt with gets no job, unless that job failed.

    Raises:
        UnknownBatch: there is no such batch.
    """
    batch = session.execute(
        select(Batch.recipe_id, Batch.source_url, Batch.state, Recipe.dest_url, Recipe.options_key)
        .join(Recipe, Recipe.id == Batch.recipe_id)
        .where(Batch.id == batch_id)
        # A pause of the batch waits for this plan, and so pauses what it adds.
        .with_for_update(of=Batch)
    ).one_or_none()
    if batch is None:
        raise UnknownBatch(batch_id)
    # Jobs planned into a paused batch wait with the rest of it.
    state = JobState.HELD if batch.state is BatchState.HELD else JobState.QUEUED
    new = 0
    for chunk in chunks(found, 5000):
        row = {"state": state, "queue": queue, "priority": priority}
        new += plan_chunk(session, batch_id, batch, chunk, row, only_needed=only_needed)
    if listed_to is None and found:
        listed_to = found[-1].key
    if listed_to is not None:
        session.execute(
            update(Batch)
            .where(Batch.id == batch_id)
            .values(listed_after=listed_to, jobs_new=Batch.jobs_new + new)
            .execution_options(synchronize_session=False)
        )
    return Planned(new=new, known=len(found) - new)


def listed_after(session: Session, batch_id: int) -> str | None:
    """The last key this batch has listed, behind which an interrupted listing continues."""
    return session.scalars(select(Batch.listed_after).where(Batch.id == batch_id)).one_or_none()


def is_newest(session: Session, source_id: int) -> bool:
    """Whether no later version of the same object is known."""
    known = aliased(Source)
    later = select(known.id).where(
        known.store_url == Source.store_url, known.key == Source.key, known.id > Source.id
    )
    return session.scalars(select(~later.exists()).where(Source.id == source_id)).one()


def end_planning(session: Session, batch_id: int) -> None:
    """The listing is complete: the batch is `running` until `close_batch` finds it done."""
    session.execute(
        update(Batch)
        .where(Batch.id == batch_id, Batch.state == BatchState.PLANNING)
        .values(state=BatchState.RUNNING)
        .execution_options(synchronize_session=False)
    )


def close_batch(session: Session, batch_id: int) -> bool:
    """Marks the batch finished if all of it is planned and terminal; True if it is finished now."""
    unfinished = (
        select(BatchJob.job_id)
        .join(Job, Job.id == BatchJob.job_id)
        .where(BatchJob.batch_id == Batch.id, Job.state.not_in(TERMINAL))
    )
    closed = session.scalars(
        update(Batch)
        .where(Batch.id == batch_id, Batch.state == BatchState.RUNNING, ~unfinished.exists())
        .values(state=BatchState.FINISHED, finished_at=now())
        .returning(Batch.id)
        .execution_options(synchronize_session=False)
    ).one_or_none()
    if closed is not None:
        finished = session.scalars(
            insert(Event).values(batch_id=batch_id, type="batch-finished", data={}).returning(Event.id)
        ).one()
        # A batch finishes again after a retry; the event's number tells these ends apart.
        outbox.add(
            session, outbox.BATCH_FINISHED, f"{outbox.BATCH_FINISHED}:{finished}", _told(session, batch_id)
        )
        return True
    state = session.scalars(select(Batch.state).where(Batch.id == batch_id)).one_or_none()
    return state is BatchState.FINISHED


def running_batches(session: Session) -> list[int]:
    """Batches that are planned, not paused, and not known to be finished."""
    return list(session.scalars(select(Batch.id).where(Batch.state == BatchState.RUNNING).order_by(Batch.id)))


def _told(session: Session, batch_id: int) -> dict[str, Any]:
    """What people hear of a batch that has finished."""
    batch = session.execute(
        select(Batch.source_url, Recipe.dest_url, Batch.jobs_new)
        .join(Recipe, Recipe.id == Batch.recipe_id)
        .where(Batch.id == batch_id)
    ).one()
    states = reports.count_states(session, batch_id)
    return {
        "batch": batch_id,
        "source": batch.source_url,
        "dest": batch.dest_url,
        "jobs": {state.value: count for state, count in states.items()},
        "jobs_new": batch.jobs_new,
    }
