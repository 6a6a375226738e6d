"""What a request may use: sessions, stores, configuration. Made once by whoever starts the application."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any

from fastapi import Depends, Request
from sqlalchemy.orm import Session, sessionmaker

from dashboard.config import Config
from dashboard.remembered import Remembered
from dashboard.runner import Runner
from storage import ObjectStore


class BadOptions(ValueError):
    """Options that would be refused in every job; one line."""


def _no_options(asked: Mapping[str, Any], export: Sequence[str]) -> Mapping[str, Any]:
    if asked or export:
        raise BadOptions("this installation takes no options")
    return {}


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
    recipe: Callable[[Mapping[str, Any], Sequence[str]], Mapping[str, Any]] = _no_options
    """Options of a conversion, by name, and formats to export, as a recipe has them. Raises `BadOptions`."""
    remembered: Remembered = field(default_factory=Remembered)
    """Counts that are a moment old."""
    ahead: bool = False
    """Whether it is used before anybody asks: counts that are old are then found anew at once."""

    @cached_property
    def runner(self) -> Runner:
        """Does what was asked for of many jobs, while the application runs."""
        return Runner(self.reads, self.writes)


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
