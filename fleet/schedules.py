"""`fleet schedules`: migrations that repeat, kept in FLEET_DATABASE_URL and fired by whatever schedulers run there."""

from datetime import datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy.exc import IntegrityError

import keras2torch
from db.queries import audit, schedules
from db.states import Overlap
from fleet import connect, remote
from fleet.answering import AsJson, actor, answer, given_database, server_of, sessions_of
from fleet.asked import Exclude, Include, conversion_options, export_formats, selection_of, with_options
from fleet.consoles import plain
from fleet.errors import FleetError, UsageError
from fleet.settings import load_settings
from scheduler import cron
from scheduler.selection import Selection

app = typer.Typer(no_args_is_help=True, help="Migrations that repeat.")

Name = Annotated[str, typer.Argument(metavar="NAME")]
Cron = Annotated[
    str,
    typer.Option(
        "--cron",
        metavar="FIELDS",
        help='Minute, hour, day, month, day of the week: "30 2 * * *" is every night at half past two.',
    ),
]
Zone = Annotated[str, typer.Option(metavar="ZONE", help="Where that is the time, as Europe/Berlin.")]
Lap = Annotated[
    Overlap,
    typer.Option(help="When its time comes while the last run is unfinished: leave out, wait, or start."),
]
Everything = Annotated[
    bool,
    typer.Option(
        "--everything/--only-needed",
        help="Whether a newer converter does again what an older one did, or only what is new, changed or failed.",
    ),
]


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """What there is, when it comes next, and what became of the last time."""
    answer(_listed(), _show, as_json)


@app.command()
@with_options
def add(
    name: Name,
    source: Annotated[str, typer.Argument(help="Folder or s3://bucket/prefix holding .h5 files.")],
    dest: Annotated[str, typer.Argument(help="Folder or s3://bucket/prefix for the bundles.")],
    cron_fields: Cron,
    timezone: Zone = "UTC",
    overlap: Lap = Overlap.SKIP,
    everything: Everything = False,
    include: Include = None,
    exclude: Exclude = None,
    export: Annotated[str, typer.Option(metavar="pt2,onnx", help="As for migrate.")] = "",
    as_json: AsJson = False,
    **asked: Any,
) -> None:
    """Convert what is new in SOURCE to DEST whenever the time comes; the first time is the next."""
    from workers import recipe

    _check(cron_fields, timezone)
    selection = selection_of(include, exclude, only_needed=not everything)
    options, formats = conversion_options(**asked), export_formats(export)
    if server := server_of():
        given = {name: value for name, value in asked.items() if value}
        remote.add_schedule(
            server,
            {
                "name": name,
                "cron": cron_fields,
                "timezone": timezone,
                "source": source,
                "dest": dest,
                "overlap": overlap,
                **remote.taken(selection.as_json()),
                "options": {**given, "export": list(formats)},
            },
        )
        answer(_one(name), _show, as_json)
        return
    settings = load_settings()
    given_database(settings)
    source_store, dest_store = connect.open_store(source, settings), connect.open_store(dest, settings)
    connect.check_store(source_store, write=False)
    connect.check_store(dest_store, write=True)
    try:
        with sessions_of(None, read_only=False).begin() as session:
            schedules.add(
                session,
                name=name,
                cron=cron_fields,
                timezone=timezone,
                source_url=source_store.url,
                selection=selection.as_json(),
                overlap=overlap,
                dest_url=dest_store.url,
                converter_version=keras2torch.__version__,
                options=recipe.options_of(options, dest_store, export=formats),
            )
            audit.write(session, actor(), "schedule-add", name)
    except IntegrityError:
        raise UsageError(f"there is a schedule {name!r} already") from None
    answer(_one(name), _show, as_json)


@app.command()
def edit(
    name: Name,
    cron_fields: Annotated[str | None, typer.Option("--cron", metavar="FIELDS")] = None,
    timezone: Annotated[str | None, typer.Option(metavar="ZONE")] = None,
    overlap: Annotated[Overlap | None, typer.Option()] = None,
    everything: Annotated[bool | None, typer.Option("--everything/--only-needed")] = None,
    include: Include = None,
    exclude: Exclude = None,
    as_json: AsJson = False,
) -> None:
    """Change when it comes or what it takes; what is not given stays. Patterns that are given replace the old ones."""
    (old,) = _one(name)
    cron_fields, timezone = cron_fields or old["cron"], timezone or old["timezone"]
    _check(cron_fields, timezone)
    was = Selection.of_json(old["selection"])
    selection = selection_of(
        list(was.include) if include is None else include,
        list(was.exclude) if exclude is None else exclude,
        only_needed=was.only_needed if everything is None else not everything,
    )
    fields: dict[str, Any] = {
        "cron": cron_fields,
        "timezone": timezone,
        "overlap": overlap or Overlap(old["overlap"]),
        "selection": selection.as_json(),
    }
    _change(name, "edit", **fields)
    answer(_one(name), _show, as_json)


