"""The operator's command. Every command can answer in JSON; every failure is one line and an exit code."""

import logging
import sys
from typing import Annotated, Any

import typer
from sqlalchemy.exc import SQLAlchemyError

from db.queries import jobs as job_queries
from db.search import Field, Search, Term, joined
from db.states import JobState
from fleet import browse, clean, connect, diagnose, logs, operate, remote, schedules, users
from fleet.answering import (
    SERVER,
    AsJson,
    Dest,
    answer,
    database_url,
    given_database,
    print_json,
    server_of,
    sessions_of,
)
from fleet.asked import Exclude, Include, conversion_options, export_formats, selection_of, with_options
from fleet.consoles import LogFormatter, console
from fleet.errors import FleetError, UsageError
from fleet.settings import Settings, load_settings
from keras2torch.errors import one_line
from keras2torch.options import ConversionOptions
from storage.errors import StorageError

app = typer.Typer(
    name="fleet",
    help="Converts Keras models in bulk: from a folder or bucket to proven PyTorch bundles.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

INTERRUPTED = 130
_REMOTE = frozenset(
    {"status", "jobs", "job", "retry", "cancel", "hold", "release", "workers", "drain", "schedules", "audit"}
)
"""The commands that a server elsewhere can answer."""


@app.callback()
def reach(
    context: typer.Context,
    server: Annotated[
        str | None,
        typer.Option(
            envvar="FLEET_SERVER",
            help="Ask the dashboard at this address in place of a database; with the token in FLEET_TOKEN.",
        ),
    ] = None,
) -> None:
    """Converts Keras models in bulk: from a folder or bucket to proven PyTorch bundles."""
    source = context.get_parameter_source("server")
    if source is not None and source.name == "COMMANDLINE" and context.invoked_subcommand not in _REMOTE:
        raise UsageError(f"{context.invoked_subcommand} is done here, not by --server")
    SERVER.set(server)


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
    include: Include = None,
    exclude: Exclude = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what it would do, from a look into each file; do nothing.")
    ] = False,
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
    asked_for: dict[str, Any] = {
        "export": export_formats(export),
        "selection": selection_of(include, exclude),
    }
    if dry_run:
        _forecast(source, dest, options, settings, asked_for, as_json=as_json)
        return
    with run(source, dest, options, settings, console(sys.stderr), **asked_for) as migrated:
        if as_json:
            print_json(report.document(migrated))
        else:
            report.show(migrated, console())
    if not migrated.finished:
        raise typer.Exit(INTERRUPTED)
    if migrated.listing_error is not None:
        raise FleetError(f"not everything was listed: {migrated.listing_error}")


@app.command()
def status(dest: Dest = None, as_json: AsJson = False) -> None:
    """Jobs by state, workers, what runs now, the newest batches."""
    if server := server_of(dest):
        found = remote.status(server)
    else:
        with sessions_of(dest)() as session:
            found = browse.status(session)
    answer(found, browse.show_status, as_json)


@app.command(context_settings=operate.NEGATIONS)
def jobs(
    words: operate.Filter = None,
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
    given = {Field.STATE: state, Field.ERROR: error, Field.KEY: key, Field.BATCH: batch}
    terms = [
        Term(field, tuple(value) if isinstance(value, list) else (value,))
        for field, value in given.items()
        if value is not None
    ]
    wanted = Search((*operate.search_of(words).terms, *joined(terms).terms))
    if server := server_of(dest):
        page = remote.jobs(server, remote.text_of(words or (), terms), after=after, limit=limit)
    else:
        with sessions_of(dest)() as session:
            page = job_queries.list_jobs(session, wanted, after=after, limit=limit)
    answer(page, browse.show_jobs, as_json)


@app.command()
def job(
    job_id: Annotated[int, typer.Argument(metavar="ID")],
    log: Annotated[
        bool, typer.Option("--log", help="What its processes said, or say, and nothing else.")
    ] = False,
    attempt: Annotated[
        int | None, typer.Option(min=1, help="With --log: of which; default: the newest that runs or spoke.")
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", help="With --log: go on until the attempt has ended.")
    ] = False,
    dest: Dest = None,
    as_json: AsJson = False,
) -> None:
    """Everything known of one job: attempts, reasons, parity, files, events; or a log."""
    if log:
        logs.show(job_id, dest, attempt=attempt, follow=follow, as_json=as_json)
        return
    if follow or attempt is not None:
        raise UsageError("--attempt and --follow are about --log")
    if server := server_of(dest):
        found = remote.job(server, job_id)
    else:
        with sessions_of(dest)() as session:
            found = browse.detail(session, job_id)
    answer(found, browse.show_job, as_json)


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
def up(
    workers: Annotated[int | None, typer.Option(min=1, help="Conversions at once.")] = None,
    dashboard: Annotated[
        bool, typer.Option("--dashboard/--no-dashboard", help="Serve the web pages, too.")
    ] = True,
) -> None:
    """Run a scheduler, a worker and the dashboard together until told to stop."""
    from fleet.parts import run_up

    _log_to_stderr()
    raise typer.Exit(run_up(load_settings(workers=workers), dashboard=dashboard))


@app.command()
def dashboard(
    dest: Dest = None,
    host: Annotated[
        str | None, typer.Option(help="Address to listen on; default: FLEET_DASHBOARD_HOST.")
    ] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Default: FLEET_DASHBOARD_PORT.")] = None,
) -> None:
    """Serve the web pages and the API until told to stop."""
    from fleet import web

    _log_to_stderr()
    settings = load_settings(dashboard_host=host, dashboard_port=port)
    web.run(settings, database_url(dest), settings.dashboard)


@app.command()
def upgrade() -> None:
    """Create the schema in FLEET_DATABASE_URL, or bring it up to date."""
    connect.open_database(given_database(load_settings()), create=True).dispose()


app.command(context_settings=operate.NEGATIONS)(operate.retry)
app.command(context_settings=operate.NEGATIONS)(operate.cancel)
app.command()(operate.hold)
app.command()(operate.release)
app.command()(operate.workers)
app.command()(operate.drain)
app.command("audit")(operate.history)
app.command()(clean.gc)
app.command()(diagnose.doctor)
app.command()(diagnose.config)
app.command()(diagnose.check)
app.add_typer(schedules.app, name="schedules")
app.add_typer(users.users, name="users")
app.add_typer(users.tokens, name="tokens")


def _forecast(
    source: str,
    dest: str,
    options: ConversionOptions,
    settings: Settings,
    asked_for: dict[str, Any],
    *,
    as_json: bool,
) -> None:
    from fleet import dry_run

    found = dry_run.forecast(source, dest, options, settings, **asked_for)
    if as_json:
        print_json(found.document())
    else:
        dry_run.show(found, console())
    if found.listing_error is not None:
        raise FleetError(f"not everything was listed: {found.listing_error}")


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


def _log_to_stderr(level: int = logging.INFO) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LogFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=level, handlers=[handler])
    for talkative in ("alembic", "celery"):
        logging.getLogger(talkative).setLevel(logging.WARNING)


if __name__ == "__main__":
    main()
