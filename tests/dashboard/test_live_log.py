"""The log of a running attempt: by the API, on its page, and line by line to the tabs that show it."""

import asyncio
import html
import json
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session, sessionmaker

from dashboard.pages import feed
from dashboard.pages.feed import Feed
from dashboard.pages.watched import Watched
from db.queries import live_log, queue, reap
from db.queries.queue import Claim
from db.records import LogTail, Usage
from db.states import AttemptOutcome, JobState
from storage import open_store
from tests.dashboard import seed
from tests.dashboard.browsing import PAGE, Seen
from tests.db import zoo

SAID = f"--- convert: convert\n{seed.MARKUP} & \\x1b[2J\nunfinished"


@pytest.fixture
def claim(sessions: sessionmaker[Session], tmp_path: Path) -> Claim:
    """Of a job that runs."""
    zoo.new_batch(sessions, ["a.h5"], dest=open_store(str(tmp_path / "dest")).url)
    return zoo.claim(sessions, zoo.job_ids(sessions)["a.h5"])


def tell(sessions: sessionmaker[Session], claim: Claim, text: str, said: int) -> None:
    with sessions.begin() as session:
        assert live_log.tell(session, claim.job_id, claim.fence, LogTail(text, said))


def store_log(sessions: sessionmaker[Session], claim: Claim, content: bytes) -> None:
    key = f"logs/{claim.job_id}/1.log"
    open_store(claim.dest_url).put_bytes(key, content)
    with sessions.begin() as session:
        queue.finish(
            session, claim.job_id, claim.fence, AttemptOutcome.CANCELLED, state=JobState.CANCELLED,
            usage=Usage(log_key=key),
        )  # fmt: skip


def test_the_api_says_how_far_it_has_come_and_what_it_is(
    client: TestClient, sessions: sessionmaker[Session], claim: Claim
) -> None:
    url = f"/api/v1/jobs/{claim.job_id}"
    answer = client.get(f"{url}/attempts/1/log")
    assert (answer.status_code, answer.text, answer.headers["fleet-log"]) == (200, "", "live")
    tell(sessions, claim, SAID, 70_000)
    answer = client.get(f"{url}/attempts/1/log", headers={"Range": "bytes=0-3"})
    assert (answer.status_code, answer.text) == (200, SAID)
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert (answer.headers["fleet-log"], answer.headers["fleet-log-said"]) == ("live", "70000")
    assert client.get(f"{url}/attempts/1/log", params={"tail": 1}).text == "unfinished"
    (attempt,) = client.get(url).json()["attempts"]
    assert (attempt["log_key"], attempt["log_said"]) == (None, 70_000)
    store_log(sessions, claim, b"all of it\nfrom the store\n")
    answer = client.get(f"{url}/attempts/1/log")
    assert (answer.text, answer.headers["fleet-log"]) == ("all of it\nfrom the store\n", "stored")
    assert "fleet-log-said" not in answer.headers
    last = client.get(f"{url}/attempts/1/log", params={"tail": 1})
    assert (last.text, last.headers["fleet-log"]) == ("from the store\n", "stored")
    assert client.get(url).json()["attempts"][0]["log_said"] is None


def test_the_page_shows_it_until_the_whole_is_stored(
    client: TestClient, sessions: sessionmaker[Session], claim: Claim
) -> None:
    address = f"/jobs/{claim.job_id}/log"
    text = client.get(address, headers=PAGE).text
    assert f'data-log="job={claim.job_id}&amp;attempt=1" data-said="0"></pre>' in text
    tell(sessions, claim, SAID, 70_000)
    text = client.get(address, headers=PAGE).text
    assert not Seen(text).inline
    assert 'role="log"' in text
    assert f'data-said="70000">{html.escape(SAID)}</pre>' in text
    assert "What attempt 1 says, its end" in text
    store_log(sessions, claim, b"all of it\n")
    text = client.get(address, headers=PAGE).text
    assert "data-log" not in text
    assert "What attempt 1 said</h2>" in text
    assert ">all of it\n</pre>" in text


def test_the_last_words_of_a_lost_attempt_are_told_from_those_of_the_next(
    client: TestClient, sessions: sessionmaker[Session], claim: Claim
) -> None:
    tell(sessions, claim, SAID, len(SAID))
    zoo.expire_lease(sessions, claim.job_id)
    with sessions.begin() as session:
        reap.reap(session)
    answer = client.get(f"/api/v1/jobs/{claim.job_id}/attempts/1/log")
    assert (answer.text, answer.headers["fleet-log"]) == (SAID, "partial")
    address = f"/jobs/{claim.job_id}/log"
    assert "had said when it was last heard of" in client.get(address, headers=PAGE).text
    zoo.make_due(sessions, claim.job_id)
    zoo.claim(sessions, claim.job_id)
    assert "What attempt 2 says" in client.get(address, headers=PAGE).text
    assert html.escape(SAID) in client.get(address, params={"attempt": 1}, headers=PAGE).text


def test_a_tab_hears_what_it_has_not_seen_and_others_nothing(
    sessions: sessionmaker[Session], claim: Claim, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "SECONDS", 0.02)

    async def listen() -> tuple[list[dict[str, Any]], bytes]:
        told = Feed(sessions)
        new, late, behind = (
            told.follow(None, Watched(claim.job_id, claim.fence, said)) for said in (0, 3, 100)
        )
        other = told.follow(None)
        for tab in (new, late, behind, other):
            await anext(tab)
        heard = []
        await asyncio.to_thread(tell, sessions, claim, "one\n<two>\n\N{ROCKET}", 11)
        heard += [_read(await asyncio.wait_for(anext(tab), 10)) for tab in (new, late)]
        await asyncio.to_thread(tell, sessions, claim, "three", 300)
        heard += [_read(await asyncio.wait_for(anext(tab), 10)) for tab in (late, behind)]
        # What the others are told next is that the job has ended.
        await asyncio.to_thread(store_log, sessions, claim, b"x")
        last = await asyncio.wait_for(anext(other), 10)
        for tab in (new, late, behind, other):
            await tab.aclose()
        return heard, last

    heard, last = asyncio.run(listen())
    assert [(each["start"], each["said"], each["text"]) for each in heard] == [
        (0, 11, "one\n<two>\n\N{ROCKET}"),
        (3, 11, "\n<two>\n\N{ROCKET}"),
        (295, 300, "three"),
        (295, 300, "three"),
    ]
    assert {(each["job"], each["attempt"]) for each in heard} == {(claim.job_id, 1)}
    assert b"event: change" in last


def _read(message: bytes) -> dict[str, Any]:
    """The data of one event, which is of a log and has no number: only what is in the table of events has."""
    kind, data = message.decode().strip().split("\n")
    assert kind == "event: log"
    found: dict[str, Any] = json.loads(data.removeprefix("data: "))
    return found
