"""The operator's command. Every command can answer in JSON; every failure is one line and an exit code."""

import json
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from db.queries import jobs as job_queries
from db.states import JobState
from fleet import browse, connect, places
from fleet.asked import conversion_options, export_formats, with_options
from fleet.consoles import LogFormatter, console
from fleet.errors import FleetError, UsageError
from fleet.settings import Settings, load_settings
from keras2torch.errors import one_line
from storage.errors import StorageError

app = typer.Typer(
    name="fleet",
    help="Converts Keras models in bulk: from a folder or bucket to proven PyTorch bundles.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

_T = TypeVar("_T")

AsJson = Annotated[bool, typer.Option("--json", help="Answer with one JSON document on stdout.")]
Dest = Annotated[
    str | None, typer.Option(help="Destination whose embedded database to read; default: the one used last.")
]
INTERRUPTED = 130


@app.command()
@with_options
def migrate(
    source: Annotated[str, typer.Argument(help="Folder or s3://bucket/prefix holding .h5 files.")],
    dest: Annotated[str, typer.Argument(help="Folder or s3://bucket/prefix for the bundles.")],
    workers: Annotated[
        int | None,
        typer.Option(min=0, help="Conversions at once on this machine; default: one a processor."),
    ] = None,
    export: Annotated[
        str,
        typer.Option(
            metavar="pt2,onnx", help="Write model.pt2, model.onnx, or both, and compare what they compute."
        ),
    ] = "",
    as_json: AsJson = False,
    **asked: Any,
) -> None:
    """Convert every model in SOURCE, prove each, publish to DEST; run again to continue or to add files.

    What a file says itself is believed, whatever the options say; its bundle then carries a warning. The same models
    with other options are other jobs.
    """
    from fleet import report
    from fleet.migrate import migrate as run

    _log_to_stderr(logging.WARNING)
    options = conversion_options(**asked)
    settings = load_settings(workers=workers)
    formats = export_formats(export)
    with run(source, dest, options, settings, console(sys.stderr), export=formats) as migrated:
        if as_json:
            _print_json(report.document(migrated))
        else:
            report.show(migrated, console())
    if not migrated.finished:
        raise typer.Exit(INTERRUPTED)
    if migrated.listing_error is not None:
        raise FleetError(f"not everything was listed: {migrated.listing_error}")


@app.command()
def status(dest: Dest = None, as_json: AsJson = False) -> None:
    """Jobs by state, workers, what runs now, the newest batches."""
    with _reading(dest)() as session:
        found = browse.status(session)
    _answer(found, browse.show_status, as_json)


@app.command()
def jobs(
    dest: Dest = None,
    state: Annotated[list[JobState] | None, typer.Option(help="Only these states; may be repeated.")] = None,
    error: Annotated[
        str | None, typer.Option(help="Only this kind of error, e.g. unsupported-model.")
    ] = None,
    key: Annotated[str | None, typer.Option(help="Only models whose name contains this.")] = None,
    batch: Annotated[int | None, typer.Option(help="Only this batch.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 50,
    after: Annotated[int | None, typer.Option(help="Begin behind this job.")] = None,
    as_json: AsJson = False,
) -> None:
    """List jobs, by number."""
    wanted = job_queries.JobFilter(
        batch_id=batch, states=tuple(state or ()), error_kind=error, key_contains=key
    )
    with _reading(dest)() as session:
        page = job_queries.list_jobs(session, wanted, after=after, limit=limit)
    _answer(page, browse.show_jobs, as_json)


@app.command()
def job(
    job_id: Annotated[int, typer.Argument(metavar="ID")], dest: Dest = None, as_json: AsJson = False
) -> None:
    """Everything known of one job: attempts, reasons, parity, files, events."""
    with _reading(dest)() as session:
        found = browse.detail(session, job_id)
    _answer(found, browse.show_job, as_json)


@app.command()
def worker(
    workers: Annotated[int | None, typer.Option(min=1, help="Conversions at once.")] = None,
    worker_id: Annotated[str | None, typer.Option("--id", hidden=True)] = None,
) -> None:
    """Run a worker against FLEET_DATABASE_URL and FLEET_BROKER_URL until told to stop."""
    from fleet.parts import run_worker

    _log_to_stderr()
    raise typer.Exit(run_worker(load_settings(workers=workers), worker_id))


@app.command()
def scheduler() -> None:
    """Run a scheduler against FLEET_DATABASE_URL and FLEET_BROKER_URL until told to stop; several may run."""
    from fleet.parts import run_scheduler

    _log_to_stderr()
    run_scheduler(load_settings())


@app.command()
def up(workers: Annotated[int | None, typer.Option(min=1, help="Conversions at once.")] = None) -> None:
    """Run a scheduler and a worker together until told to stop."""
    from fleet.parts import run_up

    _log_to_stderr()
    run_up(load_settings(workers=workers))


@app.command()
def upgrade() -> None:
    """Create the schema in FLEET_DATABASE_URL, or bring it up to date."""
    connect.open_database(_given_database(load_settings()), create=True).dispose()


def main() -> None:
    """Run the command and exit: 0 done, 1 something does not work, 2 wrong usage, 130 interrupted."""
    try:
        app()
    except FleetError as error:
        _fail(str(error), error.exit_code)
    except StorageError as error:
        _fail(str(error), FleetError.exit_code)
    except SQLAlchemyError as error:
        _fail(f"database: {connect.database_problem(error)}", FleetError.exit_code)


def _fail(message: str, code: int) -> None:
    print(f"fleet: {one_line(message, 4000)}", file=sys.stderr)
    sys.exit(code)


def _reading(dest: str | None) -> sessionmaker[Session]:
    settings = load_settings()
    if dest is not None:
        url = _embedded_url(places.state_dir(connect.open_store(dest, settings), settings))
    elif settings.database_url is not None:
        url = settings.database_url.get_secret_value()
    else:
        url = _embedded_url(places.last_used())
    return connect.sessions_of(connect.open_database(url, create=False), read_only=True)


def _embedded_url(state: Path) -> str:
    from fleet.embedded import StateDir

    if not (state / "fleet.db").is_file():
        raise UsageError(f"no fleet database in {state}")
    return StateDir(state).database_url


def _given_database(settings: Settings) -> str:
    if settings.database_url is None:
        raise UsageError("set FLEET_DATABASE_URL")
    return settings.database_url.get_secret_value()


def _answer(value: _T, show: Callable[[_T, Console], None], as_json: bool) -> None:
    if as_json:
        _print_json(browse.as_json(value))
    else:
        show(value, console())


def _print_json(value: Any) -> None:
    json.dump(value, sys.stdout, indent=1)
    sys.stdout.write("\n")


def _log_to_stderr(level: int = logging.INFO) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LogFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=level, handlers=[handler])
    for talkative in ("alembic", "celery"):
        logging.getLogger(talkative).setLevel(logging.WARNING)


if __name__ == "__main__":
    main()
