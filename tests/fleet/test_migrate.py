"""The main job, embedded: one command, a folder in, a folder out, everything real."""

import functools
import json
import os
import shutil
import signal
import sqlite3
import subprocess
from pathlib import Path
from typing import Any

import pytest

from storage import StoreSettings, open_store
from tests import servers
from tests.fleet import models
from tests.fleet.command import FLEET, Fleet, children_named, descendants, wait_until


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return Fleet(tmp_path / "home")


def rows(dest: Path, query: str) -> list[Any]:
    """What the embedded database says; nothing while there is none."""
    if not (dest / ".fleet" / "fleet.db").exists():
        return []
    connection = sqlite3.connect(f"file:{dest}/.fleet/fleet.db?mode=ro", uri=True, timeout=30)
    try:
        return connection.execute(query).fetchall()
    except sqlite3.OperationalError:
        return []
    finally:
        connection.close()


def states(dest: Path) -> dict[str, int]:
    return dict(rows(dest, "SELECT state, count(*) FROM job GROUP BY state"))


def failed_at_least(dest: Path, count: int) -> bool:
    return states(dest).get("failed", 0) >= count


def test_a_zoo_is_migrated_once_and_for_all(fleet: Fleet, tmp_path: Path) -> None:
    source, dest = tmp_path / "in", tmp_path / "out"
    models.dense(source / "a.h5", seed=1)
    models.dense(source / "team" / "b.h5", seed=2)
    shutil.copyfile(source / "a.h5", source / "team" / "copy-of-a.h5")
    models.unsupported(source / "odd.h5")
    models.corrupt(source / "broken.h5")
    (source / "notes.txt").write_text("not a model")

    first = fleet.json("migrate", str(source), str(dest), "--workers", "2")
    assert first["state"] == "finished"
    assert (first["total"], first["terminal"], first["new"], first["reused"]) == (5, 5, 5, 1)
    assert first["states"]["succeeded"] == 3
    assert {(error["kind"], error["jobs"]) for error in first["errors"]} == {
        ("unsupported-model", 1),
        ("not-hdf5", 1),
    }
    assert first["reasons"] == [{"kind": "unsupported-layer", "subject": "Wizardry", "jobs": 1}]
    assert first["worst_structure_error"] < 1e-9
    bundles = {job["key"]: job["bundle"] for job in first["jobs"]}
    assert bundles["team/b.h5"] == f"{dest}/by-name/team/b"
    assert bundles["odd.h5"] is None
    for key in ("a.h5", "team/b.h5", "team/copy-of-a.h5"):
        assert json.loads((Path(bundles[key]) / "parity.json").read_text())["verdict"] == "passed"
        assert (Path(bundles[key]) / "model.safetensors").is_file()

    # Nothing runs any more, and nothing half-written is left.
    assert list((dest / ".fleet" / "scratch").iterdir()) == []
    assert not (dest / ".fleet" / "broker.json").exists()
    assert list(dest.rglob(".tmp-*")) == []

    # Again: the same jobs are found, and nothing is converted.
    before = rows(dest, "SELECT id, fence, finished_at FROM job ORDER BY id")
    again = fleet.json("migrate", str(source), str(dest))
    assert (again["total"], again["terminal"], again["new"]) == (5, 5, 0)
    assert rows(dest, "SELECT id, fence, finished_at FROM job ORDER BY id") == before

    # A changed file is a new job, and only that one runs.
    models.dense(source / "a.h5", seed=3)
    third = fleet.json("migrate", str(source), str(dest))
    assert (third["total"], third["new"], third["states"]["succeeded"]) == (5, 1, 3), third["errors"]
    assert len(rows(dest, "SELECT 1 FROM attempt")) == 6

    # The database answers questions, from anywhere.
    status = fleet.json("status")
    assert status["jobs"]["failed"] == 2
    assert [batch["total"] for batch in status["batches"]] == [5, 5, 5]
    listed = fleet.json("jobs", "--dest", str(dest), "--state", "failed", "--key", "ODD")
    assert [job["key"] for job in listed["jobs"]] == ["odd.h5"]
    detail = fleet.json("job", str(listed["jobs"][0]["id"]))
    assert detail["reasons"][0]["layer"] == "trick"
    assert [event["type"] for event in detail["events"]] == ["claimed", "failed"]
    for command in (["status"], ["jobs"], ["job", "1"]):
        shown = fleet.run(*command, cwd=tmp_path)
        assert shown.returncode == 0, shown.stderr
        assert shown.stdout


