"""A search as conditions on `job`, good for reading and for changing alike: they join nothing."""

from collections.abc import Callable

from sqlalchemy import ColumnElement, false, func, not_, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from db.models import BatchJob, Job, JobReason, Recipe, Source
from db.search import Field, Search, Term, Value

_Condition = Callable[[Value], ColumnElement[bool]]


def matching(search: Search) -> list[ColumnElement[bool]]:
    """What the WHERE of a statement on `job` needs."""
    return [_condition(term) for term in search.terms]


def count(session: Session, search: Search, *criteria: ColumnElement[bool]) -> int:
    """How many jobs there are that `search` means, and that meet `criteria` as well."""
    query = select(func.count()).select_from(Job).where(*matching(search), *criteria)
    return session.scalars(query).one()


def _condition(term: Term) -> ColumnElement[bool]:
    met = or_(*map(_MEANING[term.field], term.values))
    # What is NULL has none of the values, and is not unknown.
    return not_(func.coalesce(met, false())) if term.negated else met


def _is(column: InstrumentedAttribute[object]) -> _Condition:
    return lambda value: column == value


def _batch(value: Value) -> ColumnElement[bool]:
    return Job.id.in_(select(BatchJob.job_id).where(BatchJob.batch_id == value))


def _converter(value: Value) -> ColumnElement[bool]:
    return Job.recipe_id.in_(select(Recipe.id).where(Recipe.converter_version == value))


def _error(value: Value) -> ColumnElement[bool]:
    return Job.error_kind.icontains(str(value), autoescape=True)


def _layer(value: Value) -> ColumnElement[bool]:
    """The subject of a reason is a class, or a class and one of its options."""
    wanted = str(value).lower()
    subject = func.lower(JobReason.subject)
    named = or_(subject == wanted, subject.startswith(f"{wanted} ", autoescape=True))
    return Job.id.in_(select(JobReason.job_id).where(named))


def _key(value: Value) -> ColumnElement[bool]:
    text = str(value)
    if not set(text) & set("*?"):
        found = Source.key.icontains(text, autoescape=True)
    else:
        escaped = "".join(f"/{char}" if char in "/%_" else char for char in text)
        found = Source.key.ilike(escaped.replace("*", "%").replace("?", "_"), escape="/")
    return Job.source_id.in_(select(Source.id).where(found))


_MEANING: dict[Field, _Condition] = {
    Field.ID: _is(Job.id),
    Field.STATE: _is(Job.state),
    Field.BATCH: _batch,
    Field.WORKER: _is(Job.worker_id),
    Field.CONVERTER: _converter,
    Field.QUEUE: _is(Job.queue),
    Field.ERROR: _error,
    Field.FINGERPRINT: _is(Job.error_fingerprint),
    Field.LAYER: _layer,
    Field.KEY: _key,
    Field.CREATED_AFTER: lambda value: Job.created_at >= value,
    Field.CREATED_BEFORE: lambda value: Job.created_at < value,
    Field.FINISHED_AFTER: lambda value: Job.finished_at >= value,
    Field.FINISHED_BEFORE: lambda value: Job.finished_at < value,
}
