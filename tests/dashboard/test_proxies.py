"""The command behind a proxy: whose word on the client and on https is taken, and under which path."""

import shutil
import signal
import socket
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from urllib.parse import urlencode

import pytest
from sqlalchemy import select

from dashboard.security import passwords
from db import session as db_session
from db.models import LoginFailure
from db.queries import accounts
from db.roles import Role
from tests.dashboard.people import PASSWORD
from tests.fleet.command import Fleet, wait_until

CLIENT = "203.0.113.9"
HOST = "fleet.example"
FORWARDED = {
    "X-Forwarded-For": CLIENT,
    "X-Forwarded-Proto": "https",
    "Content-Type": "application/x-www-form-urlencoded",
    "Accept": "text/html",
}


def ask(port: int, method: str, path: str, host: str = HOST, **form: str) -> tuple[HTTPResponse, bytes]:
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(method, path, urlencode(form), {**FORWARDED, "Host": host})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer, body


def answers(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize("trusted", [True, False])
def test_a_proxy_is_believed_if_it_was_named(tmp_path: Path, migrated_sqlite: Path, trusted: bool) -> None:
    database = f"sqlite:///{shutil.copyfile(migrated_sqlite, tmp_path / 'fleet.db')}"
    sessions = db_session.session_factory(db_session.make_engine(database))
    with sessions.begin() as session:
        accounts.add(session, "anna", Role.VIEWER, passwords.hashed(PASSWORD))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    fleet = Fleet(
        tmp_path / "home",
        FLEET_DATABASE_URL=database,
        FLEET_DASHBOARD_PROXIES="127.0.0.1" if trusted else "",
        FLEET_DASHBOARD_HOSTS=HOST,
        FLEET_DASHBOARD_ROOT_PATH="/fleet",
    )
    with fleet.start("dashboard", "--port", str(port)) as running:
        wait_until(lambda: answers(port))
        refused, _ = ask(port, "GET", "/jobs?q=x")
        failed, _ = ask(port, "POST", "/login", name="anna", password="wrong")
        signed_in, _ = ask(port, "POST", "/login", name="anna", password=PASSWORD, next="/jobs")
        alive, body = ask(port, "GET", "/healthz", host="127.0.0.1")
        strange, _ = ask(port, "GET", "/login", host="127.0.0.1")
        code, _ = running.end(signal.SIGTERM)
    assert (refused.status, refused.headers["location"]) == (303, "/fleet/login?next=/jobs%3Fq%3Dx")
    assert failed.status == 401
    assert (signed_in.status, signed_in.headers["location"]) == (303, "/fleet/jobs")
    assert signed_in.headers["set-cookie"].startswith("__Host-fleet=" if trusted else "fleet=")
    assert ("strict-transport-security" in signed_in.headers) is trusted
    assert (alive.status, body) == (200, b'{"status":"ok"}')
    with sessions() as session:
        counted = session.scalars(
            select(LoginFailure.key).where(LoginFailure.key.startswith("address "))
        ).all()
    assert counted == [f"address {CLIENT if trusted else '127.0.0.1'}"]
    assert strange.status == 421
    assert code in {0, -signal.SIGTERM}
