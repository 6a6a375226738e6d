"""What a request may use: sessions, stores, configuration. Made once by whoever starts the application."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy.orm import Session, sessionmaker

from dashboard.config import Config
from dashboard.remembered import Remembered
from storage import ObjectStore


@dataclass(frozen=True)
class Services:
    """Everything that is not the request itself."""

    reads: sessionmaker[Session]
    """For queries; never waits for SQLite's writer."""
    writes: sessionmaker[Session]
    """For acts, in transactions: `with services.writes.begin() as session`."""
    open_store: Callable[[str], ObjectStore]
    version: str
    """Of the converter."""
    config: Config = field(default_factory=Config)
    remembered: Remembered = field(default_factory=Remembered)
    """Counts that are a moment old."""


def of(request: Request) -> Services:
    """The services of the application that answers `request`."""
    services: Services = request.app.state.services
    return services


def _reading(request: Request) -> Iterator[Session]:
    with of(request).reads() as session:
        yield session


Given = Annotated[Services, Depends(of)]
Reading = Annotated[Session, Depends(_reading)]
"""A session for one request's queries."""
