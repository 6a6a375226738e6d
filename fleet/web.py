"""The dashboard as a process: the application with the database and stores of this installation."""

import gc
import logging
import re
from collections.abc import Mapping, Sequence
from typing import Any

import uvicorn
from fastapi import FastAPI

import keras2torch
from dashboard.app import create_app
from dashboard.config import Config
from dashboard.services import BadOptions, Services
from db.session import make_engine
from fleet import connect
from fleet.asked import conversion_options
from fleet.errors import UsageError
from fleet.settings import Settings
from workers import recipe

#: A page that takes so long has lost whoever asked for it, and rows that it may yet read cannot be swept away.
READ_SECONDS = 30.0


class _WithoutKeys(logging.Filter):
    """Keeps out of the log of requests what opens something until it was used."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(
                re.sub(r"([?&](?:key|code)=)[^&\s]*", r"\1...", each) if isinstance(each, str) else each
                for each in record.args
            )
        return True


def application(settings: Settings, database_url: str, config: Config) -> FastAPI:
    """The ASGI application.

    Raises:
        FleetError: the database does not answer, or has another schema.
        UsageError: others could reach it, and nobody would have to sign in.
    """
    engine = connect.open_database(database_url, create=False, for_many=True)
    connect.check_access(engine, config)
    return create_app(
        Services(
            reads=connect.sessions_of(
                make_engine(database_url, for_many=True, statement_seconds=READ_SECONDS), read_only=True
            ),
            writes=connect.sessions_of(engine),
            open_store=connect.store_opener(settings),
            version=keras2torch.__version__,
            config=config,
            recipe=_recipe,
        )
    )


def run(settings: Settings, database_url: str, config: Config) -> None:
    """Serve until told to stop."""
    app = application(settings, database_url, config)
    logging.getLogger("uvicorn.access").addFilter(_WithoutKeys())
    # What is there by now stays for good; looking it through for garbage stops every answer for a tenth of a second.
    gc.collect()
    gc.freeze()
    uvicorn.run(
        app,
        host=config.host,
        port=config.port,
        root_path=config.root_path,
        log_config=None,
        server_header=False,
        # The stream of an open tab never ends by itself.
        timeout_graceful_shutdown=5,
        proxy_headers=bool(config.proxies),
        forwarded_allow_ips=config.proxies or None,
    )


def _recipe(asked: Mapping[str, Any], export: Sequence[str]) -> Mapping[str, Any]:
    try:
        return recipe.row_of(conversion_options(**asked), export=export)
    except UsageError as error:
        raise BadOptions(str(error)) from error
