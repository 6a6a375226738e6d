"""Users to sign in as."""

import re
from urllib.parse import parse_qs, urlsplit

from fastapi.testclient import TestClient

from dashboard.security import passwords, secrets
from dashboard.services import Services
from db.queries import accounts, api_tokens
from db.roles import Role
from tests.dashboard.browsing import Seen

PASSWORD = "correct horse battery staple"


def add(services: Services, name: str, role: Role) -> None:
    with services.writes.begin() as session:
        accounts.add(session, name, role, passwords.hashed(PASSWORD))


def token_of(services: Services, name: str, role: Role, days: float | None = None) -> dict[str, str]:
    """The header that a program sends; the user is added where there is none."""
    token = secrets.new_token()
    with services.writes.begin() as session:
        accounts.add(session, name, role, None)
        digest, start = secrets.digest(token), secrets.start_of(token)
        api_tokens.create(session, name, "a test", role, start=start, digest=digest, days=days)
    return {"Authorization": f"Bearer {token}"}


def sign_in(client: TestClient, name: str, password: str = PASSWORD) -> int:
    """The status of the answer; the client then has the cookie."""
    form = {"name": name, "password": password, "next": "/healthz"}
    return client.post("/login", data=form, follow_redirects=False).status_code


def link_in(page: str) -> str:
    """The link that a page shows, by which somebody sets a password."""
    [link] = [each["value"] for each in Seen(page).fields if "/welcome?key=" in each.get("value", "")]
    return link


def set_password(client: TestClient, link: str, password: str = PASSWORD, again: str | None = None) -> int:
    """The status of the answer to whoever opens the link and fills the form in."""
    client.get(link)
    form = {"key": parse_qs(urlsplit(link).query)["key"][0], "password": password, "again": again or password}
    return client.post("/welcome", data=form, follow_redirects=False).status_code


def csrf_of(client: TestClient) -> str:
    """What a form of this browser's session holds."""
    return secrets.csrf_token(client.cookies["fleet"])


def attributes(cookie: str) -> set[str]:
    return {re.sub("=.*", "", each).strip().lower() for each in cookie.split(";")[1:]}
