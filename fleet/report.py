"""The result of a migration: a table for people, a document for machines. Both from the database alone."""

from collections.abc import Iterable, Iterator
from typing import Any

from rich.console import Console, Group
from rich.table import Table
from sqlalchemy.orm import Session

from db.queries import jobs, reports
from db.search import Field, Search, Term
from db.states import JobState
from fleet.consoles import plain
from fleet.migrate import Migrated
from keras2torch.errors import one_line
from workers.publish import door_of
from workers.recipe import as_text

SCHEMA_VERSION = 1
_PROBLEMS_READ = 1000
_PROBLEMS_SHOWN = 20
_JOBS_LISTED = 100_000


def document(migrated: Migrated) -> dict[str, Any]:
    """Everything a machine may want to know, as `--json` prints it."""
    with migrated.sessions() as session:
        summary = _summary(session, migrated)
        listed = [_job(row, summary.dest_url) for row in _all_jobs(session, migrated.batch_id, _JOBS_LISTED)]
    return {
        "schema_version": SCHEMA_VERSION,
        "state": "finished" if migrated.finished else "interrupted",
        "listing_error": migrated.listing_error,
        "batch": summary.batch_id,
        "source": summary.source_url,
        "dest": summary.dest_url,
        "database": migrated.database_url,
        "converter_version": summary.converter_version,
        "options": dict(summary.options),
        "total": summary.total,
        "terminal": summary.terminal,
        "new": summary.jobs_new,
        "states": {state.value: count for state, count in summary.states.items()},
        "reused": summary.reused,
        "worst_structure_error": summary.worst_structure_error,
        "worst_deployment_error": summary.worst_deployment_error,
        "errors": [
            {"state": error.state.value, "kind": error.kind, "jobs": error.jobs, "example": error.example_key}
            for error in summary.errors
        ],
        "reasons": [
            {"kind": reason.kind, "subject": reason.subject, "jobs": reason.jobs}
            for reason in summary.reasons
        ],
        "jobs": listed,
        "jobs_truncated": len(listed) < summary.total,
    }


def show(migrated: Migrated, console: Console) -> None:
    """The final table, the problems behind it, and where everything is."""
    with migrated.sessions() as session:
        summary = _summary(session, migrated)
        problems = jobs.list_jobs(
            session,
            Search(
                (
                    Term(Field.BATCH, (migrated.batch_id,)),
                    Term(Field.STATE, (JobState.FAILED, JobState.QUARANTINED)),
                )
            ),
            limit=_PROBLEMS_READ,
        )
    console.print(Group(*_tables(summary)))
    lines = list(_distinct(problems.jobs))
    for line in lines[:_PROBLEMS_SHOWN]:
        console.print(plain(f"  {line}"), soft_wrap=True)
    if problems.next_after is not None or len(lines) > _PROBLEMS_SHOWN:
        console.print("  ... more with: bin/fleet jobs --state failed")
    if summary.options:
        console.print(plain(f"options   {as_text(summary.options)}"), soft_wrap=True)
    for label, value in (
        ("bundles", f"{summary.dest_url}/by-name"),
        ("database", migrated.database_url),
        ("logs", migrated.logs),
    ):
        console.print(plain(f"{label:<9} {value}"), soft_wrap=True)
    if not migrated.finished:
        left = summary.total - summary.terminal
        console.print(f"interrupted with {left} jobs to go; the same command continues")


def _tables(summary: reports.BatchSummary) -> Iterator[Table]:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(justify="right")
    table.add_column()
    table.add_column()
    known = summary.total - summary.jobs_new
    table.add_row(str(summary.total), "models", f"{known} known from before" if known else "")
    parity = (
        f"largest error {summary.worst_structure_error:.1e} in float64,"
        f" {summary.worst_deployment_error:.1e} in float32"
        if summary.worst_structure_error is not None and summary.worst_deployment_error is not None
        else ""
    )
    succeeded = summary.states[JobState.SUCCEEDED]
    table.add_row(str(succeeded), "converted, parity proven", parity)
    if summary.reused:
        table.add_row(str(summary.reused), "  of these the same content as another", "")
    for error in summary.errors:
        table.add_row(
            str(error.jobs), plain(f"{error.state}: {error.kind}"), plain(f"e.g. {error.example_key}")
        )
    for state in (JobState.CANCELLED, JobState.QUEUED, JobState.RUNNING, JobState.HELD):
        if summary.states[state]:
            table.add_row(str(summary.states[state]), str(state), "")
    yield table
    if summary.reasons:
        reasons = Table(
            box=None, pad_edge=False, show_header=False, title="what was refused", title_justify="left"
        )
        reasons.add_column(justify="right")
        for reason in summary.reasons[:_PROBLEMS_SHOWN]:
            reasons.add_row(str(reason.jobs), plain(reason.kind), plain(reason.subject))
        yield reasons


def _distinct(failed: Iterable[jobs.JobRow]) -> Iterator[str]:
    """What went wrong, once for all models of which the same is to be said."""
    same: dict[str, list[str]] = {}
    for job in failed:
        what = (job.error_message or str(job.state)).removeprefix(f"{one_line(job.key)}: ")
        same.setdefault(what, []).append(job.key)
    for what, keys in same.items():
        yield f"{keys[0]}: {what}" + (f" (and {len(keys) - 1} more)" if len(keys) > 1 else "")


def _summary(session: Session, migrated: Migrated) -> reports.BatchSummary:
    summary = reports.batch_summary(session, migrated.batch_id)
    assert summary is not None
    return summary


def _all_jobs(session: Session, batch_id: int, limit: int) -> Iterator[jobs.JobRow]:
    after: int | None = None
    while limit > 0:
        page = jobs.list_jobs(
            session, Search((Term(Field.BATCH, (batch_id,)),)), after=after, limit=min(limit, 1000)
        )
        yield from page.jobs
        limit -= len(page.jobs)
        after = page.next_after
        if after is None:
            return


def _job(job: jobs.JobRow, dest_url: str) -> dict[str, Any]:
    succeeded = job.state is JobState.SUCCEEDED
    return {
        "id": job.id,
        "key": job.key,
        "state": job.state.value,
        "attempts": job.attempts,
        "reused_from": job.reused_from,
        "error": {"kind": job.error_kind, "message": job.error_message} if job.error_kind else None,
        "structure_error": job.structure_error if succeeded else None,
        "deployment_error": job.deployment_error if succeeded else None,
        "bundle": f"{dest_url}/{door_of(job.key)}" if succeeded else None,
    }
