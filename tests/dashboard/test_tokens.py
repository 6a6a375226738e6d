"""What programs show in place of a password."""

from fastapi.testclient import TestClient
from sqlalchemy import select, update

from dashboard.services import Services
from db.models import ApiToken
from db.queries import accounts, api_tokens
from db.roles import Role
from tests.dashboard.people import token_of
from tests.dashboard.test_sign_in import LONG_AGO


def role_of(client: TestClient, token: dict[str, str]) -> str | None:
    answer = client.get("/whoami", headers=token)
    return answer.json()["role"] if answer.status_code == 200 else None


def test_a_token_may_do_what_both_it_and_its_user_may(guarded: TestClient, services: Services) -> None:
    token_of(services, "anna", Role.OPERATOR)  # makes her an operator
    admins = token_of(services, "anna", Role.ADMIN)
    viewers = token_of(services, "anna", Role.VIEWER)
    assert (role_of(guarded, admins), role_of(guarded, viewers)) == ("operator", "viewer")
    with services.writes.begin() as session:
        accounts.set_role(session, "anna", Role.VIEWER)
    assert role_of(guarded, admins) == "viewer"


def test_a_token_ends_when_it_is_revoked_runs_out_or_its_user_goes(
    guarded: TestClient, services: Services
) -> None:
    token_of(services, "root", Role.ADMIN)
    revoked, late, disabled = (token_of(services, name, Role.VIEWER, 1) for name in ("anna", "ben", "cleo"))
    assert role_of(guarded, revoked) == role_of(guarded, late) == role_of(guarded, disabled) == "viewer"
    with services.writes.begin() as session:
        numbers = {row.user_name: row.id for row in api_tokens.list_tokens(session)}
        assert api_tokens.revoke(session, numbers["anna"], "ben") is None  # not his
        assert api_tokens.revoke(session, numbers["anna"]) is not None
        session.execute(update(ApiToken).where(ApiToken.user_name == "ben").values(expires_at=LONG_AGO))
        accounts.set_disabled(session, "cleo", True)
    assert role_of(guarded, revoked) is role_of(guarded, late) is role_of(guarded, disabled) is None


def test_only_a_digest_is_kept_and_its_use_is_noted(guarded: TestClient, services: Services) -> None:
    token = token_of(services, "anna", Role.VIEWER)
    role_of(guarded, token)
    with services.reads() as session:
        row = session.execute(select(*ApiToken.__table__.columns)).one()
    secret = token["Authorization"].removeprefix("Bearer ")
    assert secret.startswith("k2t_")
    assert secret not in {str(value) for value in row}
    assert secret.startswith(row.start)
    assert row.used_at is not None


def test_a_wrong_token_is_nobody_even_where_everybody_is_let_in(guarded: TestClient) -> None:
    assert role_of(guarded, {}) == "admin"
    for wrong in ("Bearer k2t_wrong", "Bearer ", "Basic YTpi"):
        assert role_of(guarded, {"Authorization": wrong}) is None


def test_a_token_needs_no_csrf_token(guarded: TestClient, services: Services) -> None:
    assert guarded.post("/change", headers=token_of(services, "anna", Role.ADMIN)).status_code == 200
