"""The only way a job's state changes: along `states.TRANSITIONS`, with its event in the same transaction."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ARRAY, BigInteger, ColumnElement, func, insert, literal, select, update
from sqlalchemy.orm import Session

from db import states
from db.models import Event, Job


def move(
    session: Session,
    target: states.JobState,
    *criteria: ColumnElement[bool],
    event: str,
    data: Mapping[str, Any] | None = None,
    **values: Any,
) -> list[int]:
    """Moves every job that meets `criteria` and may enter `target`; returns the ids of those moved.

    One guarded UPDATE: whoever else moved a job first has won, and it is not in the answer.
    `values` are other columns of the job to set with it.
    """
    guarded = (
        update(Job)
        .where(Job.state.in_(states.origins(target)), *criteria)
        .values(state=target, **values)
        .returning(Job.id)
        .execution_options(synchronize_session=False)
    )
    moved = list(session.scalars(guarded))
    record(session, moved, event, data)
    return moved


def record(session: Session, job_ids: list[int], event: str, data: Mapping[str, Any] | None = None) -> None:
    """Writes one event for each of these jobs."""
    what = {"type": event, "data": dict(data or {})}
    if len(job_ids) > 1 and session.get_bind().dialect.name == "postgresql":
        # One statement, and not one for each job, which would cost its way through driver and server every time.
        job_id = func.unnest(literal(job_ids, ARRAY(BigInteger))).column_valued("job_id")
        values = [literal(value, getattr(Event, name).type) for name, value in what.items()]
        session.execute(insert(Event).from_select(["job_id", *what], select(job_id, *values)))
    elif job_ids:
        session.execute(insert(Event), [{"job_id": job_id, **what} for job_id in job_ids])
