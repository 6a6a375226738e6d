"""Signing in at a provider of identities: the way there and back, and everything that must not let somebody in."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from fastapi.testclient import TestClient
from joserfc.jwk import ECKey
from sqlalchemy import select

from dashboard.app import create_app
from dashboard.config import Config, Oidc
from dashboard.services import Services
from db.models import LoginFailure, User
from db.queries import accounts, audit
from db.roles import Role
from fleet.errors import UsageError
from fleet.settings import load_settings
from tests.dashboard import oidc_provider
from tests.dashboard.oidc_provider import CLIENT_ID, CLIENT_SECRET, Provider
from tests.dashboard.people import attributes
from tests.dashboard.test_matrix import routes

HERE = "http://127.0.0.1:8080"
CALLBACK = "/login/oidc/callback"
ROLES = {"fleet-admins": Role.ADMIN, "on-call": Role.OPERATOR, "staff": Role.VIEWER}


@pytest.fixture
def provider() -> Iterator[Provider]:
    with oidc_provider.running() as provider:
        provider.person["groups"] = ["staff"]
        yield provider


@pytest.fixture
def elsewhere(services: Services, provider: Provider) -> Services:
    """Services whose users sign in at `provider`."""
    oidc = Oidc(provider.issuer, CLIENT_ID, CLIENT_SECRET, "groups", ROLES)
    return replace(services, config=Config(oidc=oidc))


@pytest.fixture
def browser(elsewhere: Services) -> Iterator[TestClient]:
    with browser_of(elsewhere) as client:
        yield client


def browser_of(services: Services) -> TestClient:
    return TestClient(create_app(services), base_url=HERE, follow_redirects=False)


def go(browser: TestClient, target: str = "/healthz") -> str:
    """As far as the provider, which signs in whoever comes; the address it sends them back to."""
    begun = browser.get("/login/oidc", params={"next": target})
    assert begun.status_code == 303
    return requests.get(begun.headers["location"], timeout=10, allow_redirects=False).headers["location"]


def sign_in(browser: TestClient) -> int:
    """The status with which it ends; 303: signed in."""
    return browser.get(go(browser)).status_code


def users(services: Services) -> dict[str, str]:
    with services.reads() as session:
        return {row.name: row.role for row in session.execute(select(User.name, User.role))}


def test_there_and_back_begins_a_session(
    browser: TestClient, elsewhere: Services, provider: Provider
) -> None:
    back = browser.get(go(browser, "/healthz?from=here"))
    assert (back.status_code, back.headers["location"]) == (303, "/healthz?from=here")
    assert users(elsewhere) == {"anna": "viewer"}
    with elsewhere.reads() as session:
        [anna] = accounts.list_users(session)
    assert (anna.issuer, anna.has_password) == (provider.issuer, False)
    assert set(browser.cookies) == {"fleet"}  # the one for the way is gone
    with elsewhere.reads() as session:
        assert [(row.actor, row.action) for row in audit.list_audit(session)] == [("anna", "sign-in")]


def test_the_secrets_of_the_way_stay_with_the_browser(elsewhere: Services) -> None:
    app = create_app(elsewhere)
    with TestClient(
        app, base_url="https://fleet.example", root_path="/fleet", follow_redirects=False
    ) as browser:
        begun = browser.get("/login/oidc")
    cookie = begun.headers["set-cookie"]
    assert cookie.startswith("__Host-fleet-going=")
    assert attributes(cookie) == {"httponly", "max-age", "path", "samesite", "secure"}
    sent = {name: value for name, [value] in parse_qs(urlsplit(begun.headers["location"]).query).items()}
    assert sent["redirect_uri"] == f"https://fleet.example/fleet{CALLBACK}"
    assert sent["code_challenge_method"] == "S256"
    assert cookie.partition("=")[2].partition(".")[0] not in begun.headers["location"]
    assert len({sent["state"], sent["nonce"], sent["code_challenge"]}) == 3


@pytest.mark.parametrize(
    "lies",
    [
        {"nonce": "of another attempt"},
        {"nonce": None},
        {"iss": "https://elsewhere.example"},
        {"iss": None},
        {"aud": "another client"},
        {"aud": [CLIENT_ID, "another client"]},
        {"aud": None},
        {"azp": "another client"},
        {"exp": 1_700_000_000},
        {"exp": None},
        {"iat": 4_000_000_000},
        {"sub": None},
        {"sub": 1734},
        {"at_hash": "of another token"},
    ],
    ids=str,
)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_an_id_token_that_is_not_for_this_sign_in_lets_nobody_in(
    browser: TestClient, elsewhere: Services, provider: Provider, lies: dict[str, Any]
) -> None:
    provider.lies = lies
    assert sign_in(browser) == 502
    assert not set(browser.cookies)
    assert users(elsewhere) == {}


@pytest.mark.parametrize("sign", ["none", "HS256"])
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_only_the_providers_own_signature_counts(browser: TestClient, provider: Provider, sign: str) -> None:
    provider.sign = sign
    assert sign_in(browser) == 502


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_signature_by_another_key_does_not_count_and_a_new_key_does(
    browser: TestClient, provider: Provider
) -> None:
    kid = str(provider.signing_key.kid)
    provider.shown_key = ECKey.generate_key("P-256", {"kid": kid})
    assert sign_in(browser) == 502
    provider.signing_key, provider.shown_key = ECKey.generate_key("P-256", auto_kid=True), None
    assert sign_in(browser) == 303


def test_whoever_comes_back_must_be_who_went(browser: TestClient, elsewhere: Services) -> None:
    address = go(browser)
    with browser_of(elsewhere) as other:
        assert (
            other.get(address).status_code == 400
        )  # sent a link by somebody who wants them in their account
        go(other)
        assert other.get(address).status_code == 400
    assert browser.get(f"{CALLBACK}?code=x").status_code == 400
    assert browser.get(address).status_code == 303
    assert browser.get(address).status_code == 400  # once


def test_a_stolen_code_is_of_no_use_in_another_browser(browser: TestClient, elsewhere: Services) -> None:
    [stolen] = parse_qs(urlsplit(go(browser)).query)["code"]
    with browser_of(elsewhere) as thief:
        own = urlsplit(go(thief))
        query = {name: value for name, [value] in parse_qs(own.query).items()}
        assert thief.get(CALLBACK, params={**query, "code": stolen}).status_code == 502
    assert users(elsewhere) == {}


@pytest.mark.parametrize("iss", [None, "https://elsewhere.example"])
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_code_of_another_provider_is_refused(browser: TestClient, iss: str | None) -> None:
    query = {name: value for name, [value] in parse_qs(urlsplit(go(browser)).query).items()}
    del query["iss"]
    assert browser.get(CALLBACK, params=query | ({"iss": iss} if iss else {})).status_code == 502


@pytest.mark.parametrize(
    ("person", "role"),
    [
        ({"groups": ["staff", "fleet-admins", "x"]}, "admin"),
        ({"groups": "on-call"}, "operator"),
        ({"groups": ["x", 7, None]}, None),
        ({"groups": {"fleet-admins": True}}, None),
        ({"groups": None}, None),
    ],
)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_claim_says_what_somebody_may_do(
    browser: TestClient, elsewhere: Services, provider: Provider, person: dict[str, Any], role: str | None
) -> None:
    provider.person |= person
    assert sign_in(browser) == (403 if role is None else 303)
    assert users(elsewhere) == ({} if role is None else {"anna": role})


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_claim_may_lie_within_another(elsewhere: Services, provider: Provider) -> None:
    assert elsewhere.config.oidc is not None
    oidc = replace(elsewhere.config.oidc, role_claim="realm_access.roles")
    provider.person["realm_access"] = {"roles": ["on-call"]}
    with browser_of(replace(elsewhere, config=Config(oidc=oidc))) as browser:
        assert sign_in(browser) == 303
    assert users(elsewhere) == {"anna": "operator"}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_roles_that_only_userinfo_tells_count_if_it_is_about_the_same_person(
    browser: TestClient, elsewhere: Services, provider: Provider
) -> None:
    del provider.person["groups"]
    provider.only_in_userinfo = {"groups": ["on-call"], "sub": "somebody else"}
    assert sign_in(browser) == 502
    del provider.only_in_userinfo["sub"]
    assert sign_in(browser) == 303
    assert users(elsewhere) == {"anna": "operator"}


def test_the_provider_gives_and_takes_roles_and_names_give_nothing(
    browser: TestClient, elsewhere: Services, provider: Provider
) -> None:
    provider.person["groups"] = ["fleet-admins"]
    assert sign_in(browser) == 303
    provider.person |= {"groups": ["staff"], "preferred_username": "anna.married"}
    assert sign_in(browser) == 303
    assert users(elsewhere) == {"anna": "viewer"}  # by number: the same
    provider.person |= {"sub": "1735", "preferred_username": "anna"}
    assert sign_in(browser) == 403  # by number: another
    assert users(elsewhere) == {"anna": "viewer"}


def test_nobody_takes_over_a_user_who_does_not_sign_in_there(
    browser: TestClient, elsewhere: Services, provider: Provider
) -> None:
    with elsewhere.writes.begin() as session:
        accounts.add(session, "root", Role.ADMIN, None)
    provider.person["preferred_username"] = "root"
    assert sign_in(browser) == 403
    assert users(elsewhere) == {"root": "admin"}


def test_whoever_is_disabled_here_stays_out(browser: TestClient, elsewhere: Services) -> None:
    assert sign_in(browser) == 303
    with elsewhere.writes.begin() as session:
        accounts.set_disabled(session, "anna", True)
    assert sign_in(browser) == 403
    with elsewhere.writes.begin() as session:
        assert accounts.remove(session, "anna")
    assert sign_in(browser) == 303  # as somebody new: who is to stay out is disabled, not removed


def test_failures_there_count_against_the_address(
    browser: TestClient, elsewhere: Services, provider: Provider
) -> None:
    provider.lies = {"nonce": "x"}
    ends = [sign_in(browser) for _ in range(24)]
    assert ends[:20] == [502] * 20
    assert 429 in ends
    with elsewhere.reads() as session:
        assert session.scalars(select(LoginFailure.key)).all() == ["address testclient"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"issuer": "https://elsewhere.example"},
        {"token_endpoint": "http://elsewhere.example/token"},
        {"jwks_uri": None},
    ],
    ids=str,
)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_provider_that_describes_itself_wrongly_is_not_used(
    browser: TestClient, provider: Provider, wrong: dict[str, Any]
) -> None:
    provider.described_otherwise = wrong
    assert browser.get("/login/oidc").status_code == 502
    provider.described_otherwise = {}
    assert sign_in(browser) == 303


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_provider_that_is_away_is_said_to_be(services: Services) -> None:
    with oidc_provider.running() as gone:
        oidc = Oidc(gone.issuer, CLIENT_ID, CLIENT_SECRET, "groups", ROLES)
    with browser_of(replace(services, config=Config(oidc=oidc))) as browser:
        answer = browser.get("/login/oidc")
    assert answer.status_code == 502
    assert "does not answer" in answer.text


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_provider_adds_two_routes_and_no_other(services: Services, elsewhere: Services) -> None:
    without, with_one = ({route[:2] for route in routes(each)} for each in (services, elsewhere))
    assert with_one - without == {("GET", "/login/oidc"), ("GET", CALLBACK)}
    assert without < with_one


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_with_a_provider_nobody_is_let_in_for_sitting_here(browser: TestClient) -> None:
    assert browser.post("/logout").status_code == 401


@pytest.mark.parametrize(
    ("issuer", "refused"),
    [("http://elsewhere.example", True), ("ftp://x", True), ("https://x", False), ("http://[::1]:1", False)],
)
def test_a_provider_is_asked_where_nobody_listens(
    monkeypatch: pytest.MonkeyPatch, issuer: str, refused: bool
) -> None:
    given = {"ISSUER": issuer, "CLIENT_ID": "x", "CLIENT_SECRET": "x", "ROLES": "staff=viewer"}
    for name, value in given.items():
        monkeypatch.setenv(f"FLEET_DASHBOARD_OIDC_{name}", value)
    if refused:
        with pytest.raises(UsageError, match="OIDC_ISSUER must begin with https://"):
            load_settings()
    else:
        assert load_settings().dashboard.oidc is not None
