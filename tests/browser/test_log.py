"""The page of a log while its attempt runs: it grows by itself, and its reader stays where they are."""

from pathlib import Path

from playwright.sync_api import Locator, expect

from db.queries import live_log, queue
from db.queries.queue import Claim
from db.records import LogTail, Usage
from db.states import AttemptOutcome, JobState
from storage import open_store
from tests.browser import axe
from tests.browser.conftest import Open
from tests.browser.site import Site
from tests.dashboard import seed
from tests.db import zoo

LINES = [f"line {number} \N{ROCKET}\n" for number in range(400)]
HOSTILE = f"{seed.MARKUP} </pre>\n"


def running(site: Site, folder: Path) -> Claim:
    zoo.new_batch(site.sessions, ["talks.h5"], dest=open_store(str(folder / "dest")).url)
    return zoo.claim(site.sessions, zoo.job_ids(site.sessions)["talks.h5"])


def tell(site: Site, claim: Claim, text: str) -> None:
    with site.sessions.begin() as session:
        assert live_log.tell(session, claim.job_id, claim.fence, LogTail(text[-2000:], len(text)))


def end(site: Site, claim: Claim, text: str) -> None:
    """Store the whole log with the end of the attempt, as a worker does."""
    key = f"logs/{claim.job_id}/{claim.fence}.log"
    open_store(claim.dest_url).put_bytes(key, text.encode())
    with site.sessions.begin() as session:
        queue.finish(
            session, claim.job_id, claim.fence, AttemptOutcome.FAILED, state=JobState.FAILED,
            usage=Usage(log_key=key),
        )  # fmt: skip


def below(log: Locator) -> int:
    """How far the end is from what can be seen (px)."""
    return int(log.evaluate("log => Math.round(log.scrollHeight - log.scrollTop - log.clientHeight)"))


def first_seen(log: Locator) -> str:
    """The line at the upper edge of the log."""
    return str(
        log.evaluate(
            """log => {
              const box = log.getBoundingClientRect();
              const at = document.caretRangeFromPoint(box.left + 30, box.top + 30);
              return at.startContainer.data.slice(0, at.startOffset + 20).split("\\n").at(-2);
            }"""
        )
    )


def test_a_running_log_grows_and_becomes_the_stored_one(open_tab: Open, site: Site, tmp_path: Path) -> None:
    claim = running(site, tmp_path)
    asked: list[str] = []
    page = open_tab().page
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"/jobs/{claim.job_id}/log")
    expect(page.get_by_text("Nothing yet")).to_be_visible()
    page.evaluate("window.stayed = true")

    said = "--- verify: run_reference\n"
    tell(site, claim, said)
    log = page.get_by_role("log", name="What attempt 1 says")
    expect(log).to_have_text(said)
    expect(page.get_by_text("Nothing yet")).to_be_hidden()
    for piece in ("".join(LINES[:40]) + HOSTILE, "".join(LINES[40:80])):
        said += piece
        tell(site, claim, said)
        expect(log).to_have_text(said)
        assert below(log) == 0
    assert axe.violations(page) == []

    log.evaluate("log => (log.scrollTop = 300)")
    read = first_seen(log)
    said += "".join(LINES[80:300])  # more than the server keeps of it
    tell(site, claim, said)
    expect(log).to_contain_text(LINES[299].strip())
    expect(log).to_contain_text("…")
    assert first_seen(log) == read

    end(site, claim, "".join(LINES[:9]) + said)
    stored = page.get_by_role("region", name="What attempt 1 said")
    expect(stored).to_have_text("".join(LINES[:9]) + said)
    expect(page.locator("#head .state")).to_have_text("failed")
    assert first_seen(stored) == read
    assert page.evaluate("window.stayed === true")
    assert axe.violations(page) == []
    # One stream a tab: another is asked for only when there is no log to follow any more.
    assert [("job=" in stream) for stream in asked if "/live?" in stream] == [True, False]


def test_without_scripts_a_reload_shows_the_newest(open_tab: Open, site: Site, tmp_path: Path) -> None:
    claim = running(site, tmp_path)
    page = open_tab(scripts=False).page
    page.goto(f"/jobs/{claim.job_id}/log")
    tell(site, claim, HOSTILE)
    expect(page.get_by_text("Reload the page")).to_be_visible()
    page.reload()
    expect(page.get_by_role("log")).to_have_text(HOSTILE)
