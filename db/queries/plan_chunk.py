"""One piece of a listing, put into the database: sources, jobs, and that they belong to a batch.

A million objects pass here, so each is looked up once for its source and once for its job. PostgreSQL does all of it in
one statement whose parts feed one another; SQLite, which has no such statements, in three that look up again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVarTuple

from sqlalchemy import (
    CTE,
    ColumnElement,
    FromClause,
    ScalarSelect,
    Select,
    func,
    literal,
    select,
    true,
    union_all,
)
from sqlalchemy.orm import Session
from sqlalchemy.sql.schema import ScalarElementColumnDefault

from db.models import Base, BatchJob, Job, Recipe, Source
from db.queries import listing
from db.queries.insert_new import insert_unless_there
from db.queries.listing import Found
from db.states import JobState

_Columns = TypeVarTuple("_Columns")
_SOURCE = ("store_url", *listing.COLUMNS)
_BATCH_JOB = ("batch_id", "job_id")
#: A queued job of an older version is refused by today's workers ("plan it again").
_TO_NOTHING = (JobState.FAILED, JobState.QUARANTINED, JobState.QUEUED, JobState.HELD)


def plan_chunk(
    session: Session,
    batch_id: int,
    batch: Any,
    chunk: Sequence[Found],
    row: Mapping[str, Any],
    *,
    only_needed: bool,
) -> int:
    """Makes sure of the sources, jobs and places in the batch of thousands of objects; returns how many jobs are new.

    `batch` has `recipe_id`, `source_url`, `dest_url` and `options_key`; `row` is what else a new job gets.
    `only_needed` is explained at `inventory.plan`.
    """
    objects = listing.distinct(chunk)
    fields = {**_job_defaults(), "recipe_id": batch.recipe_id, **row}
    piece = _Piece(batch_id, batch, listing.as_table(session, objects), fields)
    if session.get_bind().dialect.name != "postgresql":
        return _in_three(session, piece, only_needed=only_needed)
    new: int = 0
    while True:
        done = _in_one(session, piece, only_needed=only_needed)
        new += done.made
        # What another planner inserts at this moment, this statement waits for and does not see; the next one does.
        if done.sources == len(objects) and done.made == done.missing:
            return new


@dataclass(frozen=True)
class _Piece:
    """What the statements are about."""

    batch_id: int
    batch: Any
    listed: FromClause
    fields: Mapping[str, Any]
    """Of a new job, but for its source."""

    def source_of(self) -> ScalarSelect[int]:
        """Of each object listed. Looked up row by row, not joined: without fresh statistics, PostgreSQL would join by
        reading every source of the store for every piece.
        """
        return (
            select(Source.id)
            .where(
                Source.store_url == self.batch.source_url,
                Source.key == self.listed.c.key,
                Source.version == self.listed.c.version,
            )
            .correlate(self.listed)
            .scalar_subquery()
        )

    def job_of(self, source_id: Any) -> ScalarSelect[int]:
        """The job of this recipe for a source."""
        return (
            select(Job.id)
            .where(Job.source_id == source_id, Job.recipe_id == self.batch.recipe_id)
            .scalar_subquery()
        )

    def new_source(self, objects: FromClause) -> list[ColumnElement[Any]]:
        """What a new source gets, in the order of `_SOURCE`."""
        return [literal(self.batch.source_url), *(objects.c[name] for name in listing.COLUMNS)]

    def new_job(self, source_id: Any) -> list[ColumnElement[Any]]:
        """What a new job gets, in the order of `job_columns`."""
        return [
            source_id,
            *(literal(value, getattr(Job, name).type) for name, value in self.fields.items()),
        ]

    @property
    def job_columns(self) -> list[str]:
        return ["source_id", *self.fields]

    def dealt_with(self, source_id: Any) -> ColumnElement[bool]:
        """Whether another version's job for the same source and destination has come, or may yet come, to anything."""
        return (
            select(Job.id)
            .join(Recipe, Recipe.id == Job.recipe_id)
            .where(
                Job.source_id == source_id,
                Job.recipe_id != self.batch.recipe_id,
                Job.state.not_in(_TO_NOTHING),
                Recipe.dest_url == self.batch.dest_url,
                Recipe.options_key == self.batch.options_key,
            )
            .exists()
        )


def _job_defaults() -> dict[str, Any]:
    """The plain defaults of a job's columns: SQLAlchemy gives none to an INSERT that is part of a SELECT."""
    defaults = {column.name: column.default for column in Job.__table__.columns}
    return {
        name: default.arg
        for name, default in defaults.items()
        if isinstance(default, ScalarElementColumnDefault)
    }


def _in_one(session: Session, piece: _Piece, *, only_needed: bool) -> Any:
    """All in one statement; says how many `sources` the objects have now, how many jobs were `missing` and how many
    were `made`.
    """
    objects = select(piece.listed, piece.source_of().label("source_id")).cte("objects")
    added = _inserted(
        session,
        Source,
        _SOURCE,
        select(*piece.new_source(objects)).where(objects.c.source_id.is_(None)),
        Source.id,
    ).cte("added")
    known = (
        select(objects.c.source_id, piece.job_of(objects.c.source_id).label("job_id"))
        .where(objects.c.source_id.is_not(None))
        .cte("known")
    )
    wanted = ~piece.dealt_with(known.c.source_id) if only_needed else true()
    jobless = select(known.c.source_id).where(known.c.job_id.is_(None), wanted)
    missing = union_all(jobless, select(added.c.id)).cte("missing")
    made = _inserted(
        session, Job, piece.job_columns, select(*piece.new_job(missing.c.source_id)), Job.id
    ).cte("made")
    there = select(known.c.job_id).where(known.c.job_id.is_not(None), wanted)
    jobs = union_all(there, select(made.c.id)).cte("jobs")
    placed = _inserted(
        session, BatchJob, _BATCH_JOB, select(literal(piece.batch_id), jobs.c.job_id), BatchJob.job_id
    ).cte("placed")
    counts = select(
        (_count(known) + _count(added)).label("sources"),
        _count(missing).label("missing"),
        _count(made).label("made"),
    )
    return session.connection().execute(counts.add_cte(placed)).one()


def _inserted(
    session: Session, table: type[Base], columns: Sequence[str], rows: Select[*_Columns], tell: Any
) -> Any:
    return insert_unless_there(session, table).from_select(columns, rows).returning(tell)


def _count(rows: CTE) -> ScalarSelect[int]:
    return select(func.count()).select_from(rows).scalar_subquery()


def _in_three(session: Session, piece: _Piece, *, only_needed: bool) -> int:
    """The same in three statements, under SQLite's lock on all writing; returns how many jobs were made."""
    listed, source_id = piece.listed, piece.source_of()
    wanted = ~piece.dealt_with(source_id) if only_needed else true()

    def insert(table: type[Base], columns: Sequence[str], rows: Select[*_Columns]) -> int:
        # SQLite takes `SELECT .. ON CONFLICT` for the beginning of a join unless a WHERE stands between.
        statement = insert_unless_there(session, table).from_select(columns, rows.where(true()))
        return session.connection().execute(statement, execution_options={"preserve_rowcount": True}).rowcount

    insert(Source, _SOURCE, select(*piece.new_source(listed)).select_from(listed))
    made = insert(Job, piece.job_columns, select(*piece.new_job(source_id)).select_from(listed).where(wanted))
    job_id = piece.job_of(source_id)
    insert(BatchJob, _BATCH_JOB, select(literal(piece.batch_id), job_id).select_from(listed).where(wanted))
    return made
