"""`fleet doctor` on a healthy set-up and on broken ones, each of real servers."""

import os
import shutil
from contextlib import closing
from pathlib import Path

import pytest
import redis
from alembic import command
from sqlalchemy import text

from db import session as db_session
from fleet import doctor
from tests import servers
from tests.fleet.command import Fleet
from tests.fleet.unconditional import unconditional_s3


@pytest.fixture
def current_url(postgres_url: str) -> str:
    db_session.upgrade(postgres_url)
    return postgres_url


@pytest.fixture
def settings(current_url: str, broker_url: str, s3_server: servers.S3) -> dict[str, str]:
    """Of a fleet that works."""
    return {
        "FLEET_DATABASE_URL": current_url,
        "FLEET_BROKER_URL": broker_url,
        "FLEET_S3_ENDPOINT_URL": s3_server.endpoint,
        "FLEET_S3_REGION": "us-east-1",
    }


def diagnosis(home: Path, settings: dict[str, str], *words: str) -> tuple[int, list[str], str]:
    """Exit code, the lines at fault, and what stands on stderr."""
    done = Fleet(home, **settings).run("doctor", *words)
    return (
        done.returncode,
        [line for line in done.stdout.splitlines() if line.startswith("fault")],
        done.stderr,
    )


def test_a_healthy_set_up(tmp_path: Path, settings: dict[str, str], s3_bucket: str) -> None:
    found = Fleet(tmp_path, **settings).json("doctor", f"s3://{s3_bucket}/out", str(tmp_path / "out"))
    assert found["healthy"]
    said = [(finding["part"], finding["verdict"], finding["message"]) for finding in found["findings"]]
    assert {(part, verdict) for part, verdict, _ in said} == {
        (part, "ok") for part in ("database", "broker", "storage", "gpu")
    }
    messages = " | ".join(message for *_, message in said)
    for word in ("schema 00", "its clock is", "maxmemory-policy noeviction", "writes conditionally"):
        assert word in messages
    assert list((tmp_path / "out").iterdir()) == []


def test_a_broker_that_evicts(
    tmp_path: Path, settings: dict[str, str], valkey_server: servers.Valkey
) -> None:
    with closing(redis.Redis.from_url(valkey_server.url)) as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
        try:
            code, faults, error = diagnosis(tmp_path, settings)
        finally:
            client.config_set("maxmemory-policy", "noeviction")
    assert (code, error) == (1, "fleet: 1 at fault: broker\n")
    [fault] = faults
    assert "its maxmemory-policy is allkeys-lru; it must be noeviction" in fault


@pytest.mark.usefixtures("s3_server")
def test_a_store_without_conditional_writes(tmp_path: Path, settings: dict[str, str]) -> None:
    with unconditional_s3() as endpoint:
        code, faults, _ = diagnosis(
            tmp_path, {**settings, "FLEET_S3_ENDPOINT_URL": endpoint}, "s3://bucket/out"
        )
    assert code == 1
    [fault] = faults
    assert "s3://bucket/out: no conditional writes (If-None-Match)" in fault


def test_an_old_schema(tmp_path: Path, settings: dict[str, str], current_url: str) -> None:
    engine = db_session.make_engine(current_url)
    with engine.begin() as connection:
        command.downgrade(db_session.alembic_config(connection), "0001")
    engine.dispose()
    code, faults, _ = diagnosis(tmp_path, settings)
    assert code == 1
    [fault] = faults
    assert "has schema 0001, and this version needs " in fault
    assert fault.endswith("run `fleet upgrade`")


def test_a_month_that_no_scheduler_made(current_url: str) -> None:
    engine = db_session.make_engine(current_url)
    assert list(doctor._month(engine)) == []
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE event_before"))
    [finding] = doctor._month(engine)
    engine.dispose()
    assert finding.verdict is doctor.Verdict.WARNING
    assert "no partition for this month" in finding.message


def test_no_schema(tmp_path: Path, postgres_url: str) -> None:
    _, [fault], _ = diagnosis(tmp_path, {"FLEET_DATABASE_URL": postgres_url})
    assert "has schema none" in fault


def test_no_gpu_where_one_is_demanded(tmp_path: Path, settings: dict[str, str]) -> None:
    """On a search path with nothing but what the command itself needs, so that every machine has none."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("sh", "dirname", "readlink"):
        (programs / name).symlink_to(shutil.which(name) or name)
    bare = {**settings, "PATH": str(programs)}
    assert diagnosis(tmp_path, bare)[:2] == (0, [])
    for demanding in (
        diagnosis(tmp_path, bare, "--gpu"),
        diagnosis(tmp_path, {**bare, "FLEET_DEVICE": "cuda"}),
    ):
        code, [fault], _ = demanding
        assert code == 1
        assert "one is demanded, and nvidia-smi shows none" in fault


def test_all_that_is_wrong_is_named_at_once(tmp_path: Path) -> None:
    nobody = {
        "FLEET_DATABASE_URL": "postgresql://me:hunter2@127.0.0.1:1/fleet",
        "FLEET_BROKER_URL": "redis://:pw@127.0.0.1:1",
    }
    code, faults, error = diagnosis(tmp_path, nobody, "/proc/nowhere")
    assert (code, error) == (1, "fleet: 3 at fault: database, broker, storage\n")
    assert len(faults) == 3
    assert "hunter2" not in str(faults)
    assert ":pw@" not in str(faults)


def test_a_standby_takes_no_writes(tmp_path: Path, settings: dict[str, str], current_url: str) -> None:
    engine = db_session.make_engine(current_url)
    with engine.begin() as connection:
        name = connection.scalar(text("SELECT current_database()"))
        connection.execute(text(f"ALTER DATABASE {name} SET default_transaction_read_only = on"))
    engine.dispose()
    _, [fault], _ = diagnosis(tmp_path, settings)
    assert "takes no writes" in fault


def test_a_driver_that_fails_is_a_fault_where_a_gpu_is_demanded(
    tmp_path: Path, settings: dict[str, str]
) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text(
        '#!/bin/sh\necho "Failed to initialize NVML: Driver/library version mismatch"; exit 18\n'
    )
    program.chmod(0o755)
    broken = {**settings, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    assert diagnosis(tmp_path, broken)[:2] == (0, [])
    _, [fault], _ = diagnosis(tmp_path, broken, "--gpu")
    assert "version mismatch" in fault
