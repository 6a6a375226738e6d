"""Signing in and out, what is remembered of it, and how often it may fail."""

import datetime as dt

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update

from dashboard.app import create_app
from dashboard.config import Config
from dashboard.services import Services
from db.models import LoginFailure, WebSession
from db.queries import accounts, audit, web_sessions
from db.roles import Role
from tests.dashboard.people import PASSWORD, add, attributes, csrf_of, sign_in

LONG_AGO = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)


@pytest.fixture
def anna(services: Services) -> str:
    add(services, "anna", Role.OPERATOR)
    return "anna"


def may_enter(client: TestClient) -> bool:
    return client.get("/whoami").status_code == 200


def test_a_session_begins_with_the_password_and_ends_with_signing_out(
    guarded: TestClient, services: Services, anna: str
) -> None:
    assert not may_enter(guarded)
    assert sign_in(guarded, anna, "wrong") == 401
    assert not may_enter(guarded)
    assert sign_in(guarded, anna) == 303
    assert guarded.get("/whoami").json() == {"name": "anna", "role": "operator", "via": "session"}
    cookies = dict(guarded.cookies)
    assert guarded.post("/logout", data={"csrf": csrf_of(guarded)}, follow_redirects=False).status_code == 303
    guarded.cookies.update(cookies)  # as a thief would have kept it
    assert not may_enter(guarded)
    with services.reads() as session:
        acts = [(row.actor, row.action) for row in audit.list_audit(session)]
    assert acts == [("anna", "sign-out"), ("anna", "sign-in"), ("anna", "sign-in-failed")]


def test_the_cookie_is_for_this_server_alone(guarded: TestClient, anna: str) -> None:
    def cookie(client: TestClient) -> str:
        form = {"name": anna, "password": PASSWORD}
        return client.post("/login", data=form, follow_redirects=False).headers["set-cookie"]

    plain = cookie(guarded)
    assert plain.startswith("fleet=")
    assert attributes(plain) == {"httponly", "path", "samesite"}
    with TestClient(guarded.app, base_url="https://127.0.0.1:8080") as secure:
        secured = cookie(secure)
        assert secure.get("/whoami").headers["strict-transport-security"]
    assert secured.startswith("__Host-fleet=")
    assert attributes(secured) == {"httponly", "path", "samesite", "secure"}


def test_each_sign_in_has_a_secret_of_its_own_and_ends_the_one_before(guarded: TestClient, anna: str) -> None:
    guarded.cookies.set("fleet", "chosen-by-somebody-else", domain="127.0.0.1")
    sign_in(guarded, anna)
    first = guarded.cookies["fleet"]
    assert first != "chosen-by-somebody-else"
    sign_in(guarded, anna)
    assert guarded.cookies["fleet"] != first
    guarded.cookies.clear()
    guarded.cookies.set("fleet", first, domain="127.0.0.1")
    assert not may_enter(guarded)


@pytest.mark.parametrize("column", ["seen_at", "expires_at"])
def test_a_session_ends_by_itself(guarded: TestClient, services: Services, anna: str, column: str) -> None:
    sign_in(guarded, anna)
    assert may_enter(guarded)
    with services.writes.begin() as session:
        session.execute(update(WebSession).values({column: LONG_AGO}))
    assert not may_enter(guarded)


def test_a_new_password_ends_sessions_and_a_role_holds_at_once(
    guarded: TestClient, services: Services, anna: str
) -> None:
    sign_in(guarded, anna)
    with services.writes.begin() as session:
        accounts.set_role(session, anna, Role.VIEWER)
    assert guarded.get("/whoami").json()["role"] == "viewer"
    with services.writes.begin() as session:
        accounts.set_password(session, anna, "another")
    assert not may_enter(guarded)


def test_whoever_is_disabled_is_out(guarded: TestClient, services: Services, anna: str) -> None:
    sign_in(guarded, anna)
    with services.writes.begin() as session:
        accounts.set_disabled(session, anna, True)
        web_sessions.begin(session, anna, "kept", seconds=60)
    assert not may_enter(guarded)
    assert sign_in(guarded, anna) == 401


def test_who_fails_too_often_waits_even_with_the_right_password(
    guarded: TestClient, services: Services, anna: str
) -> None:
    assert {sign_in(guarded, anna, "wrong") for _ in range(5)} == {401}
    assert sign_in(guarded, anna) == 429
    with services.writes.begin() as session:
        session.execute(update(LoginFailure).values(blocked_until=LONG_AGO))
    assert sign_in(guarded, anna) == 303
    assert sign_in(guarded, anna, "wrong") == 401  # the count began anew
    assert sign_in(guarded, anna) == 303


def test_who_does_not_exist_fails_in_the_same_words(guarded: TestClient, anna: str) -> None:
    def answer(name: str) -> str:
        return guarded.post("/login", data={"name": name, "password": "x"}).text.replace(name, "NAME")

    assert answer("anna") == answer("nobody")
    assert sign_in(guarded, "no\0body") == 401


@pytest.mark.parametrize(
    ("wanted", "where"),
    [
        ("/jobs?q=state%3Afailed", "/jobs?q=state%3Afailed"),
        ("https://elsewhere.example/", "/"),
        ("//elsewhere.example/", "/"),
        ("/\\elsewhere.example/", "/"),
        ("javascript:alert(1)", "/"),
        ("/\r\nX: y", "/"),
    ],
)
def test_nobody_is_sent_elsewhere(guarded: TestClient, anna: str, wanted: str, where: str) -> None:
    form = {"name": anna, "password": PASSWORD, "next": wanted}
    assert guarded.post("/login", data=form, follow_redirects=False).headers["location"] == where


def test_a_person_is_shown_the_form_and_a_program_is_told(guarded: TestClient, anna: str) -> None:
    asked = guarded.get("/whoami", headers={"accept": "text/html"}, follow_redirects=False)
    assert (asked.status_code, asked.headers["location"]) == (303, "/login?next=/whoami")
    shown = guarded.get("/login?next=%2F%22%3E%3Cscript%3E")
    assert 'name="password"' in shown.text
    assert "<script>" not in shown.text
    told = guarded.get("/whoami")
    assert told.status_code == 401
    assert told.json()["detail"] == "sign in, or send an API token"


def test_off_loopback_nobody_is_let_in_without_users(services: Services) -> None:
    open_app = create_app(Services(**{**vars(services), "config": Config(host="192.0.2.1")}))
    with TestClient(open_app, base_url="http://fleet.example") as client:
        assert client.get("/healthz").status_code == 200
        assert client.post("/logout").status_code == 401
