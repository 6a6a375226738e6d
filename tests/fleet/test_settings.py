import pytest

from fleet.errors import UsageError
from fleet.settings import Settings, load_settings


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
