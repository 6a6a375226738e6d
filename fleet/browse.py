"""`fleet status`, `jobs` and `job`: what the database says, for people. Reads and never writes."""

import dataclasses
import json
from datetime import datetime
from enum import Enum
from typing import Any

from rich.console import Console
from sqlalchemy.orm import Session

from db.queries import audit, jobs, reports, workers
from db.queries.job_detail import AttemptRow, JobDetail, job_detail
from db.states import JobState, WorkerState
from fleet.consoles import plain, table_of
from fleet.errors import FleetError
from workers.recipe import as_text

_RATE_SECONDS = 600.0


def status(session: Session) -> dict[str, Any]:
    """Jobs by state, workers, what runs now, the newest batches, how attempts ended lately."""
    return {
        "jobs": {state.value: count for state, count in reports.count_states(session).items()},
        "workers": workers.list_workers(session),
        "running": jobs.running(session),
        "batches": [reports.batch_summary(session, number) for number in reports.latest_batches(session, 5)],
        "last_ten_minutes": {
            outcome.value: count
            for outcome, count in reports.throughput(session, seconds=_RATE_SECONDS).items()
        },
    }


def show_status(found: dict[str, Any], console: Console) -> None:
    """The same, as a few lines and tables."""
    states = ", ".join(f"{count} {state}" for state, count in found["jobs"].items() if count)
    console.print(f"jobs     {states or 'none'}")
    lately = ", ".join(f"{count} {outcome}" for outcome, count in found["last_ten_minutes"].items())
    console.print(f"lately   {lately or 'no attempt ended'} in the last ten minutes")
    if found["workers"]:
        show_workers(found["workers"], console)
    if found["running"]:
        table = table_of("job", "stage", "since", "model")
        for job in found["running"]:
            table.add_row(str(job.job_id), job.stage or "", _moment(job.started_at), plain(job.key))
        console.print(table)
    if found["batches"]:
        table = table_of("batch", "state", "done", "converted", "source", "destination", "options")
        for batch in found["batches"]:
            done = f"{batch.terminal}/{batch.total}"
            converted = str(batch.states[JobState.SUCCEEDED])
            table.add_row(
                str(batch.batch_id),
                str(batch.state),
                done,
                converted,
                plain(batch.source_url),
                plain(batch.dest_url),
                plain(as_text(batch.options)),
            )
        console.print(table)


def show_workers(found: list[workers.WorkerRow], console: Console) -> None:
    """One line a worker."""
    table = table_of("worker", "state", "slots", "running", "device", "version", "last heard")
    for worker in found:
        asked = worker.drain_requested_at is not None and worker.state is WorkerState.ACTIVE
        table.add_row(
            worker.id,
            "asked to drain" if asked else str(worker.state),
            str(worker.slots),
            str(worker.running),
            plain(worker.device),
            plain(str(worker.versions.get("keras2torch", ""))),
            _moment(worker.heartbeat_at),
        )
    console.print(table)


def show_audit(found: list[audit.AuditRow], console: Console) -> None:
    """One line an act."""
    table = table_of("act", "when", "who", "what", "to", "jobs")
    for act in found:
        what, jobs = plain(act.action), str(act.jobs or "")
        table.add_row(str(act.id), _moment(act.at), plain(act.actor), what, plain(act.subject), jobs)
    console.print(table)


def show_jobs(page: jobs.Page, console: Console) -> None:
    """One line a job."""
    table = table_of("job", "state", "tries", "float64", "float32", "model", "options", "what went wrong")
    for job in page.jobs:
        table.add_row(
            str(job.id),
            str(job.state),
            str(job.attempts),
            _figure(job.structure_error),
            _figure(job.deployment_error),
            plain(job.key),
            plain(as_text(job.options)),
            plain(job.error_kind or ""),
        )
    console.print(table)
    if page.next_after is not None:
        console.print(f"more: --after {page.next_after}")


def detail(session: Session, job_id: int) -> JobDetail:
    """Everything known of one job.

    Raises:
        FleetError: there is no such job.
    """
    found = job_detail(session, job_id)
    if found is None:
        raise FleetError(f"no job {job_id}")
    return found


def show_job(job: JobDetail, console: Console) -> None:
    """The job, its reasons, its attempts, its figures, its files, its events."""
    lines = [
        f"job {job.id}: {job.state}",
        f"source   {job.store_url}/{job.key} ({job.size} bytes, sha256 {job.sha256 or 'not read yet'})",
        f"dest     {job.dest_url}",
        f"recipe   converter {job.converter_version}, {as_text(job.options) or 'no options'}",
    ]
    if job.error_message:
        lines.append(f"error    {job.error_kind}: {job.error_message}")
    if job.reused_from:
        lines.append(f"reused   the same content as job {job.reused_from}")
    lines += [f"reason   {reason.kind}: {reason.layer or ''}: {reason.message}" for reason in job.reasons]
    lines += [
        f"parity   {'passed' if row.passed else 'FAILED'} on {row.device}: "
        f"float64 {_figure(row.structure_error)}, float32 {_figure(row.deployment_error)}"
        for row in job.parity
    ]
    for line in lines:
        console.print(plain(line), soft_wrap=True)
    table = table_of("try", "outcome", "started", "seconds", "stages", "worker", "peak", "error")
    for attempt in job.attempts:
        took = (attempt.ended_at or attempt.heartbeat_at) - attempt.started_at
        stages = " ".join(
            f"{stage} {seconds:.2f}" for stage, seconds in (attempt.stage_seconds or {}).items()
        )
        peak = f"{attempt.max_rss_bytes / 1e6:.0f} MB" if attempt.max_rss_bytes else ""
        table.add_row(
            str(attempt.fence),
            str(attempt.outcome or _stage(attempt)),
            _moment(attempt.started_at),
            f"{took.total_seconds():.2f}",
            stages,
            attempt.worker_id,
            peak,
            plain(attempt.error_message or ""),
        )
    console.print(table)
    for artifact in job.artifacts:
        console.print(
            plain(f"file     {artifact.name} ({artifact.size} bytes) {artifact.key}"), soft_wrap=True
        )
    for attempt in job.attempts:
        if attempt.log_key:
            console.print(plain(f"log      of try {attempt.fence}: {attempt.log_key}"), soft_wrap=True)
        elif attempt.log_said:
            console.print(
                f"log      of try {attempt.fence}: {attempt.log_said} characters, not stored (--log)"
            )
    for event in job.events:
        data = json.dumps(event.data) if event.data else ""
        console.print(plain(f"event    {_moment(event.at)} {event.type} {data}"), soft_wrap=True)


def as_json(value: Any) -> Any:
    """`value` in JSON's terms: rows with their properties, moments in ISO 8601, enums by value."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in dataclasses.fields(value)]
        names += [name for name, found in vars(type(value)).items() if isinstance(found, property)]
        return {name: as_json(getattr(value, name)) for name in names}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, dict):
        return {as_json(key): as_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(item) for item in value]
    return value


def _moment(at: datetime) -> str:
    return at.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _stage(attempt: AttemptRow) -> str:
    done = "" if attempt.progress is None else f" {attempt.progress:.0%}"
    return f"{attempt.stage or 'running'}{done}"


def _figure(error: float | None) -> str:
    return "" if error is None else f"{error:.1e}"
