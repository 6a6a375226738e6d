"""Batches for people: the newest first, and how far each has come."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models import Batch, Recipe
from db.states import BatchState


@dataclass(frozen=True, kw_only=True)
class BatchRow:
    """A batch in a list. How its jobs stand, `reports.count_states` says: that may take a while for a large one."""

    id: int
    state: BatchState
    source_url: str
    dest_url: str
    converter_version: str
    options: Mapping[str, Any]
    selection: Mapping[str, Any]
    jobs_new: int
    """Jobs that this batch created; the others were known before."""
    created_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True)
class BatchPage:
    """Some batches."""

    batches: list[BatchRow]
    next_before: int | None
    """Pass it as `before`; None: these were the oldest."""


def list_batches(
    session: Session, *, state: BatchState | None = None, before: int | None = None, limit: int = 50
) -> BatchPage:
    """The newest batches below number `before`."""
    query = _ROWS.order_by(Batch.id.desc()).limit(limit + 1)
    if state is not None:
        query = query.where(Batch.state == state)
    if before is not None:
        query = query.where(Batch.id < before)
    rows = [BatchRow(**row._mapping) for row in session.execute(query)]
    return BatchPage(rows[:limit], rows[limit - 1].id if len(rows) > limit else None)


def batch_row(session: Session, batch_id: int) -> BatchRow | None:
    """One batch; None: there is none of that number."""
    row = session.execute(_ROWS.where(Batch.id == batch_id)).one_or_none()
    return None if row is None else BatchRow(**row._mapping)


_ROWS = select(
    Batch.id,
    Batch.state,
    Batch.source_url,
    Recipe.dest_url,
    Recipe.converter_version,
    Recipe.options,
    Batch.selection,
    Batch.jobs_new,
    Batch.created_at,
    Batch.finished_at,
).join(Recipe, Recipe.id == Batch.recipe_id)
