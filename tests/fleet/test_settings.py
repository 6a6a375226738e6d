from pathlib import Path

import pytest
from sqlalchemy import make_url

from fleet.connect import store_settings
from fleet.effective import effective, without_secrets
from fleet.errors import UsageError
from fleet.settings import Settings, load_settings
from storage.s3_client import make_client


def test_defaults_agree_with_one_another() -> None:
    settings = Settings()
    assert settings.heartbeat_seconds <= settings.lease_seconds / 4
    assert settings.visibility_seconds > settings.hard_limit_seconds > settings.job_timeout_seconds
    assert settings.window >= 100


def test_the_environment_is_read_and_the_command_line_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEET_WORKERS", "7")
    monkeypatch.setenv("FLEET_LEASE_SECONDS", "120")
    settings = load_settings(workers=3)
    assert (settings.workers, settings.lease_seconds) == (3, 120)


def test_a_beat_too_slow_for_its_lease_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEET_LEASE_SECONDS", "40")
    with pytest.raises(UsageError, match=r"FLEET_HEARTBEAT_SECONDS \(15\) must be at most a quarter"):
        load_settings()


def test_a_broker_that_redelivers_running_jobs_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEET_JOB_TIMEOUT_SECONDS", "3600")
    monkeypatch.setenv("FLEET_VISIBILITY_TIMEOUT_SECONDS", "3600")
    with pytest.raises(UsageError, match="must exceed the hard limit"):
        load_settings()


@pytest.mark.parametrize("queues", ["", "defualt", "default,other"])
def test_a_queue_that_nobody_sends_to_is_refused(monkeypatch: pytest.MonkeyPatch, queues: str) -> None:
    monkeypatch.setenv("FLEET_QUEUES", queues)
    with pytest.raises(UsageError, match="FLEET_QUEUES must name some of default, large"):
        load_settings()


def test_every_bad_variable_is_named_without_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEET_WORKERS", "a-secret-typo")
    monkeypatch.setenv("FLEET_REAP_SECONDS", "-1")
    with pytest.raises(UsageError) as caught:
        load_settings()
    message = str(caught.value)
    assert "FLEET_WORKERS" in message
    assert "FLEET_REAP_SECONDS" in message
    assert "a-secret-typo" not in message
    assert "\n" not in message


def test_passwords_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEET_DATABASE_URL", "postgresql+psycopg://me:hunter2@db/fleet")
    settings = load_settings()
    assert "hunter2" not in repr(settings)
    assert settings.database_url is not None
    assert "hunter2" in settings.database_url.get_secret_value()


def test_a_stop_too_short_for_a_drain_is_refused_beside_what_else_is_wrong(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FLEET_STOP_GRACE_SECONDS", "35")
    monkeypatch.setenv("FLEET_HEARTBEAT_SECONDS", "60")
    with pytest.raises(UsageError, match=r"FLEET_HEARTBEAT_SECONDS.*FLEET_STOP_GRACE_SECONDS \(35\)"):
        load_settings()


def test_the_effective_settings_say_where_they_come_from_and_keep_secrets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FLEET_DATABASE_URL", "postgresql://me:hunter2@db/fleet")
    monkeypatch.setenv("fleet_workers", "3")
    shown = {each.name: each for each in effective(load_settings())}
    assert shown["FLEET_DATABASE_URL"].value == "postgresql://me:***@db/fleet"
    assert (shown["FLEET_WORKERS"].value, shown["FLEET_WORKERS"].origin) == (3, "environment")
    assert shown["FLEET_LEASE_SECONDS"].origin == "default"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://:pw@host:6379/0", "redis://:***@host:6379/0"),
        ("redis://host/0", "redis://host/0"),
        ("https://hooks.example/T0/secret?k=v", "https://hooks.example/***?***"),
        ("sqlite:////var/fleet.db", "sqlite:////var/fleet.db"),
        ("token", "***"),
    ],
)
def test_nothing_secret_of_a_url_is_shown(url: str, shown: str) -> None:
    assert without_secrets(url) == shown


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"FLEET_CHAT_URL": "file:///etc/passwd"}, "FLEET_CHAT_URL must begin with https"),
        ({"FLEET_WEBHOOK_URL": "https://h/x"}, "FLEET_WEBHOOK_URL needs FLEET_WEBHOOK_SECRET"),
    ],
)
def test_notifications_go_to_web_addresses_and_are_signed(
    given: dict[str, str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match=message):
        load_settings()


@pytest.fixture
def secret_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in the place of /run/secrets."""
    monkeypatch.setattr("fleet.settings.SECRETS_DIR", tmp_path)
    monkeypatch.setattr("fleet.effective.SECRETS_DIR", tmp_path)
    return tmp_path


def test_a_password_and_keys_in_files_are_used_and_not_shown(
    secret_files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLEET_DATABASE_URL", "postgresql+psycopg://fleet@db/fleet")
    (secret_files / "fleet_database_password").write_text("a/b@c:d\n")
    (secret_files / "fleet_s3_access_key_id").write_text("me\n")
    (secret_files / "fleet_s3_secret_access_key").write_text("hunter2\n")
    settings = load_settings()
    assert settings.database_url is not None
    assert make_url(settings.database_url.get_secret_value()).password == "a/b@c:d"
    where = store_settings(settings)
    assert (where.s3_access_key_id, where.s3_secret_access_key) == ("me", "hunter2")
    credentials = make_client(where)._request_signer._credentials
    assert (credentials.access_key, credentials.secret_key) == ("me", "hunter2")
    shown = {each.name: each for each in effective(settings)}
    assert (shown["FLEET_DATABASE_PASSWORD"].value, shown["FLEET_DATABASE_PASSWORD"].origin) == (
        "***",
        "file",
    )
    assert "hunter2" not in f"{settings!r} {where!r} {shown!r}"
    assert "a/b@c:d" not in f"{settings!r} {shown!r}"


@pytest.mark.parametrize(
    "url", ["postgresql://me:mine@db/fleet", "no url at all"], ids=["has its own", "no URL"]
)
def test_a_password_is_put_only_into_a_url_without_one(
    secret_files: Path, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("FLEET_DATABASE_URL", url)
    (secret_files / "fleet_database_password").write_text("other")
    settings = load_settings()
    assert settings.database_url is not None
    assert settings.database_url.get_secret_value() == url


def test_half_of_a_key_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEET_S3_ACCESS_KEY_ID", "me")
    with pytest.raises(UsageError, match="FLEET_S3_SECRET_ACCESS_KEY are set together"):
        load_settings()
