"""Setting a password by a link: once, for a while, by whoever has it and nobody who guesses."""

import datetime as dt

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update

from dashboard.security import people as managing
from dashboard.services import Services
from db.models import PasswordLink
from db.queries import accounts, audit
from db.queries.audit import Actor
from db.roles import Role
from tests.dashboard import people

ADMIN = Actor("ada", "dashboard")
OTHER = "another one that is long"
LONG_AGO = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)


@pytest.fixture
def anna(services: Services) -> str:
    people.add(services, "anna", Role.VIEWER)
    return "anna"


def link_of(services: Services, name: str) -> str:
    with services.writes.begin() as session:
        return f"/welcome?key={managing.link(session, ADMIN, name)}"


def test_a_link_is_good_once_and_ends_what_was_signed_in(
    guarded: TestClient, services: Services, anna: str
) -> None:
    people.sign_in(guarded, anna)
    link = link_of(services, anna)
    assert guarded.get("/whoami").status_code == 200
    assert "For <b>anna</b>" in guarded.get(link).text
    assert people.set_password(guarded, link, OTHER) == 303
    assert guarded.get("/whoami").status_code == 401
    assert guarded.get(link).status_code == 410
    assert people.set_password(guarded, link) == 410
    assert people.sign_in(guarded, anna) == 401
    assert people.sign_in(guarded, anna, OTHER) == 303
    with services.reads() as session:
        acts = [(row.actor, row.action) for row in audit.list_audit(session)]
    assert acts[2:4] == [("anna", "set-password"), ("ada", "make-password-link")]


def test_a_bad_password_leaves_the_link_good(guarded: TestClient, services: Services, anna: str) -> None:
    link = link_of(services, anna)
    assert people.set_password(guarded, link, "short") == 422
    assert people.set_password(guarded, link, OTHER, "something else") == 422
    assert people.set_password(guarded, link, OTHER) == 303


def test_what_ends_a_link(guarded: TestClient, services: Services, anna: str) -> None:
    def disable() -> None:
        with services.writes.begin() as session:
            accounts.set_disabled(session, anna, True)
            accounts.set_disabled(session, anna, False)

    def sign_out() -> None:
        with services.writes.begin() as session:
            accounts.sign_out(session, anna)

    def run_out() -> None:
        with services.writes.begin() as session:
            session.execute(update(PasswordLink).values(expires_at=LONG_AGO))

    for end in (disable, sign_out, run_out, lambda: link_of(services, anna)):
        link = link_of(services, anna)
        end()
        assert guarded.get(link).status_code == 410
        assert people.set_password(guarded, link, OTHER) == 410
    assert people.sign_in(guarded, anna) == 303


def test_nobody_who_is_shut_out_gets_a_link(services: Services, anna: str) -> None:
    with services.writes.begin() as session:
        accounts.set_disabled(session, anna, True)
    for name in (anna, "nobody"):
        with pytest.raises(managing.NoSuch):
            link_of(services, name)


def test_guesses_count_as_failures_to_sign_in(guarded: TestClient, services: Services, anna: str) -> None:
    link = link_of(services, anna)
    answers = {people.set_password(guarded, "/welcome?key=guessed") for _ in range(20)}
    assert answers == {410}
    assert people.set_password(guarded, link, OTHER) == 429
