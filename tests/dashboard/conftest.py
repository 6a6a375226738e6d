"""The application over an empty database, on both stores, and a client of it."""

from collections.abc import Iterator

import pytest
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient
from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker

from dashboard import problems
from dashboard.app import create_app
from dashboard.config import Config
from dashboard.security import install
from dashboard.security.access import Operator, Viewer
from dashboard.services import Services
from db.session import session_factory
from storage import open_store
from tests.dashboard import fleet


@pytest.fixture
def services(engine: Engine, sessions: sessionmaker[Session]) -> Services:
    config = Config(patience=0)  # what a test changes is seen at once
    reads = session_factory(engine, read_only=True)
    return Services(reads=reads, writes=sessions, open_store=open_store, version="0.0.0", config=config)


@pytest.fixture
def client(services: Services) -> Iterator[TestClient]:
    with TestClient(create_app(services), base_url="http://127.0.0.1:8080") as client:
        yield client


@pytest.fixture
def jobs(sessions: sessionmaker[Session]) -> dict[str, int]:
    """The jobs of a small fleet, by key; some tests have a `jobs` of their own."""
    return fleet.fill(sessions)


@pytest.fixture
def guarded(services: Services) -> Iterator[TestClient]:
    """A client of the guards round a few routes: who asks, a change, and what a body's size is."""
    app = FastAPI()
    app.state.services = services
    problems.install(app, lambda *_: None)
    install.install(app, unlimited=("/uploads/",))

    @app.get("/whoami")
    def whoami(principal: Viewer) -> dict[str, str]:
        return {"name": principal.name, "role": principal.role, "via": principal.via}

    @app.post("/change")
    def change(principal: Operator) -> str:
        return principal.name

    @app.post("/echo")
    @app.post("/uploads/echo")
    async def echo(request: Request) -> int:
        return len(await request.body())

    with TestClient(app, base_url="http://127.0.0.1:8080") as client:
        yield client
