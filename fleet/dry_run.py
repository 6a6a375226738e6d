"""`fleet migrate --dry-run`: what a migration would do, from a listing, the database, and a look into each file."""

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from rich.console import Console
from rich.table import Table
from sqlalchemy.orm import Session, sessionmaker

import keras2torch
from db.queries import foresight
from db.queries.foresight import Outlook
from fleet import connect, places
from fleet.consoles import plain
from fleet.embedded import StateDir
from fleet.look import Look, Looker
from fleet.settings import Settings
from keras2torch.options import ConversionOptions
from scheduler import discover
from scheduler.selection import EVERYTHING, Selection
from storage.errors import StorageError
from storage.store import ObjectInfo, ObjectStore
from workers import recipe

_LOOKS_A_WORKER = 2
_PROBLEMS_SHOWN = 20


@dataclasses.dataclass
class Forecast:
    """What would happen. Everything is a count of models unless it says otherwise."""

    source: str
    dest: str
    models: int = 0
    bytes: int = 0
    outlook: Counter[str] = dataclasses.field(default_factory=Counter)
    to_do: int = 0
    to_do_bytes: int = 0
    convertible: int = 0
    unsupported: int = 0
    unreadable: Counter[str] = dataclasses.field(default_factory=Counter)
    """By the kind of error."""
    layers: Counter[str] = dataclasses.field(default_factory=Counter)
    """Models in which a class occurs."""
    blocking: Counter[str] = dataclasses.field(default_factory=Counter)
    """Models that a class stands in the way of."""
    alone: Counter[str] = dataclasses.field(default_factory=Counter)
    """Models that nothing but this class stands in the way of."""
    problems: list[str] = dataclasses.field(default_factory=list)
    """The first few of what is wrong with files, a line each."""
    fetched_bytes: int = 0
    requests: int = 0
    estimated_seconds: float | None = None
    """With the workers of the settings; None: nothing was converted yet to judge by."""
    listing_error: str | None = None

    def document(self) -> dict[str, Any]:
        """For `--json`."""
        layers = [
            {"class": name, "models": count, "blocks": self.blocking[name], "blocks_alone": self.alone[name]}
            for name, count in sorted(self.layers.items(), key=lambda item: (-item[1], item[0]))
        ]
        counters = {"outlook": dict(self.outlook), "unreadable": dict(self.unreadable)}
        plain_fields = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if field.name not in {"layers", "blocking", "alone", *counters}
        }
        return {"schema_version": 1, **plain_fields, **counters, "layers": layers}


def forecast(
    source_url: str,
    dest_url: str,
    options: ConversionOptions,
    settings: Settings,
    *,
    export: Sequence[str] = (),
    selection: Selection = EVERYTHING,
) -> Forecast:
    """What `migrate` would do with these. Nothing is written anywhere.

    Raises:
        FleetError: source or database do not work.
    """
    source, dest = connect.open_store(source_url, settings), connect.open_store(dest_url, settings)
    connect.check_store(source, write=False)
    sessions = _sessions(dest, settings)
    found = Forecast(source=source.url, dest=dest.url)
    row = recipe.row_of(options, export=export)
    with (
        Looker(options) as looker,
        ThreadPoolExecutor(_LOOKS_A_WORKER * max(settings.workers, 1), "look") as pool,
    ):
        for page in _pages(source, selection, found):
            _weigh(found, page, sessions, row)

            def look(model: ObjectInfo) -> Look:
                return looker.look(source, model)

            for seen in pool.map(look, page):
                _count(found, seen)
    _estimate(found, sessions, settings)
    return found


def _pages(source: ObjectStore, selection: Selection, found: Forecast) -> Iterator[list[ObjectInfo]]:
    try:
        yield from discover.pages(discover.models(source.list(), selection))
    except StorageError as error:
        found.listing_error = str(error)


def _sessions(dest: ObjectStore, settings: Settings) -> sessionmaker[Session] | None:
    """On the database that the migration would use; None where it would make one."""
    if settings.database_url is not None:
        url = settings.database_url.get_secret_value()
    else:
        state = StateDir(places.state_dir(dest, settings))
        if not state.has_database:
            return None
        url = state.database_url
    return connect.sessions_of(connect.open_database(url, create=False), read_only=True)


def _weigh(
    found: Forecast, page: list[ObjectInfo], sessions: sessionmaker[Session] | None, row: Mapping[str, Any]
) -> None:
    outlooks = [Outlook.NEW] * len(page)
    if sessions is not None:
        with sessions() as session:
            outlooks = foresight.outlook(
                session,
                page,
                source_url=found.source,
                dest_url=found.dest,
                converter_version=keras2torch.__version__,
                options=row,
            )
    found.models += len(page)
    found.bytes += sum(model.size for model in page)
    found.outlook.update(outlook.value for outlook in outlooks)
    work = [model.size for model, outlook in zip(page, outlooks, strict=True) if outlook.is_work]
    found.to_do += len(work)
    found.to_do_bytes += sum(work)


def _count(found: Forecast, seen: Look) -> None:
    found.fetched_bytes += seen.fetched_bytes
    found.requests += seen.requests
    if seen.problem is not None:
        found.unreadable[str(seen.kind)] += 1
        if len(found.problems) < _PROBLEMS_SHOWN:
            found.problems.append(seen.problem)
        return
    found.layers.update(seen.layers.keys())
    classes = {name for _, name in seen.reasons}
    found.unsupported += bool(classes)
    found.convertible += not classes
    found.blocking.update(classes)
    # What is no layer of its own, as an operation, is counted with the layers that stand in the way.
    found.layers.update(classes - seen.layers.keys())
    if len(classes) == 1:
        found.alone.update(classes)


def _estimate(found: Forecast, sessions: sessionmaker[Session] | None, settings: Settings) -> None:
    if sessions is None:
        return
    with sessions() as session:
        pace = foresight.pace(session)
    if pace is not None:
        share = pace.seconds_per_megabyte * found.to_do_bytes / 1e6
        found.estimated_seconds = round(share / max(settings.workers, 1), 1)


def show(found: Forecast, console: Console) -> None:
    """For people."""
    console.print(plain(f"{found.source} -> {found.dest}: nothing was done"))
    outlook = ", ".join(f"{count} {name}" for name, count in sorted(found.outlook.items()))
    console.print(
        f"models    {found.models}, {found.bytes / 1e6:,.1f} MB" + (f" ({outlook})" if outlook else "")
    )
    console.print(
        f"would do  {found.to_do} jobs, {found.to_do_bytes / 1e6:,.1f} MB, "
        + ("time unknown" if found.estimated_seconds is None else f"about {found.estimated_seconds:,.0f} s")
    )
    unreadable = ", ".join(f"{count} {kind}" for kind, count in sorted(found.unreadable.items()))
    console.print(
        f"converts  {found.convertible}, unsupported {found.unsupported}, unreadable {unreadable or 0}"
    )
    console.print(f"looked    {found.fetched_bytes / 1e6:,.1f} MB in {found.requests} requests")
    if found.blocking:
        table = Table("blocked by", "models", "by it alone", box=None)
        for name, count in found.blocking.most_common(20):
            table.add_row(plain(name), str(count), str(found.alone[name]))
        console.print(table)
    if found.layers:
        table = Table("layer", "models", box=None)
        for name, count in found.layers.most_common(30):
            table.add_row(plain(name), str(count))
        console.print(table)
    for problem in found.problems:
        console.print(plain(problem))
