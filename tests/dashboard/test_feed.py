"""What tabs hear: each event once, wherever they begin, from one reader."""

import asyncio
import json
from typing import Any

import pytest
from sqlalchemy.orm import Session, sessionmaker

from dashboard.pages import feed
from dashboard.pages.feed import Feed, TooManyTabs
from tests.db import zoo


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "SECONDS", 0.02)


def read(message: bytes) -> dict[str, Any]:
    """The data of one event, with its number."""
    lines = dict(line.split(": ", 1) for line in message.decode().strip().split("\n"))
    return {"id": int(lines["id"]), **json.loads(lines["data"])}


def test_every_tab_hears_which_jobs_changed(sessions: sessionmaker[Session]) -> None:
    job_id = zoo.new_job(sessions)

    async def listen() -> list[dict[str, Any]]:
        told = Feed(sessions)
        tabs = [told.follow(None) for _ in range(3)]
        for tab in tabs:
            assert b"connected" in await anext(tab)
        await asyncio.to_thread(zoo.claim, sessions, job_id)
        heard = [read(await asyncio.wait_for(anext(tab), 10)) for tab in tabs]
        for tab in tabs:
            await tab.aclose()
        return heard

    heard = asyncio.run(listen())
    assert heard == [heard[0]] * 3
    assert heard[0]["jobs"] == [job_id]
    assert not heard[0]["many"]


def test_who_comes_back_is_told_that_something_was_missed(sessions: sessionmaker[Session]) -> None:
    job_id = zoo.new_job(sessions)

    async def listen() -> tuple[bytes, bytes]:
        told = Feed(sessions)
        first = told.follow(None)
        connected = await anext(first)
        seen = int(connected.split(b"\n")[0].removeprefix(b"id: "))
        await first.aclose()
        await asyncio.to_thread(zoo.claim, sessions, job_id)
        again = told.follow(seen)
        missed = await anext(again)
        await again.aclose()
        upto_date = told.follow(read(missed)["id"])
        nothing = await anext(upto_date)
        await upto_date.aclose()
        return missed, nothing

    missed, nothing = asyncio.run(listen())
    assert read(missed)["many"]
    assert b"connected" in nothing


def test_what_happens_in_masses_is_one_message(
    sessions: sessionmaker[Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "_AT_ONCE", 3)

    async def listen() -> dict[str, Any]:
        told = Feed(sessions)
        tab = told.follow(None)
        await anext(tab)

        def many() -> None:
            zoo.new_batch(sessions, [f"{number}.h5" for number in range(6)])
            with sessions.begin() as session:
                from db.queries import control

                control.cancel(session, list(zoo.job_ids(sessions).values()))

        await asyncio.to_thread(many)
        while True:
            heard = read(await asyncio.wait_for(anext(tab), 10))
            if heard["many"]:
                await tab.aclose()
                return heard

    assert asyncio.run(listen())["jobs"] == []


def test_there_is_an_end_to_how_many_may_listen(
    sessions: sessionmaker[Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "MOST_TABS", 1)

    async def listen() -> None:
        told = Feed(sessions)
        first = told.follow(None)
        await anext(first)
        with pytest.raises(TooManyTabs):
            await anext(told.follow(None))
        await first.aclose()

    asyncio.run(listen())