def test_a_person_is_shown_a_table_and_where_everything_is(fleet: Fleet, tmp_path: Path) -> None:
    source, dest = tmp_path / "in", tmp_path / "out"
    models.unsupported(source / "odd.h5")
    models.corrupt(source / "broken.h5")
    done = fleet.run("migrate", str(source), str(dest))
    assert done.returncode == 0, done.stderr
    for words in (
        "2  models",
        "failed: not-hdf5",
        "failed: unsupported-model",
        "odd.h5: trick (Wizardry)",
        f"{dest}/by-name",
        "sqlite:///",
    ):
        assert words in done.stdout
    assert "2/2 done" in done.stderr


def test_an_empty_folder_is_no_failure(fleet: Fleet, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    done = fleet.run("migrate", str(tmp_path / "in"), str(tmp_path / "out"))
    assert done.returncode == 0
    assert "no models in" in done.stderr


def test_ctrl_c_drains_and_a_second_run_continues(fleet: Fleet, tmp_path: Path) -> None:
    source, dest = tmp_path / "in", tmp_path / "out"
    for number in range(8):
        models.dense(source / f"m{number}.h5", seed=number)
    with fleet.start("migrate", str(source), str(dest), "--workers", "2") as running:
        wait_until(lambda: states(dest).get("succeeded", 0) >= 2, 100)
        started = descendants(running.process.pid)
        code, output = running.end(signal.SIGINT)
        assert code == 130, output
        assert "the same command continues" in output
    wait_until(lambda: not [pid for pid in started if Path(f"/proc/{pid}").exists()])
    after = states(dest)
    assert after.get("running", 0) == 0
    assert after.get("queued", 0) > 0
    done_before = rows(dest, "SELECT id, fence FROM job WHERE state = 'succeeded' ORDER BY id")

    second = fleet.json("migrate", str(source), str(dest))
    assert (second["states"]["succeeded"], second["new"]) == (8, 0)
    done_after = dict(rows(dest, "SELECT id, fence FROM job"))
    assert all(done_after[job] == fence for job, fence in done_before)
    assert len(list((dest / "results").iterdir())) == 8


def test_a_second_ctrl_c_kills_and_counts_against_no_job(fleet: Fleet, tmp_path: Path) -> None:
    source, dest = tmp_path / "in", tmp_path / "out"
    for number in range(3):
        models.dense(source / f"m{number}.h5", units=1500, inputs=1500, seed=number)
    with fleet.start("migrate", str(source), str(dest), "--workers", "1") as running:
        wait_until(lambda: states(dest).get("running", 0) >= 1, 100)
        running.process.send_signal(signal.SIGINT)
        code, output = running.end(signal.SIGINT)
        assert code == 130, output
    assert states(dest).get("running", 0) == 0
    assert rows(dest, "SELECT sum(lost_count), sum(retries) FROM job") == [(0, 0)]


def test_a_killed_command_leaves_nothing_running_and_is_continued(fleet: Fleet, tmp_path: Path) -> None:
    source, dest = tmp_path / "in", tmp_path / "out"
    for number in range(5):
        models.dense(source / f"m{number}.h5", seed=number)
    with fleet.start("migrate", str(source), str(dest), "--workers", "2") as running:
        wait_until(lambda: states(dest).get("succeeded", 0) >= 1, 100)
        started = descendants(running.process.pid)
        running.process.kill()
        running.process.wait()
        wait_until(lambda: not [pid for pid in started if alive(pid)])
    second = fleet.json("migrate", str(source), str(dest))
    assert second["states"]["succeeded"] == 5
    assert len(list((dest / "results").iterdir())) == 5


def test_the_broker_may_die(fleet: Fleet, tmp_path: Path) -> None:
    source, dest = tmp_path / "in", tmp_path / "out"
    for number in range(60):
        models.unsupported(source / f"m{number}.h5")
    with fleet.start("migrate", str(source), str(dest), "--workers", "2") as running:
        for done in (5, 25):
            wait_until(functools.partial(failed_at_least, dest, done))
            os.kill(json.loads((dest / ".fleet" / "broker.json").read_text())["pid"], signal.SIGKILL)
        output, _ = running.process.communicate(timeout=150)
    assert running.process.returncode == 0, output
    assert "another one is started" in output
    assert states(dest) == {"failed": 60}
    assert rows(dest, "SELECT max(fence) FROM job") == [(1,)]


def test_the_worker_may_die(fleet: Fleet, tmp_path: Path) -> None:
    source, dest = tmp_path / "in", tmp_path / "out"
    for number in range(40):
        models.unsupported(source / f"m{number}.h5")
    with fleet.start("migrate", str(source), str(dest), "--workers", "2") as running:
        wait_until(lambda: states(dest).get("failed", 0) >= 5)
        (worker,) = children_named(running.process.pid, "fleet.cli worker")
        os.kill(worker, signal.SIGKILL)
        output, _ = running.process.communicate(timeout=150)
    assert running.process.returncode == 0, output
    assert "was killed by signal 9" in output
    assert states(dest) == {"failed": 40}
    # What it was doing was lost once and done once; nothing else was touched twice.
    lost = rows(dest, "SELECT count(*) FROM attempt WHERE outcome = 'lost'")[0][0]
    assert lost <= 2
    assert rows(dest, "SELECT count(*) FROM attempt") == [(40 + lost,)]


def test_the_worker_process_loads_neither_torch_nor_tensorflow(fleet: Fleet, tmp_path: Path) -> None:
    """Looked at from outside, after it has done a whole job: no library of theirs is mapped into it."""
    source, dest = tmp_path / "in", tmp_path / "out"
    for number in range(3):
        models.dense(source / f"m{number}.h5", seed=number)
    with fleet.start("migrate", str(source), str(dest), "--workers", "1") as running:
        wait_until(lambda: states(dest).get("succeeded", 0) >= 1, 100)
        (worker,) = children_named(running.process.pid, "fleet.cli worker")
        mapped = Path(f"/proc/{worker}/maps").read_text()
        servers = [Path(f"/proc/{pid}/maps").read_text() for pid in descendants(worker)]
        running.end(signal.SIGINT)
    forbidden = ("libtorch", "tensorflow", "libcuda")
    assert not [name for name in forbidden if name in mapped]
    # The check can fail: the same words are found where these libraries are in use.
    assert any("libtorch" in text for text in servers)
    assert any("tensorflow" in text for text in servers)
    assert not any("libtorch" in text and "tensorflow" in text for text in servers)


def test_two_commands_cannot_work_in_one_place(fleet: Fleet, tmp_path: Path) -> None:
    source, dest = tmp_path / "in", tmp_path / "out"
    for number in range(30):
        models.unsupported(source / f"m{number}.h5")
    with fleet.start("migrate", str(source), str(dest), "--workers", "1") as running:
        wait_until(lambda: rows(dest, "SELECT 1 FROM job"), 100)
        second = fleet.run("migrate", str(source), str(dest))
        assert second.returncode == 1
        assert "another fleet command" in second.stderr
        running.end(signal.SIGINT)


@pytest.mark.parametrize(
    ("arguments", "env", "code", "words"),
    [
        (["/no/such/folder", "OUT"], {}, 1, "/no/such/folder: no such folder"),
        (["IN", "/proc/nowhere"], {}, 1, "/proc/nowhere"),
        (["ftp://host/models", "OUT"], {}, 2, "a store is a folder"),
        (["IN", "OUT", "--workers", "-1"], {}, 2, "--workers"),
        (["IN", "OUT", "--backend", "cntk"], {}, 2, "backend is 'cntk'"),
        (["IN", "OUT", "--architecture", "/no/such.json"], {}, 2, "/no/such.json"),
        (["IN", "OUT"], {"FLEET_LEASE_SECONDS": "20"}, 2, "FLEET_HEARTBEAT_SECONDS"),
        (["IN", "OUT"], {"FLEET_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}, 1, "127.0.0.1"),
        (["IN", "OUT"], {"FLEET_DATABASE_URL": "nonsense"}, 2, "FLEET_DATABASE_URL"),
        (["IN", "OUT"], {"FLEET_BROKER_URL": "redis://127.0.0.1:1/0"}, 1, "broker redis://127.0.0.1:1/0"),
        (
            ["s3://no-such-bucket/x", "OUT"],
            {"FLEET_S3_ENDPOINT_URL": "http://127.0.0.1:1"},
            1,
            "s3://no-such-bucket",
        ),
    ],
    ids=[
        "no-source",
        "no-dest",
        "scheme",
        "workers",
        "backend",
        "architecture",
        "settings",
        "no-database",
        "bad-database",
        "no-broker",
        "no-s3",
    ],
)
def test_what_does_not_work_is_one_line(
    tmp_path: Path, arguments: list[str], env: dict[str, str], code: int, words: str
) -> None:
    models.unsupported(tmp_path / "in" / "a.h5")
    places = {"IN": str(tmp_path / "in"), "OUT": str(tmp_path / "out")}
    aws = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_MAX_ATTEMPTS": "1"}
    fleet = Fleet(tmp_path / "home", **env, **aws)
    done = fleet.run("migrate", *(places.get(argument, argument) for argument in arguments))
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) <= (6 if code == 2 else 1)
    assert done.stdout == ""


def test_what_cannot_be_listed_does_not_hold_up_the_rest(fleet: Fleet, tmp_path: Path) -> None:
    models.unsupported(tmp_path / "in" / "a.h5")
    Path(os.fsdecode(os.fsencode(tmp_path / "in") + b"/\xff.h5")).write_bytes(b"")
    done = fleet.run("migrate", str(tmp_path / "in"), str(tmp_path / "out"), "--json")
    assert done.returncode == 1
    assert "not everything was listed" in done.stderr
    assert [job["state"] for job in json.loads(done.stdout)["jobs"]] == ["failed"]


def test_buckets_need_no_folder_of_ours(tmp_path: Path, s3_server: servers.S3, s3_bucket: str) -> None:
    source = open_store(f"s3://{s3_bucket}/in", StoreSettings(s3_endpoint_url=s3_server.endpoint))
    source.put_file("odd.h5", models.unsupported(tmp_path / "odd.h5"))
    fleet = Fleet(tmp_path / "home", FLEET_S3_ENDPOINT_URL=s3_server.endpoint, **s3_server.credentials)
    dest = f"s3://{s3_bucket}/out"
    first = fleet.json("migrate", f"s3://{s3_bucket}/in", dest)
    assert (first["states"]["failed"], first["dest"]) == (1, dest)
    assert str(tmp_path / "home" / "state") in first["database"]
    assert fleet.json("status", "--dest", dest)["jobs"]["failed"] == 1
    assert fleet.json("jobs")["jobs"][0]["key"] == "odd.h5"


def test_questions_without_an_answer_are_one_line(fleet: Fleet, tmp_path: Path) -> None:
    assert fleet.run("status").returncode == 2
    assert "no fleet was used here yet" in fleet.run("jobs").stderr
    models.unsupported(tmp_path / "in" / "a.h5")
    fleet.json("migrate", str(tmp_path / "in"), str(tmp_path / "out"))
    missing = fleet.run("job", "999")
    assert (missing.returncode, missing.stderr) == (1, "fleet: no job 999\n")


def test_the_command_works_from_a_folder_full_of_traps(fleet: Fleet, tmp_path: Path) -> None:
    """Folders called db and workers lie about everywhere; ours are the checkout's."""
    for name in ("db", "workers", "scheduler", "storage", "fleet"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise RuntimeError('a stranger was imported')")
    done = fleet.run("--help", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "migrate" in done.stdout


def test_the_launcher_works_through_a_link(fleet: Fleet, tmp_path: Path) -> None:
    (tmp_path / "fleet-link").symlink_to(FLEET)
    assert os.access(FLEET, os.X_OK)
    done = subprocess.run(
        [str(tmp_path / "fleet-link"), "--help"], capture_output=True, check=False, env=fleet.env
    )
    assert done.returncode == 0


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
