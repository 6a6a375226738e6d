"""What commands share: where the database is, and how to answer."""

import getpass
import json
import os
import socket
import sys
from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from sqlalchemy.orm import Session, sessionmaker

from db.queries.audit import Actor
from fleet import browse, connect, places
from fleet.consoles import console
from fleet.errors import UsageError
from fleet.remote import Server
from fleet.settings import Settings, load_settings

_T = TypeVar("_T")

SERVER: ContextVar[str | None] = ContextVar("server", default=None)
"""The address that this command was given of a dashboard to ask."""

AsJson = Annotated[bool, typer.Option("--json", help="Answer with one JSON document on stdout.")]
Dest = Annotated[
    str | None, typer.Option(help="Destination whose embedded database to use; default: the one used last.")
]


def sessions_of(dest: str | None, *, read_only: bool = True) -> sessionmaker[Session]:
    """Sessions on the database of `dest`, of the settings, or that was used last.

    Raises:
        UsageError: there is none.
        FleetError: it does not answer, or has another schema.
    """
    engine = connect.open_database(database_url(dest), create=False)
    return connect.sessions_of(engine, read_only=read_only)


def server_of(dest: str | None = None) -> Server | None:
    """The server that `--server` or FLEET_SERVER names; None: there is none, or `dest` says where the database is.

    Raises:
        UsageError: it is no address.
    """
    url = SERVER.get()
    if url is None or dest is not None:
        return None
    return Server(url, os.environ.get("FLEET_TOKEN"))


def given_database(settings: Settings) -> str:
    """The database of the settings.

    Raises:
        UsageError: they name none.
    """
    if settings.database_url is None:
        raise UsageError("set FLEET_DATABASE_URL")
    return settings.database_url.get_secret_value()


def answer(value: _T, show: Callable[[_T, Console], None], as_json: bool) -> None:
    """Print `value` as JSON, or as `show` does."""
    if as_json:
        print_json(browse.as_json(value))
    else:
        show(value, console())


def print_json(value: Any) -> None:
    """One document, and a line's end."""
    json.dump(value, sys.stdout, indent=1)
    sys.stdout.write("\n")


def actor() -> Actor:
    """Whoever runs this command."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a container's user may have no name
        user = "unknown"
    return Actor(f"{user}@{socket.gethostname()}", "command")


def database_url(dest: str | None) -> str:
    settings = load_settings()
    if dest is not None:
        return _embedded_url(places.state_dir(connect.open_store(dest, settings), settings))
    if settings.database_url is not None:
        return settings.database_url.get_secret_value()
    return _embedded_url(places.last_used())


def _embedded_url(state: Path) -> str:
    from fleet.embedded import StateDir

    folder = StateDir(state)
    if not folder.has_database:
        raise UsageError(f"no fleet database in {state}")
    return folder.database_url
