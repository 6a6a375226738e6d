"""Conditions that many statements share."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, bindparam

from db import identity
from db.models import Job, Recipe
from db.states import JobState

_T = TypeVar("_T")


def in_state(state: JobState) -> ColumnElement[bool]:
    """That a job is in `state`, written into the SQL text: a parameter would hide the partial indexes."""
    return Job.state == bindparam(None, state, type_=Job.state.type, literal_execute=True)


def held_by(job_id: int, fence: int) -> tuple[ColumnElement[bool], ...]:
    """That this attempt still holds the lease on this job."""
    return Job.id == job_id, Job.fence == fence, in_state(JobState.RUNNING)


def is_recipe(
    *, dest_url: str, converter_version: str, options: Mapping[str, Any]
) -> tuple[ColumnElement[bool], ...]:
    """That a recipe is the one of this destination, converter and options, of which there is one at most."""
    return (
        Recipe.dest_url == dest_url,
        Recipe.converter_version == converter_version,
        Recipe.options_key == identity.options_key(options),
    )


def chunks(items: Sequence[_T], size: int = 1000) -> Iterator[Sequence[_T]]:
    """`items` in pieces below the parameter limits of both stores."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
