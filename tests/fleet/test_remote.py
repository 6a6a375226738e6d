"""`fleet --server`: the same commands, asked of a dashboard that serves the same database, answer the same."""

import contextlib
import io
import json
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from sqlalchemy.orm import Session, sessionmaker

from dashboard.app import create_app
from dashboard.config import Config
from dashboard.services import Services
from db.queries import live_log, queue
from db.records import LogTail, Usage
from db.roles import Role
from db.session import make_engine, session_factory
from db.states import AttemptOutcome, JobState
from fleet.cli import app
from fleet.errors import FleetError
from fleet.web import _recipe
from storage import open_store
from tests.dashboard import fleet as small
from tests.dashboard.people import token_of
from tests.db import zoo


@dataclass
class Answer:
    """How a command ended."""

    code: int
    stdout: str
    said: str


class Reached:
    """A dashboard that listens, and the command with and without it."""

    def __init__(self, url: str, database_url: str, token: str) -> None:
        self.url, self.database_url, self.token = url, database_url, token

    def run(self, *words: str, server: bool, token: str | None = None) -> Answer:
        # A database that is none shows that nobody looks for one.
        where = (
            {"FLEET_SERVER": self.url, "FLEET_TOKEN": token or self.token, "FLEET_DATABASE_URL": "none://"}
            if server
            else {"FLEET_DATABASE_URL": self.database_url}
        )
        out = io.StringIO()
        with pytest.MonkeyPatch.context() as environment, contextlib.redirect_stdout(out):
            for name, value in {**where, "COLUMNS": "200"}.items():
                environment.setenv(name, value)
            try:
                app(list(words), standalone_mode=False)
            except FleetError as error:
                return Answer(error.exit_code, out.getvalue(), str(error))
        return Answer(0, out.getvalue(), "")

    def json(self, *words: str, server: bool) -> Any:
        done = self.run(*words, "--json", server=server)
        assert done.code == 0, done.said
        return json.loads(done.stdout)


@pytest.fixture
def jobs(sessions: sessionmaker[Session]) -> dict[str, int]:
    return small.fill(sessions)


