"""Users and tokens on the command line, and when the dashboard does not start."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from db import session as db_session
from db.queries import audit
from fleet import cli
from fleet.web import _WithoutKeys

PASSWORD = "a long enough password"


@pytest.fixture
def url(migrated_sqlite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    copy = tmp_path / "fleet.db"
    copy.write_bytes(migrated_sqlite.read_bytes())
    monkeypatch.setenv("FLEET_DATABASE_URL", f"sqlite:///{copy}")
    return f"sqlite:///{copy}"


def run(*arguments: str, given: str = "") -> Any:
    """What it answered; the error where it failed."""
    done = CliRunner().invoke(cli.app, [*arguments, "--json"], input=given)
    return json.loads(done.output) if done.exception is None else done.exception


def test_a_user_is_added_listed_changed_and_removed_and_each_is_on_record(url: str) -> None:
    run("users", "add", "root", "--role", "admin", given=PASSWORD)
    run("users", "add", "anna", "--no-password")
    run("users", "role", "anna", "operator")
    run("users", "password", "anna", given=PASSWORD)
    run("users", "disable", "anna")
    found = {each["name"]: each for each in run("users", "list")}
    assert (found["anna"]["role"], found["anna"]["disabled"], found["anna"]["has_password"]) == (
        "operator",
        True,
        True,
    )
    assert "password_hash" not in found["anna"]
    run("users", "enable", "anna")
    assert run("users", "link", "anna")["path"].startswith("/welcome?key=")
    assert {each["name"]: each for each in run("users", "list")}["anna"]["link_until"]
    run("users", "sign-out", "anna")
    run("tokens", "revoke-all", "anna")
    run("users", "remove", "anna")
    assert run("users", "add", "nora", "--link")["path"].startswith("/welcome?key=")
    run("users", "remove", "nora")
    assert [each["name"] for each in run("users", "list")] == ["root"]
    engine = db_session.make_engine(url)
    with db_session.session_factory(engine)() as session:
        acts = [(row.action, row.subject) for row in audit.list_audit(session)]
    engine.dispose()
    assert acts[::-1] == [
        ("add-user", "root"),
        ("add-user", "anna"),
        ("change-role", "anna"),
        ("change-password", "anna"),
        ("disable-user", "anna"),
        ("enable-user", "anna"),
        ("make-password-link", "anna"),
        ("sign-out-user", "anna"),
        ("revoke-tokens", "anna"),
        ("remove-user", "anna"),
        ("add-user", "nora"),
        ("make-password-link", "nora"),
        ("remove-user", "nora"),
    ]


@pytest.mark.usefixtures("url")
@pytest.mark.parametrize(
    ("command", "given", "message"),
    [
        (["users", "add", "anna"], "short", "12 to 1024 characters"),
        (["users", "add", "root"], PASSWORD, "already"),
        (["users", "add", "a\nb"], PASSWORD, "printable"),
        (["users", "password", "anna"], PASSWORD, "no user anna"),
        (["users", "remove", "root"], "", "root is the only admin"),
        (["users", "disable", "root"], "", "root is the only admin"),
        (["users", "role", "root", "viewer"], "", "root is the only admin"),
        (["tokens", "create", "anna"], "", "no user anna"),
        (["tokens", "revoke", "7"], "", "no token 7"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(command: list[str], given: str, message: str) -> None:
    run("users", "add", "root", "--role", "admin", given=PASSWORD)
    assert message in str(run(*command, given=given))


@pytest.mark.usefixtures("url")
def test_a_token_is_shown_once(url: str) -> None:
    run("users", "add", "robot", "--no-password")
    made = run("tokens", "create", "robot", "--label", "nightly", "--days", "30")
    [kept] = run("tokens", "list")
    assert made["token"].startswith(kept["start"])
    assert made["token"] not in json.dumps(kept)
    run("tokens", "revoke", str(made["id"]))
    assert run("tokens", "list")[0]["revoked_at"]


def test_the_log_of_requests_has_no_link_in_it() -> None:
    arguments = ("127.0.0.1:1", "GET", "/welcome?key=secret&x=1", "1.1", 200)
    record = logging.LogRecord("uvicorn.access", logging.INFO, "", 0, "%s %s %s %s %s", arguments, None)
    assert _WithoutKeys().filter(record)
    assert record.getMessage() == "127.0.0.1:1 GET /welcome?key=...&x=1 1.1 200"


@pytest.mark.usefixtures("url")
def test_the_dashboard_does_not_start_off_loopback_without_users() -> None:
    refused = CliRunner().invoke(cli.app, ["dashboard", "--host", "192.0.2.1"])
    assert "can be reached from elsewhere: add a user first" in str(refused.exception)
