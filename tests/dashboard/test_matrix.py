"""Who may do what: every route of the application, as nobody and in each role.

Whoever looks is a viewer, whoever changes something an operator, but for what `NEEDED` says. A route that asks for
nobody must stand in `PUBLIC`.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.routing import iter_route_contexts
from fastapi.testclient import TestClient
from starlette.routing import Mount

from dashboard.api.submissions import UPLOADS
from dashboard.app import create_app
from dashboard.pages.new import FILES
from dashboard.security.access import Needs
from dashboard.security.body_limit import LARGEST
from dashboard.security.csrf import SAFE
from dashboard.services import Services
from db.roles import Role
from tests.dashboard.people import add, sign_in, token_of

PUBLIC = {
    ("GET", "/api/v1/openapi.json"),
    ("GET", "/healthz"),
    ("GET", "/login"),
    ("GET", "/readyz"),
    ("GET", "/welcome"),
    ("POST", "/login"),
    ("POST", "/welcome"),
}
OPEN = {"/static"}
"""Folders of files that everybody may have."""
NEEDED = {
    ("GET", "/new"): Role.OPERATOR,
    ("GET", "/people"): Role.ADMIN,
    ("POST", "/people/add"): Role.ADMIN,
    ("POST", "/people/link"): Role.ADMIN,
    ("POST", "/people/role"): Role.ADMIN,
    ("POST", "/people/{what}"): Role.ADMIN,
    ("POST", "/people/end/{what}"): Role.ADMIN,
    ("POST", "/tokens/revoke"): Role.ADMIN,
    ("POST", "/views/save"): Role.VIEWER,
    ("POST", "/views/forget"): Role.VIEWER,
    ("POST", "/logout"): Role.VIEWER,
    ("PUT", "/api/v1/views/{name}"): Role.VIEWER,
    ("DELETE", "/api/v1/views/{name}"): Role.VIEWER,
    ("GET", "/api/v1/users"): Role.ADMIN,
    ("POST", "/api/v1/users"): Role.ADMIN,
    ("PATCH", "/api/v1/users/{name:path}"): Role.ADMIN,
    ("POST", "/api/v1/users/{name:path}/link"): Role.ADMIN,
    ("POST", "/api/v1/users/{name:path}/sign-out"): Role.ADMIN,
    ("POST", "/api/v1/users/{name:path}/revoke-tokens"): Role.ADMIN,
    ("GET", "/api/v1/tokens"): Role.ADMIN,
    ("DELETE", "/api/v1/tokens/{token}"): Role.ADMIN,
}
"""Of routes, the role that they need, where that is another than their method tells."""
STREAMS = {"/live"}
"""What never ends for whoever is let in."""
ROLES = list(Role)


def routes(services: Services) -> Iterator[tuple[str, str, Any]]:
    for route in iter_route_contexts(create_app(services).routes):
        if isinstance(route.original_route, Mount):
            assert route.path in OPEN, f"{route.path} is there for everybody"
            continue
        for method in sorted(set(route.methods or ()) - {"HEAD", "OPTIONS"}):
            yield method, str(route.path), route


def address_of(route: Any) -> str:
    return str(route.path_format.format(**dict.fromkeys(route.param_convertors, "1")))


def needed(method: str, path: str) -> Role:
    return NEEDED.get((method, path), Role.VIEWER if method in SAFE else Role.OPERATOR)


@pytest.fixture
def app_client(services: Services) -> Iterator[TestClient]:
    with TestClient(create_app(services), base_url="http://127.0.0.1:8080", follow_redirects=False) as client:
        yield client


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_every_route_says_whom_it_needs(services: Services) -> None:
    seen = set()
    for method, path, route in routes(services):
        seen.add((method, path))
        dependencies = getattr(getattr(route, "dependant", None), "dependencies", [])
        asked = [each.call.role for each in dependencies if isinstance(each.call, Needs)]
        expected = [] if (method, path) in PUBLIC else [needed(method, path)]
        assert asked == expected, f"{method} {path}"
    assert PUBLIC | set(NEEDED) <= seen


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_nobody_and_each_role_get_what_they_may_and_no_more(
    services: Services, app_client: TestClient
) -> None:
    token_of(services, "1", Role.VIEWER)  # which the addresses below name, and end
    tokens = {role: token_of(services, role, role) for role in ROLES}
    for method, path, route in routes(services):
        if (method, path) in PUBLIC:
            continue
        address = address_of(route)
        assert app_client.request(method, address).status_code == 401, f"{method} {path} as nobody"
        for role, token in tokens.items():
            may = role.covers(needed(method, path))
            if may and path in STREAMS:
                continue
            answer = app_client.request(method, address, headers=token)
            told = f"{method} {path} as {role}: {answer.status_code} {answer.text[:200]}"
            assert (answer.status_code not in {401, 403}) is may, told
            assert answer.status_code < 500, told


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_no_large_body_is_read_before_it_is_known_who_sends_it(
    services: Services, app_client: TestClient
) -> None:
    add(services, "anna", Role.VIEWER)  # so that nobody is let in without a name
    large = {path: route for _, path, route in routes(services) if path in {UPLOADS, FILES}}
    assert len(large) == 2
    for path, route in large.items():
        # FastAPI reads what is declared as a parameter before it asks any dependency.
        assert route.original_route.body_field is None, path
        assert app_client.post(path, content=bytes(LARGEST + 1)).status_code == 401


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_no_route_changes_anything_for_a_form_of_another_site(
    services: Services, app_client: TestClient
) -> None:
    add(services, "root", Role.ADMIN)
    sign_in(app_client, "root")
    for method, path, route in routes(services):
        if method in SAFE or (method, path) in PUBLIC:
            continue
        address = address_of(route)
        assert app_client.request(method, address).status_code == 403, f"{method} {path}"
    assert app_client.get("/readyz").status_code == 200
