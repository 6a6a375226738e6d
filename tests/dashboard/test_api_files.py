"""What comes out of a destination: whole, in part, as archives; and names that mean harm come to none."""

import io
import json
import threading
import urllib.request
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update
from sqlalchemy.orm import Session, sessionmaker

from dashboard import sending
from dashboard.services import Services
from db.models import Attempt
from db.queries import attempts
from db.records import ArtifactInfo
from storage import ObjectStore, StoreSettings, open_store
from storage.store import ObjectInfo
from tests import servers
from tests.db import zoo

BUNDLE = {
    "model.py": b"class Model: ...\n",
    "manifest.json": json.dumps({"weights": [{"keras": "a", "torch": "b", "transform": None}]}).encode(),
    "model.safetensors": bytes(range(256)) * 40,
    "empty.txt": b"",
}
KEY = 'deep/..\\na\u202eme"; x.h5'


def publish(sessions: sessionmaker[Session], store: ObjectStore, key: str = KEY) -> int:
    """A job that has published `BUNDLE` into `store`, with a log of three lines."""
    zoo.new_batch(sessions, [key], dest=store.url)
    job = zoo.job_ids(sessions)[key]
    zoo.succeed(sessions, zoo.claim(sessions, job))
    files = []
    for name, content in BUNDLE.items():
        store.put_bytes(f"cas/{name}", content)
        files.append(ArtifactInfo(name=name, sha256=f"{name}{job}", size=len(content), key=f"cas/{name}"))
    store.put_bytes("logs/1", b"one\ntwo\nthree\n")
    with sessions.begin() as session:
        attempts.publish(session, job, 1, files, None)
        session.execute(update(Attempt).where(Attempt.job_id == job).values(log_key="logs/1"))
    return job


@pytest.fixture
def job(sessions: sessionmaker[Session], tmp_path: Path) -> int:
    return publish(sessions, open_store(str(tmp_path / "dest")))


def test_files_come_whole_and_in_part(client: TestClient, job: int) -> None:
    url = f"/api/v1/jobs/{job}/files/model.safetensors"
    whole = client.get(url)
    assert whole.content == BUNDLE["model.safetensors"]
    assert whole.headers["content-disposition"].startswith('attachment; filename="model.safetensors"')
    for asked, start, stop in (
        ("bytes=5-9", 5, 10),
        ("bytes=10000-", 10000, 10240),
        ("bytes=-7", 10233, 10240),
    ):
        part = client.get(url, headers={"Range": asked})
        assert (part.status_code, part.content) == (206, whole.content[start:stop])
        assert part.headers["content-range"] == f"bytes {start}-{stop - 1}/10240"
    beyond = client.get(url, headers={"Range": "bytes=10240-"})
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, "bytes */10240")
    assert client.get(url, headers={"Range": "lines=1"}).status_code == 200
    assert client.get(f"/api/v1/jobs/{job}/files/empty.txt").content == b""


@pytest.mark.parametrize("name", ["../secret", "no.py", "%00", "cas/model.py"])
def test_only_files_of_the_bundle_are_there(client: TestClient, job: int, name: str) -> None:
    assert client.get(f"/api/v1/jobs/{job}/files/{name}").status_code in {404, 422}


def test_module_manifest_weights_and_log_are_read(client: TestClient, job: int) -> None:
    url = f"/api/v1/jobs/{job}"
    module = client.get(f"{url}/model.py")
    assert (module.content, module.headers["content-type"]) == (
        BUNDLE["model.py"],
        "text/plain; charset=utf-8",
    )
    assert client.get(f"{url}/weights").json() == client.get(f"{url}/manifest").json()["weights"]
    assert client.get(f"{url}/attempts/1/log").text == "one\ntwo\nthree\n"
    assert client.get(f"{url}/attempts/1/log", params={"tail": 2}).text == "two\nthree\n"
    assert client.get(f"{url}/attempts/2/log").status_code == 404


def test_a_bundle_is_an_archive(client: TestClient, job: int) -> None:
    answer = client.get(f"/api/v1/jobs/{job}/bundle.zip")
    assert "\u202e" not in answer.headers["content-disposition"]
    assert answer.headers["content-disposition"].count('"') == 2
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == BUNDLE
    assert client.get("/api/v1/jobs/999/bundle.zip").status_code == 404


def test_a_batch_is_an_archive_of_folders(
    client: TestClient, sessions: sessionmaker[Session], job: int, tmp_path: Path
) -> None:
    (batch,) = client.get("/api/v1/batches").json()["batches"]
    answer = client.get(f"/api/v1/batches/{batch['id']}/bundles.zip")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        folders = {name.rpartition("/")[0] for name in archive.namelist()}
    assert folders == {"deep/.._na_me_; x"}
    empty = zoo.new_batch(sessions, ["other.h5"])
    assert client.get(f"/api/v1/batches/{empty}/bundles.zip").status_code == 404


def test_what_the_store_lost_is_said(client: TestClient, job: int, tmp_path: Path) -> None:
    (tmp_path / "dest" / "cas" / "model.safetensors").unlink()
    for path in ("files/model.safetensors", "bundle.zip"):
        assert client.get(f"/api/v1/jobs/{job}/{path}").status_code == 404


class Meeting:
    """A store that answers whether objects are there once so many ask at once."""

    def __init__(self, store: ObjectStore, parties: int) -> None:
        self._store = store
        self._barrier = threading.Barrier(parties, timeout=30)
        self.asked: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def stat(self, key: str) -> ObjectInfo:
        self.asked.append(key)
        self._barrier.wait()
        return self._store.stat(key)


def test_files_are_looked_for_at_once_and_each_once(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    keys = [f"cas/{number}" for number in range(4)]
    for key in keys:
        store.put_bytes(key, b"12345")
    meeting = Meeting(store, len(keys))
    files = [sending.Member(f"{folder}/{key}", meeting, key, 5) for folder in "ab" for key in keys]
    sending.look_for(files)
    assert sorted(meeting.asked) == keys


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_bucket_gives_its_own_address(
    services: Services,
    client: TestClient,
    sessions: sessionmaker[Session],
    s3_server: servers.S3,
    s3_bucket: str,
) -> None:
    settings = StoreSettings(s3_endpoint_url=s3_server.endpoint)
    store = open_store(f"s3://{s3_bucket}/out", settings)
    vars(services).update(open_store=lambda _url: store, config=replace(services.config, link_seconds=60))
    job = publish(sessions, store)
    url = f"/api/v1/jobs/{job}/files/model.safetensors"
    answer = client.get(url, follow_redirects=False)
    assert answer.status_code == 307
    with urllib.request.urlopen(answer.headers["location"]) as given:
        assert given.read() == BUNDLE["model.safetensors"]
        assert given.headers["content-disposition"].startswith('attachment; filename="model.safetensors"')
    streamed = client.get(url, params={"stream": True}, follow_redirects=False)
    assert streamed.content == BUNDLE["model.safetensors"]
    with zipfile.ZipFile(io.BytesIO(client.get(f"/api/v1/jobs/{job}/bundle.zip").content)) as archive:
        assert archive.read("model.py") == BUNDLE["model.py"]


@pytest.mark.parametrize("name", ['a"b.h5', "a\r\nSet-Cookie: x", "ключ.h5", "../x", ""])
def test_a_disposition_is_one_line_of_ascii(name: str) -> None:
    header = sending.disposition(name)
    assert header.isascii()
    assert header.isprintable()
    assert header.count('"') == 2
