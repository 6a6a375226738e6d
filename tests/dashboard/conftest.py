"""The application over an empty database, on both stores, and a client of it."""

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session, sessionmaker

from dashboard.app import create_app
from dashboard.config import Config
from dashboard.services import Services
from storage import open_store


@pytest.fixture
def services(sessions: sessionmaker[Session]) -> Services:
    config = Config(patience=0)  # what a test changes is seen at once
    return Services(reads=sessions, writes=sessions, open_store=open_store, version="0.0.0", config=config)


@pytest.fixture
def client(services: Services) -> Iterator[TestClient]:
    with TestClient(create_app(services), base_url="http://127.0.0.1:8080") as client:
        yield client
