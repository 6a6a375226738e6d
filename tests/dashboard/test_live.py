"""Who may go on listening."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from fastapi import Request
from fastapi.testclient import TestClient
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from dashboard.pages import live
from dashboard.services import Services
from db.queries import accounts
from db.roles import Role
from tests.dashboard.people import add, sign_in

ALL = [b"1", b"2", b"3"]


@pytest.fixture
def tab(guarded: TestClient, services: Services, monkeypatch: pytest.MonkeyPatch) -> Request:
    """The request of a browser that has signed in."""
    monkeypatch.setattr(live, "SECONDS", 0.0)
    add(services, "anna", Role.VIEWER)
    sign_in(guarded, "anna")
    cookie = f"fleet={guarded.cookies['fleet']}".encode()
    scope = {"type": "http", "scheme": "http", "path": "/live", "headers": [(b"cookie", cookie)]}
    return Request({**scope, "app": guarded.app, "server": ("127.0.0.1", 8080), "query_string": b""})


def heard(request: Request, between: Callable[[], None] = lambda: None) -> list[bytes]:
    """What of `ALL` gets through, where `between` happens after the first."""

    async def stream() -> AsyncIterator[bytes]:
        for message in ALL:
            yield message

    async def listen() -> list[bytes]:
        found = []
        async for message in live.while_known(request, stream()):
            found.append(message)
            if message == ALL[0]:
                await asyncio.to_thread(between)
        return found

    return asyncio.run(listen())


def test_whoever_is_shut_out_hears_no_more(tab: Request, services: Services) -> None:
    assert heard(tab) == ALL

    def shut_out() -> None:
        with services.writes.begin() as session:
            accounts.set_disabled(session, "anna", True)

    assert heard(tab, shut_out) == ALL[:1]


def test_a_database_that_is_away_ends_no_stream(tab: Request, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(_sessions: sessionmaker[Session]) -> Session:
        raise SQLAlchemyError

    monkeypatch.setattr(sessionmaker, "__call__", away)
    assert heard(tab) == ALL
