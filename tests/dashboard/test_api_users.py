"""Users and tokens by the API, as the pages manage them; and the last admin, whatever happens at once."""

import threading

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session, sessionmaker

from dashboard.services import Services
from db.queries import accounts, audit
from db.queries.accounts import LastAdmin
from db.roles import Role
from tests.dashboard import people

URL = "/api/v1/users"


@pytest.fixture
def root(services: Services, client: TestClient) -> TestClient:
    people.add(services, "ada", Role.ADMIN)
    client.headers.update(people.token_of(services, "ada", Role.ADMIN))
    return client


def test_a_user_is_added_changed_and_signed_out_and_each_is_on_record(
    root: TestClient, services: Services
) -> None:
    made = root.post(URL, json={"name": "corp/nora", "role": "viewer"})
    assert (made.status_code, made.json()["name"]) == (201, "corp/nora")
    assert root.post(URL, json={"name": "corp/nora", "role": "viewer"}).status_code == 409
    here = f"{URL}/corp%2Fnora"
    assert people.set_password(root, made.json()["link"]) == 303
    people.sign_in(root, "corp/nora")
    assert root.patch(here, json={"role": "operator"}).status_code == 204
    user = {each["name"]: each for each in root.get(URL).json()}["corp/nora"]
    assert (user["role"], user["sessions"], user["has_password"], user["link_until"]) == (
        "operator", 1, True, None
    )  # fmt: skip
    assert root.post(f"{here}/sign-out").json() == {"ended": 1}
    people.token_of(services, "corp/nora", Role.VIEWER)
    assert root.post(f"{here}/revoke-tokens").json() == {"ended": 1}
    assert root.patch(here, json={"disabled": True}).status_code == 204
    assert root.post(f"{here}/link").status_code == 404
    with services.reads() as session:
        acts = [row.action for row in audit.list_audit(session) if row.actor == "ada"]
    assert acts[::-1] == [
        *("add-user", "make-password-link", "change-role", "sign-out-user", "revoke-tokens", "disable-user")
    ]


def test_what_cannot_be_is_refused(root: TestClient) -> None:
    assert root.patch(f"{URL}/ada", json={"role": "viewer"}).status_code == 409
    assert root.patch(f"{URL}/ada", json={"disabled": True}).status_code == 409
    assert root.patch(f"{URL}/nobody", json={"role": "viewer"}).status_code == 404
    assert root.post(f"{URL}/nobody/sign-out").status_code == 404
    assert root.post(URL, json={"name": " x", "role": "viewer"}).status_code == 422
    [token] = root.get("/api/v1/tokens").json()
    assert root.delete(f"/api/v1/tokens/{token['id']}").status_code == 204
    assert root.get(URL).status_code == 401


def test_an_admin_who_never_came_is_not_the_one_who_is_left(root: TestClient) -> None:
    root.post(URL, json={"name": "nora", "role": "admin"})
    assert root.patch(f"{URL}/ada", json={"role": "viewer"}).status_code == 409


def test_two_admins_who_demote_one_another_at_once_do_not_both_succeed(
    sessions: sessionmaker[Session],
) -> None:
    with sessions.begin() as session:
        for name in ("ada", "bob"):
            accounts.add(session, name, Role.ADMIN, "a hash")
    refused: list[LastAdmin] = []

    def demote_ada() -> None:
        try:
            with sessions.begin() as session:
                accounts.set_role(session, "ada", Role.VIEWER)
        except LastAdmin as error:
            refused.append(error)

    other = threading.Thread(target=demote_ada)
    with sessions.begin() as session:
        accounts.set_role(session, "bob", Role.VIEWER)
        other.start()
        other.join(0.5)
        assert other.is_alive(), "it did not wait"
    other.join(60)
    assert len(refused) == 1
    with sessions() as session:
        assert [user.name for user in accounts.list_users(session) if user.role is Role.ADMIN] == ["ada"]
