"""Requests that pages of other sites have a browser send."""

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from dashboard.app import create_app
from dashboard.config import Config
from dashboard.security.body_limit import LARGEST
from dashboard.security.headers import POLICY
from dashboard.services import Services
from db.roles import Role
from tests.dashboard.people import add, csrf_of, sign_in, token_of

HERE = "http://127.0.0.1:8080"
FOREIGN = [
    {"origin": "https://elsewhere.example"},
    {"origin": "null"},
    {"origin": "http://127.0.0.1:9999"},
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
]


@pytest.mark.parametrize("headers", FOREIGN)
def test_what_another_sites_page_sends_changes_nothing(guarded: TestClient, headers: dict[str, str]) -> None:
    assert guarded.post("/change", headers=headers).status_code == 403
    assert guarded.get("/whoami", headers=headers).status_code == 200


@pytest.mark.parametrize("headers", [{}, {"origin": HERE}, {"sec-fetch-site": "same-origin", "origin": HERE}])
def test_programs_and_own_pages_may(guarded: TestClient, headers: dict[str, str]) -> None:
    assert guarded.post("/change", headers=headers).status_code == 200


@pytest.mark.parametrize("host", ["elsewhere.example", "127.0.0.1.elsewhere.example:8080", ""])
def test_a_name_that_was_made_to_mean_this_machine_gets_no_answer(guarded: TestClient, host: str) -> None:
    assert guarded.get("/whoami", headers={"host": host}).status_code == 421


def test_behind_a_proxy_there_must_be_users(guarded: TestClient, services: Services) -> None:
    through = {"x-forwarded-for": "203.0.113.9"}
    assert guarded.get("/whoami", headers=through).status_code == 403
    token = token_of(services, "anna", Role.VIEWER)
    assert guarded.get("/whoami", headers={**through, **token}).status_code == 200


@pytest.mark.parametrize(
    "sent",
    [{}, {"headers": {"x-csrf-token": "0" * 64}}, {"data": {"csrf": "wrong"}}, {"json": {"csrf": "x"}}],
)
def test_a_session_must_show_its_token(
    guarded: TestClient, services: Services, sent: dict[str, object]
) -> None:
    add(services, "anna", Role.ADMIN)
    sign_in(guarded, "anna")
    assert guarded.post("/change", **sent).status_code == 403  # type: ignore[arg-type]


def test_a_session_may_with_its_token_in_header_or_field(guarded: TestClient, services: Services) -> None:
    add(services, "anna", Role.ADMIN)
    sign_in(guarded, "anna")
    token = csrf_of(guarded)
    assert guarded.post("/change", headers={"x-csrf-token": token}).status_code == 200
    assert guarded.post("/change", data={"csrf": token}).status_code == 200
    assert guarded.post("/change", files={"csrf": (None, token)}).status_code == 200


def test_every_answer_says_what_a_browser_may_do(guarded: TestClient) -> None:
    for answer in (
        guarded.get("/whoami"),
        guarded.get("/nowhere"),
        guarded.post("/change", headers=FOREIGN[0]),
    ):
        assert answer.headers["content-security-policy"] == POLICY
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert "strict-transport-security" not in answer.headers
    assert "unsafe" not in POLICY


def test_a_large_body_is_refused_announced_or_not(guarded: TestClient) -> None:
    def stream() -> Iterator[bytes]:
        for _ in range(LARGEST // 65536 + 1):
            yield bytes(65536)

    assert guarded.post("/echo", content=bytes(LARGEST + 1)).status_code == 413
    assert guarded.post("/echo", content=stream()).status_code == 413
    assert guarded.post("/echo", content=bytes(LARGEST)).json() == LARGEST
    assert guarded.post("/uploads/echo", content=bytes(LARGEST + 1)).json() == LARGEST + 1
    with TestClient(guarded.app, base_url=HERE, root_path="/fleet") as under:
        assert under.post("/fleet/uploads/echo", content=bytes(LARGEST + 1)).json() == LARGEST + 1


def test_only_the_names_that_are_set_are_answered_to(services: Services) -> None:
    config = Config(hosts=("fleet.example",))
    app = create_app(Services(**{**vars(services), "config": config}))
    with TestClient(app, base_url="http://127.0.0.1") as client:
        assert client.get("/readyz").status_code == 421
        assert client.get("/readyz", headers={"host": "fleet.example:8080"}).status_code == 200
        assert client.get("/healthz").status_code == 200
