"""Users and tokens, which administrators see and change and nobody else."""

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from dashboard.app import create_app
from dashboard.services import Services
from db.queries import accounts, api_tokens
from db.roles import Role
from tests.dashboard import people
from tests.dashboard.browsing import PAGE, Seen

MARKUP = "<b>mal\u202elory"


@pytest.fixture
def admin(services: Services) -> Iterator[TestClient]:
    people.add(services, "ada", Role.ADMIN)
    people.token_of(services, MARKUP, Role.OPERATOR)
    with TestClient(create_app(services), base_url="http://127.0.0.1:8080") as client:
        people.sign_in(client, "ada")
        yield client


def send(client: TestClient, action: str, **fields: str) -> tuple[int, str]:
    data = {"csrf": people.csrf_of(client), **fields}
    answer = client.post(action, data=data, headers=PAGE)
    return answer.status_code, answer.text


def role_of(services: Services, name: str) -> tuple[Role, bool]:
    with services.reads() as session:
        return next((user.role, user.disabled) for user in accounts.list_users(session) if user.name == name)


def test_an_administrator_changes_roles_shuts_out_and_lets_in(admin: TestClient, services: Services) -> None:
    seen = Seen(admin.get("/people", headers=PAGE).text)
    assert "<b>mal\\u202elory" in seen.text
    assert not seen.inline
    assert "/people" in seen.links
    assert "The role is changed." in send(admin, "/people/role", name=MARKUP, role="viewer")[1]
    assert "Shut out" in send(admin, "/people/disable", name=MARKUP)[1]
    assert role_of(services, MARKUP) == (Role.VIEWER, True)
    assert "Let in again." in send(admin, "/people/enable", name=MARKUP)[1]
    assert role_of(services, MARKUP) == (Role.VIEWER, False)
    audited = admin.get("/audit", headers=PAGE).text
    assert all(act in audited for act in ("change-role", "disable-user", "enable-user"))


def test_somebody_must_be_left_who_may_manage_users(admin: TestClient, services: Services) -> None:
    status, text = send(admin, "/people/role", name="ada", role="viewer")
    assert status == 409
    assert "is the only admin" in text
    assert role_of(services, "ada") == (Role.ADMIN, False)
    assert send(admin, "/people/disable", name="nobody")[0] == 404


def test_somebody_is_added_and_comes_in_by_the_link_that_is_shown(
    admin: TestClient, services: Services
) -> None:
    status, text = send(admin, "/people/add", name=" nora ", role="operator")
    assert status == 200
    assert not Seen(text).inline
    link = people.link_in(text)
    assert send(admin, "/people/add", name="nora", role="viewer")[0] == 422
    assert "/welcome" not in admin.get("/people", headers=PAGE).text
    with TestClient(admin.app, base_url="http://127.0.0.1:8080") as nora:
        assert people.set_password(nora, link) == 303
        assert people.sign_in(nora, "nora") == 303
        assert nora.get("/jobs", headers=PAGE).status_code == 200
        assert "Signed out of 1 browser." in send(admin, "/people/end/sessions", name="nora")[1]
        assert nora.get("/jobs", headers=PAGE).url.path == "/login"
        assert people.set_password(nora, people.link_in(send(admin, "/people/link", name="nora")[1])) == 303
    assert role_of(services, "nora") == (Role.OPERATOR, False)


@pytest.mark.parametrize("name", ["", " ", "a\nb", "a" * 201, "ada"])
def test_a_name_that_cannot_be_adds_nobody(admin: TestClient, services: Services, name: str) -> None:
    assert send(admin, "/people/add", name=name, role="viewer")[0] == 422
    with services.reads() as session:
        assert len(accounts.list_users(session)) == 2


def test_all_tokens_of_a_user_are_ended(admin: TestClient, services: Services) -> None:
    assert "1 token opens nothing" in send(admin, "/people/end/tokens", name=MARKUP)[1]
    with services.reads() as session:
        assert api_tokens.list_tokens(session)[0].revoked_at is not None
    assert send(admin, "/people/end/tokens", name="nobody")[0] == 404


def test_whoever_sits_at_the_machine_adds_an_administrator_first(client: TestClient) -> None:
    refused = client.post("/people/add", data={"name": "vera", "role": "viewer"}, headers=PAGE)
    assert refused.status_code == 422
    assert "must be an admin" in refused.text
    added = client.post("/people/add", data={"name": "ada", "role": "admin"}, headers=PAGE)
    assert client.get("/people", headers=PAGE).url.path == "/login"
    assert people.set_password(client, people.link_in(added.text)) == 303
    assert people.sign_in(client, "ada") == 303
    assert client.get("/people", headers=PAGE).status_code == 200


def test_a_token_is_ended(admin: TestClient, services: Services) -> None:
    assert "opens nothing any more" in send(admin, "/tokens/revoke", token="1")[1]
    with services.reads() as session:
        assert api_tokens.list_tokens(session)[0].revoked_at is not None
    assert send(admin, "/tokens/revoke", token="1")[0] == 404


def test_who_is_no_administrator_is_not_shown_the_way(services: Services) -> None:
    people.add(services, "otto", Role.OPERATOR)
    with TestClient(create_app(services), base_url="http://127.0.0.1:8080") as client:
        people.sign_in(client, "otto")
        assert "/people" not in Seen(client.get("/jobs", headers=PAGE).text).links
        assert client.get("/people", headers=PAGE).status_code == 403