@pytest.fixture
def reached(jobs: dict[str, int], sessions: sessionmaker[Session], database_url: str) -> Iterator[Reached]:
    engine = make_engine(database_url)
    reads = session_factory(engine, read_only=True)
    config = Config(patience=0)
    services = Services(
        reads=reads, writes=sessions, open_store=open_store, version="0", config=config, recipe=_recipe
    )
    token = token_of(services, "op", Role.OPERATOR)["Authorization"].removeprefix("Bearer ")
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
        server = uvicorn.Server(uvicorn.Config(create_app(services), log_config=None))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield Reached(f"http://127.0.0.1:{port}", database_url, token)
        server.should_exit = True
        thread.join()
    engine.dispose()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_server_answers_as_the_database_does(reached: Reached, jobs: dict[str, int]) -> None:
    for words in (
        ("status",),
        ("jobs",),
        ("jobs", "state:failed", "--key", "foo", "--limit", "1"),
        ("job", str(jobs["done.h5"])),
        ("workers",),
    ):
        assert reached.json(*words, server=True) == reached.json(*words, server=False), words
    assert reached.run("jobs", server=True).stdout == reached.run("jobs", server=False).stdout


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_acts_are_done_by_the_server_in_the_name_of_the_token(
    reached: Reached, sessions: sessionmaker[Session], jobs: dict[str, int], tmp_path: Path
) -> None:
    assert reached.json("retry", "layer:Foo", "--dry-run", server=True)["jobs"] == 2
    done = reached.json("retry", "layer:Foo", "--yes", server=True)
    assert done == {
        "action": "retry", "filter": "layer:Foo", "dry_run": False, "jobs": 2, "changed": 2, "requested": 0,
    }  # fmt: skip
    assert zoo.state_of(sessions, jobs["foo1.h5"]) is JobState.QUEUED
    assert reached.json("hold", "1", server=True)["jobs"] == 3
    assert reached.json("release", "1", server=True)["action"] == "release"
    assert reached.json("drain", "w1", server=True) == {"worker": "w1", "asked": True}
    source = open_store(str(tmp_path / "in"))
    source.put_bytes("a.h5", b"x")
    zoo.new_batch(sessions, [], source=source.url, dest=source.url)
    (made,) = reached.json(
        "schedules", "add", "nightly", source.url, source.url, "--cron", "0 3 * * *", server=True
    )
    assert (made["selection"], made["enabled"]) == ({"only_needed": True}, True)
    assert reached.json("schedules", "pause", "nightly", server=True)[0]["enabled"] is False
    assert reached.json("schedules", "edit", "nightly", "--include", "b*", server=True)[0]["selection"] == {
        "include": ["b*"], "only_needed": True,
    }  # fmt: skip
    assert reached.json("schedules", "list", server=True) == reached.json("schedules", "list", server=False)
    assert reached.json("schedules", "run", "nightly", server=True)["name"] == "nightly"
    assert reached.json("schedules", "remove", "nightly", server=True) == {"name": "nightly", "removed": True}
    acts = reached.json("audit", server=True)
    assert acts == reached.json("audit", server=False)
    assert {act["via"] for act in acts} == {"api"}
    assert [act["action"] for act in acts[-4:]] == ["drain", "release", "hold", "retry"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_refusals_are_one_line_and_a_code(reached: Reached) -> None:
    for words, token, code, said in (
        (("job", "999"), None, 1, "no job 999"),
        (("status",), "wrong", 1, "FLEET_TOKEN"),
        (("hold", "999"), None, 1, "no batch 999"),
        (("schedules", "add", "a", "/x", "/y", "--cron", "0 3 * * *"), None, 1, "may not be named"),
        (("--server", "ftp://x", "status"), None, 2, "begins with https://"),
        (("--server", "http://127.0.0.1:1", "status"), None, 1, "refused"),
        (("--server", "http://127.0.0.1:1", "migrate", "a", "b"), None, 2, "not by --server"),
    ):
        done = reached.run(*words, server=True, token=token)
        assert (done.code, done.stdout, said in done.said) == (code, "", True), done
        assert len(done.said.splitlines()) == 1


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_log_is_read_while_it_grows_and_afterwards(
    reached: Reached, sessions: sessionmaker[Session], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fleet.logs._LOOK_SECONDS", 0.01)
    dest = open_store(str(tmp_path / "out"))
    zoo.new_batch(sessions, ["talks.h5"], dest=dest.url)
    claim = zoo.claim(sessions, zoo.job_ids(sessions)["talks.h5"])
    words, whole = ("job", str(claim.job_id), "--log"), "one\n<two> \N{ROCKET}\nthree\n"

    def tell(said: int) -> None:
        with sessions.begin() as session:
            assert live_log.tell(session, claim.job_id, 1, LogTail(whole[:said], said))

    tell(9)
    assert [reached.json(*words, server=server) for server in (True, False)] == 2 * [
        {"job": claim.job_id, "attempt": 1, "log": "live", "said": 9, "text": whole[:9]}
    ]
    assert reached.run(*words, server=True).stdout == whole[:9] + "\n"

    def end() -> None:
        tell(12)
        dest.put_bytes("logs/a.log", whole.encode())
        with sessions.begin() as session:
            queue.finish(
                session, claim.job_id, 1, AttemptOutcome.CANCELLED, state=JobState.CANCELLED,
                usage=Usage(log_key="logs/a.log"),
            )  # fmt: skip

    ending = threading.Timer(0.2, end)
    ending.start()
    assert reached.run(*words, "--follow", server=True).stdout == whole
    ending.join()
    for server in (True, False):
        assert reached.run(*words, "--attempt", "1", "--follow", server=server).stdout == whole
        assert reached.json(*words, server=server)["log"] == "stored"
        assert reached.run(*words, "--attempt", "2", server=server).code == 1
        assert reached.run(*words, "--follow", "--json", server=server).code == 2
    assert reached.run("job", str(claim.job_id), "--follow", server=True).code == 2
