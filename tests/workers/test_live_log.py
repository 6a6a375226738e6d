"""What a child says can be read while it runs: bounded, harmless, and by the attempt that holds the job alone."""

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.orm import Session, sessionmaker

from db.queries import live_log, published
from db.records import LogTail
from db.states import AttemptOutcome
from keras2torch.sandbox import Outcome
from tests.db import zoo
from tests.fleet import models
from tests.workers.conftest import Make
from tests.workers.test_lease import lease_of, wait_until
from workers import isolation, lease
from workers.isolation import Sandboxes
from workers.live_log import KEPT, LiveLog

HOSTILE = "a \x1b[2J<b>\u202ename"
SHOWN = "a \\x1b[2J<b>\\u202ename"


def looked(log: LiveLog, *chunks: bytes) -> LogTail:
    for chunk in chunks:
        log.hear(chunk)
    found = log.look()
    assert found is not None
    return found


def test_each_look_goes_on_where_the_last_ended() -> None:
    log = LiveLog()
    assert log.look() is None
    log.begin("convert", "step")
    assert log.look() is None  # it may have nothing to say
    half, rest = "ö".encode()[:1], "ö".encode()[1:]
    first = looked(log, b"one\nz", half)
    assert first.text == "--- convert: step\none\nz"
    second = looked(log, rest + b"rich")
    assert (second.text, second.since(first.said)) == (f"{first.text}örich", "örich")
    log.begin("verify", "other")
    third = looked(log, HOSTILE.encode())
    assert third.text == f"{second.text}\n--- verify: other\n{SHOWN}"
    assert (third.said, third.since(third.said)) == (len(third.text), "")
    assert log.look() is None


def test_a_flood_is_bounded_and_says_what_it_left_out() -> None:
    log = LiveLog()
    log.begin("verify", "step")
    before = looked(log, b"first\n")
    for _ in range(100):
        log.hear(b"x" * 99 + b"\n" + b"y" * 65_000)
    after = looked(log, b"\nthe end\n")
    assert len(after.text) <= KEPT
    assert after.text.endswith("the end\n")
    assert "bytes were not shown" in after.since(before.said)
    assert after.since(after.said) == ""
    endless = looked(log, *[b"z" * 65_000] * 10)
    assert len(endless.text) <= KEPT


def told(sessions: sessionmaker[Session], job_id: int, fence: int = 1) -> LogTail | None:
    with sessions() as session:
        return live_log.tails(session, [(job_id, fence)]).get((job_id, fence))


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "LOG_SECONDS", 0.05)


@pytest.fixture
def writes(monkeypatch: pytest.MonkeyPatch) -> list[LogTail]:
    """Every tail that is written."""
    found: list[LogTail] = []
    write = live_log.tell

    def noted(session: Session, job_id: int, fence: int, tail: LogTail) -> bool:
        found.append(tail)
        return write(session, job_id, fence, tail)

    monkeypatch.setattr(live_log, "tell", noted)
    return found


def test_it_is_written_between_beats_and_only_when_there_is_more(
    sessions: sessionmaker[Session], sandboxes: Sandboxes, tmp_path: Path, often: None, writes: list[LogTail]
) -> None:
    job_id = zoo.new_job(sessions)
    go = tmp_path / "go"
    with lease_of(sessions, job_id, seconds=400, beat=100) as held:
        held.log.begin("verify", "talk")
        talking = threading.Thread(
            target=sandboxes.run,
            args=(isolation.ENGINE, "tests.workers.hungry:talk"),
            kwargs={
                "payload": {"lines": ["first", HOSTILE, "last"], "go": str(go)},
                "stage": "verify", "workdir": tmp_path, "seconds": 60, "stop": threading.Event(),
                "on_log": held.log.hear,
            },
        )  # fmt: skip
        talking.start()
        wait_until(lambda: told(sessions, job_id) is not None, 60)
        first = told(sessions, job_id)
        assert first is not None
        assert first.text == "--- verify: talk\nfirst\n"
        go.touch()
        talking.join(60)
        wait_until(lambda: (tail := told(sessions, job_id)) is not None and tail.text.endswith("last\n"))
        newest = told(sessions, job_id)
        assert newest == LogTail(f"{first.text}{SHOWN}\nlast\n", newest.said if newest else 0)
        count = len(writes)
        held.stop.wait(0.3)
        assert len(writes) == count


class Talking:
    """Sandboxes whose first child talks before it does its work."""

    def __init__(self, sandboxes: Sandboxes, go: Path) -> None:
        self._sandboxes = sandboxes
        self._go = go

    def run(self, server: str, target: str, payload: Any, **options: Any) -> Outcome:
        said = ""
        if target.endswith(":convert"):
            lines = {"lines": ["first", HOSTILE], "go": str(self._go)}
            given = {**options, "readable": (*options["readable"], self._go.parent)}
            said = self._sandboxes.run(server, "tests.workers.hungry:talk", lines, **given).log_tail
        outcome = self._sandboxes.run(server, target, payload, **options)
        return replace(outcome, log_tail=said + outcome.log_tail)


def talking(workshop: Make, go: Path) -> tuple[int, Callable[[], AttemptOutcome | None]]:
    """A job whose child talks until the file `go` is there, and what does it."""
    shop = workshop()
    shop.shop = replace(shop.shop, sandboxes=Talking(shop.shop.sandboxes, go))  # type: ignore[arg-type]
    models.unsupported(shop.source / "a.h5")
    job_id = shop.plan()["a.h5"]
    return job_id, lambda: shop.do(job_id)


def test_the_end_of_an_attempt_puts_the_stored_log_in_its_place(
    workshop: Make, sessions: sessionmaker[Session], tmp_path: Path, often: None
) -> None:
    (tmp_path / "wait").mkdir()
    go = tmp_path / "wait" / "go"
    job_id, do = talking(workshop, go)
    working = threading.Thread(target=do)
    working.start()
    wait_until(lambda: told(sessions, job_id) is not None, 60)
    during = told(sessions, job_id)
    go.touch()
    working.join(60)
    assert during is not None
    assert during.text == "--- convert: convert\nfirst\n"
    with sessions() as session:
        after = published.log_of(session, job_id, 1)
    assert after is not None
    assert (after.tail, after.ended, after.key) == (None, True, f"logs/{job_id}/1.log")
    assert (tmp_path / "out" / str(after.key)).read_text() == f"{during.text}{SHOWN}\n"
