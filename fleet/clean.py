"""`fleet gc`: removes from destinations what nothing needs any more."""

from datetime import timedelta
from typing import Annotated, Any

import typer
from rich.console import Console

from db.queries import audit, garbage
from fleet import collect, connect
from fleet.answering import AsJson, Dest, actor, answer, sessions_of
from fleet.collect import Garbage
from fleet.consoles import plain
from fleet.errors import UsageError
from fleet.operate import ask
from fleet.settings import load_settings


def gc(
    places: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[DEST]...", help="Destinations to clean; default: all that the database knows."
        ),
    ] = None,
    grace_hours: Annotated[float, typer.Option(min=0, help="Leave what is younger, but for uploads.")] = 168,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go, and do nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    dest: Dest = None,
    as_json: AsJson = False,
) -> None:
    """Remove results and contents that no job names, temporary objects, and what people brought and no job needs.

    What was brought to the dashboard is kept for FLEET_KEEP_UPLOADS_DAYS after it came and its jobs ended.

    A destination must belong to one database alone: what another one names, this one does not know.
    """
    settings = load_settings()
    sessions = sessions_of(dest, read_only=True)
    with sessions() as session:
        known = garbage.destinations(session)
    stores = [connect.open_store(url, settings) for url in places or known]
    for store in stores:
        if store.url not in known:
            raise UsageError(f"{store.url}: no job of this database publishes there")
    grace, keep = timedelta(hours=grace_hours), timedelta(days=settings.keep_uploads_days)
    found = [collect.find(sessions, store, grace=grace, keep_uploads=keep) for store in stores]
    count = sum(each.count for each in found)
    if count and not dry_run:
        if not yes:
            ask(f"remove {count} objects?")
        writing = sessions_of(dest, read_only=False)
        for store, each in zip(stores, found, strict=True):
            if each.count:
                with writing.begin() as session:
                    audit.write(session, actor(), "gc", store.url, data=_figures(each))
                collect.remove(writing, store, each)
    answer(
        {"dry_run": dry_run, "objects": count, "destinations": [_figures(each) for each in found]},
        _show,
        as_json,
    )


def _figures(found: Garbage) -> dict[str, Any]:
    return {
        "dest": found.dest,
        "uploads": len(found.uploads),
        "results": len(found.results),
        "contents": len(found.contents),
        "leftovers": len(found.leftovers),
        "bytes": found.bytes,
    }


def _show(found: dict[str, Any], console: Console) -> None:
    verb = "would go" if found["dry_run"] else "removed"
    for each in found["destinations"]:
        console.print(
            plain(
                f"{each['dest']}: {each['uploads']} uploads, {each['results']} results,"
                f" {each['contents']} contents, {each['leftovers']} temporary objects {verb}"
                f" ({each['bytes'] / 1e6:.1f} MB)"
            ),
            soft_wrap=True,
        )
