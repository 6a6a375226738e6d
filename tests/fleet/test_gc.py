"""`fleet gc` on folders and buckets: what nothing names goes, and what anything may still need stays."""

import json
import os
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session, sessionmaker

from db.clock import now
from db.models import Job
from db.queries import control, queue
from db.records import ArtifactInfo, ErrorInfo
from db.states import AttemptOutcome, JobState
from fleet import collect
from fleet.collect import Garbage
from fleet.errors import FleetError
from storage import ObjectStore, StoreSettings, open_store
from tests import servers
from tests.db import zoo
from tests.fleet import models
from tests.fleet.command import Fleet
from workers import publish

FOLDER = "20260102-030405-0123abcd"
NONE = timedelta(seconds=-5)
"""A grace that calls everything old."""


@pytest.fixture(params=["folder", "bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    if request.param == "folder":
        return open_store(str(tmp_path / "out"))
    server: servers.S3 = request.getfixturevalue("s3_server")
    bucket = request.getfixturevalue("s3_bucket")
    return open_store(f"s3://{bucket}/out", StoreSettings(s3_endpoint_url=server.endpoint))


def find(
    sessions: sessionmaker[Session], store: ObjectStore, grace: timedelta = NONE, keep: timedelta = NONE
) -> Garbage:
    return collect.find(sessions, store, grace=grace, keep_uploads=keep)


def put_result(store: ObjectStore, content_key: str, *contents: bytes) -> list[str]:
    """As a worker publishes; returns the hashes."""
    hashes = [publish.put_content(store, content) for content in contents]
    files = [{"path": str(n), "sha256": each, "bytes": 1} for n, each in enumerate(hashes)]
    store.put_bytes(f"results/{content_key}/manifest.json", json.dumps({"files": files}).encode())
    return hashes


def succeed(sessions: sessionmaker[Session], store: ObjectStore) -> int:
    """A job with a result of two contents, recorded."""
    zoo.new_batch(sessions, ["a.h5"], dest=store.url)
    claim = zoo.claim(sessions, zoo.job_ids(sessions)["a.h5"])
    hashes = put_result(store, "wanted", b"one", b"two")
    with sessions.begin() as session:
        queue.set_content(session, claim.job_id, claim.fence, "s", "wanted")
        queue.finish(
            session, claim.job_id, claim.fence, AttemptOutcome.SUCCEEDED, state=JobState.SUCCEEDED,
            manifest_sha256="m",
            artifacts=[ArtifactInfo(name=each, sha256=each, size=3, key=publish.key_of(each)) for each in hashes],
        )  # fmt: skip
    return claim.job_id


def keys(store: ObjectStore) -> set[str]:
    return {found.key for found in store.list()}


def test_only_what_nothing_names_goes(sessions: sessionmaker[Session], store: ObjectStore) -> None:
    succeed(sessions, store)
    wanted = keys(store)
    put_result(store, "orphan", b"two", b"three")  # shares a content with the wanted result
    publish.put_content(store, b"four")
    store.put_bytes("by-name/a/model.py", b"for people")
    found = find(sessions, store)
    assert (len(found.results), len(found.contents), found.leftovers) == (1, 2, [])
    collect.remove(sessions, store, found)
    assert keys(store) == wanted | {"by-name/a/model.py"}
    assert find(sessions, store).count == 0


def test_what_is_young_stays_and_so_does_what_a_young_result_names(
    sessions: sessionmaker[Session], store: ObjectStore
) -> None:
    succeed(sessions, store)
    [old] = put_result(store, "old", b"old")
    if not store.url.startswith("s3:"):  # a bucket's clock cannot be set back
        content = Path(store.url, publish.key_of(old))
        os.utime(content, (time.time() - 7200, time.time() - 7200))
    assert find(sessions, store, grace=timedelta(hours=1)).count == 0


def test_an_architecture_that_a_recipe_names_stays(
    sessions: sessionmaker[Session], store: ObjectStore
) -> None:
    sha256 = publish.put_content(store, b"{}")
    zoo.new_batch(
        sessions, ["a.h5"], dest=store.url, options={"architecture": {"name": "a.json", "sha256": sha256}}
    )
    assert find(sessions, store).count == 0


def test_nothing_goes_while_a_job_of_the_destination_runs(
    sessions: sessionmaker[Session], store: ObjectStore
) -> None:
    zoo.new_batch(sessions, ["a.h5"], dest=store.url)
    publish.put_content(store, b"orphan")
    before = keys(store)
    found = find(sessions, store)
    assert found.count == 1
    claim = zoo.claim(sessions, zoo.job_ids(sessions)["a.h5"])
    with pytest.raises(FleetError, match="1 jobs are at work"):
        collect.remove(sessions, store, found)
    assert keys(store) == before
    zoo.succeed(sessions, claim)
    collect.remove(sessions, store, found)
    assert keys(store) == set()


def test_what_a_job_came_to_need_since_it_was_found_stays(
    sessions: sessionmaker[Session], store: ObjectStore
) -> None:
    put_result(store, "wanted", b"one", b"two")
    orphan = publish.put_content(store, b"three")
    found = find(sessions, store)
    assert (len(found.results), len(found.contents)) == (1, 3)
    succeed(sessions, store)
    before = keys(store)
    collect.remove(sessions, store, found)
    assert keys(store) == before - {publish.key_of(orphan)}


class Slow:
    """A store in which something else happens while an object is being removed."""

    def __init__(self, store: ObjectStore, meanwhile: Callable[[], None]) -> None:
        self._store = store
        self._meanwhile = meanwhile

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def delete(self, key: str) -> None:
        self._meanwhile()
        self._store.delete(key)


def test_a_job_that_begins_while_objects_go_begins_when_they_are_gone(
    sessions: sessionmaker[Session], store: ObjectStore
) -> None:
    """It finds contents there that are on their way out; were it to rely on them, its result would lack them."""
    zoo.new_batch(sessions, ["a.h5"], dest=store.url)
    [job_id] = zoo.job_ids(sessions).values()
    old = publish.put_content(store, b"one")
    found = find(sessions, store)
    seen_there: list[bool] = []

    def begin() -> None:
        zoo.claim(sessions, job_id)
        seen_there.append(store.exists(publish.key_of(old)))

    job = threading.Thread(target=begin)

    def meanwhile() -> None:
        job.start()
        job.join(0.5)
        assert job.is_alive(), "it began"

    collect.remove(sessions, Slow(store, meanwhile), found)
    job.join(60)
    assert seen_there == [False]


def bring(sessions: sessionmaker[Session], store: ObjectStore, *names: str) -> dict[str, int]:
    """As the dashboard takes files in; returns their jobs."""
    uploads = f"{store.url}/uploads"
    for name in names:
        store.put_bytes(f"uploads/{FOLDER}/{name}", b"12345")
    zoo.new_batch(sessions, [f"{FOLDER}/{name}" for name in names], source=uploads, dest=store.url)
    return {key.rpartition("/")[2]: job_id for key, job_id in zoo.job_ids(sessions).items()}


def test_uploads_go_once_no_unfinished_job_reads_them(
    sessions: sessionmaker[Session], store: ObjectStore
) -> None:
    jobs = bring(sessions, store, "waits.h5", "runs.h5", "again.h5", "done.h5", "failed.h5")
    for name in ("done.h5", "again.h5"):
        zoo.succeed(sessions, zoo.claim(sessions, jobs[name]))
    zoo.fail(sessions, zoo.claim(sessions, jobs["failed.h5"]), ErrorInfo(kind="not-hdf5", message="no"))
    zoo.claim(sessions, jobs["runs.h5"])
    store.put_bytes(f"uploads/{FOLDER}/no-job.h5", b"12345")
    others = {"uploads/zoo/a.h5", f"uploads/{FOLDER}/deep/b.h5", "uploads/c.h5", "elsewhere/d.h5"}
    for key in others:  # not as the dashboard names them: somebody's own
        store.put_bytes(key, b"1")
    assert find(sessions, store, keep=timedelta(hours=1)).count == 0
    found = find(sessions, store)
    assert (len(found.uploads), found.count, found.bytes) == (4, 4, 20)
    with sessions.begin() as session:
        control.requeue(session, [jobs["again.h5"]])
    collect.remove(sessions, store, found)  # though a job of the destination runs
    assert keys(store) == others | {f"uploads/{FOLDER}/{name}.h5" for name in ("waits", "runs", "again")}


def test_an_old_upload_stays_while_its_job_ended_lately(
    sessions: sessionmaker[Session], tmp_path: Path
) -> None:
    store = open_store(str(tmp_path / "out"))
    jobs = bring(sessions, store, "lately.h5", "long-ago.h5")
    for name, job_id in jobs.items():
        zoo.succeed(sessions, zoo.claim(sessions, job_id))
        os.utime(tmp_path / "out" / "uploads" / FOLDER / name, (time.time() - 7200, time.time() - 7200))
    with sessions.begin() as session:
        session.execute(update(Job).where(Job.id == jobs["long-ago.h5"]).values(finished_at=now(-7200)))
    found = find(sessions, store, keep=timedelta(hours=1))
    assert found.uploads == [f"uploads/{FOLDER}/long-ago.h5"]


def test_temporary_files_go(sessions: sessionmaker[Session], tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "out"))
    succeed(sessions, store)
    (tmp_path / "out" / "cas" / ".tmp-0123").write_bytes(b"half")
    found = find(sessions, store)
    assert [(each.key, each.size) for each in found.leftovers] == [("cas/.tmp-0123", 4)]
    collect.remove(sessions, store, found)
    assert not (tmp_path / "out" / "cas" / ".tmp-0123").exists()


def test_uploads_that_nobody_completed_go(
    sessions: sessionmaker[Session], s3_server: servers.S3, s3_bucket: str
) -> None:
    client: Any = boto3.client("s3", endpoint_url=s3_server.endpoint)
    for key in ("out/cas/x", f"out/uploads/{FOLDER}/z.h5", "elsewhere/y"):
        client.create_multipart_upload(Bucket=s3_bucket, Key=key)
    client.put_object(Bucket=s3_bucket, Key="out/tmp/probe-1", Body=b"")
    store = open_store(f"s3://{s3_bucket}/out", StoreSettings(s3_endpoint_url=s3_server.endpoint))
    found = find(sessions, store)
    assert [(each.key, each.upload_id is None) for each in found.leftovers] == [
        ("cas/x", False), (f"uploads/{FOLDER}/z.h5", False), ("tmp/probe-1", True)
    ]  # fmt: skip
    collect.remove(sessions, store, found)
    left = client.list_multipart_uploads(Bucket=s3_bucket)["Uploads"]
    assert [upload["Key"] for upload in left] == ["elsewhere/y"]
    assert keys(store) == set()
    collect.remove(sessions, store, found)  # what is gone already is fine
    client.close()


@pytest.fixture
def migrated(tmp_path: Path) -> Callable[..., Any]:
    models.corrupt(tmp_path / "in" / "broken.h5")
    fleet = Fleet(tmp_path / "home")
    fleet.json("migrate", str(tmp_path / "in"), str(tmp_path / "out"))
    publish.put_content(open_store(str(tmp_path / "out")), b"orphan")
    return lambda *words: fleet.run("gc", "--grace-hours", "0", *words)


def test_the_command_counts_asks_removes_and_records(migrated: Callable[..., Any], tmp_path: Path) -> None:
    assert json.loads(migrated("--dry-run", "--json").stdout)["objects"] == 1
    asked = migrated()
    assert (asked.returncode, asked.stderr) == (
        2,
        "fleet: remove 1 objects? Nobody is there to ask: say --yes\n",
    )
    other = migrated(str(tmp_path / "in"))
    assert other.returncode == 2
    assert "no job of this database publishes there" in other.stderr
    assert "0 uploads, 0 results, 1 contents" in migrated("--yes").stdout
    assert json.loads(migrated("--json").stdout)["objects"] == 0
    [act] = Fleet(tmp_path / "home").json("audit")
    assert (act["action"], act["data"]["contents"]) == ("gc", 1)