@app.command()
def pause(name: Name, as_json: AsJson = False) -> None:
    """Let its time pass until `resume`."""
    _change(name, "pause", enabled=False)
    answer(_one(name), _show, as_json)


@app.command()
def resume(name: Name, as_json: AsJson = False) -> None:
    """End the pause; what was missed in it stays missed."""
    _change(name, "resume", enabled=True)
    answer(_one(name), _show, as_json)


@app.command()
def run(name: Name, as_json: AsJson = False) -> None:
    """Start it now, outside of its times, even where it is paused or runs already."""
    if server := server_of():
        answer(remote.run_schedule(server, name), _show_run, as_json)
        return
    with sessions_of(None, read_only=False).begin() as session:
        batch_id = schedules.run_now(session, name, keras2torch.__version__)
        if batch_id is None:
            raise _unknown(name)
        audit.write(session, actor(), "schedule-run", name, data={"batch": batch_id})
    answer({"name": name, "batch": batch_id}, _show_run, as_json)


@app.command()
def remove(name: Name, as_json: AsJson = False) -> None:
    """Forget it; what it converted stays, and what it began is finished."""
    if server := server_of():
        remote.remove_schedule(server, name)
    else:
        with sessions_of(None, read_only=False).begin() as session:
            if not schedules.remove(session, name):
                raise _unknown(name)
            audit.write(session, actor(), "schedule-remove", name)
    answer({"name": name, "removed": True}, _show_removed, as_json)


def _check(cron_fields: str, timezone: str) -> None:
    try:
        cron.checked(cron_fields, timezone)
    except cron.BadSchedule as error:
        raise UsageError(str(error)) from error


def _change(name: str, action: str, **fields: Any) -> None:
    if server := server_of():
        remote.change_schedule(server, name, fields)
        return
    with sessions_of(None, read_only=False).begin() as session:
        if not schedules.change(session, name, **fields):
            raise _unknown(name)
        audit.write(session, actor(), f"schedule-{action}", name)


def _unknown(name: str) -> FleetError:
    return UsageError(f"there is no schedule {name!r}")


def _listed() -> list[dict[str, Any]]:
    if server := server_of():
        return remote.schedules(server)
    given_database(load_settings())
    with sessions_of(None)() as session:
        rows = schedules.list_schedules(session)
    return [_with_next(row) for row in rows]


def _with_next(row: schedules.ScheduleRow) -> dict[str, Any]:
    found = {name: value for name, value in vars(row).items() if name != "now"}
    next_tick: datetime | None = None
    if row.enabled:
        try:
            next_tick = cron.next_tick(row.cron, row.timezone, row.now)
        except cron.BadSchedule as error:
            found["problem"] = str(error)
    return {**found, "next_tick": next_tick}


def _one(name: str) -> list[dict[str, Any]]:
    found = [row for row in _listed() if row["name"] == name]
    if not found:
        raise _unknown(name)
    return found


def _show(rows: list[dict[str, Any]], console: Console) -> None:
    if not rows:
        console.print("no schedules")
        return
    table = Table("name", "when", "next", "last", "batch", "source", "destination", box=None)
    for row in rows:
        last = row["last_tick"]
        table.add_row(
            plain(row["name"]),
            f"{row['cron']} {row['timezone']}",
            row["next_tick"].isoformat(timespec="minutes") if row["next_tick"] else "paused",
            "" if last is None else f"{last:%Y-%m-%d %H:%M} {row['last_outcome']}",
            "" if row["last_batch"] is None else f"{row['last_batch']} {row['last_state']}",
            plain(row["source_url"]),
            plain(row["dest_url"]),
        )
    console.print(table)


def _show_run(found: dict[str, Any], console: Console) -> None:
    console.print(plain(f"{found['name']}: batch {found['batch']}; a scheduler lists its source now"))


def _show_removed(found: dict[str, Any], console: Console) -> None:
    console.print(plain(f"{found['name']} is forgotten"))
