"""Conditions that many statements share."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

from sqlalchemy import ColumnElement, bindparam

from db.models import Job
from db.states import JobState

_T = TypeVar("_T")


def in_state(state: JobState) -> ColumnElement[bool]:
    """That a job is in `state`, written into the SQL text: a parameter would hide the partial indexes."""
    return Job.state == bindparam(None, state, type_=Job.state.type, literal_execute=True)


def held_by(job_id: int, fence: int) -> tuple[ColumnElement[bool], ...]:
    """That this attempt still holds the lease on this job."""
    return Job.id == job_id, Job.fence == fence, in_state(JobState.RUNNING)


def chunks(items: Sequence[_T], size: int = 1000) -> Iterator[Sequence[_T]]:
    """`items` in pieces below the parameter limits of both stores."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
