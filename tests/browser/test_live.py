"""Pages while a fleet works: a scheduler and a worker in processes of their own, and real models."""

import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from db import session as db_session
from tests import servers
from tests.browser.conftest import Open
from tests.browser.site import Site, background, serving
from tests.fleet import models

SECONDS = 90_000
"""For a conversion and its proof, whose first loads TensorFlow (ms)."""
QUICK = {
    "FLEET_HEARTBEAT_SECONDS": "1",
    "FLEET_DISPATCH_SECONDS": "0.2",
    "FLEET_REAP_SECONDS": "1",
}


@pytest.fixture(scope="module")
def site(
    postgres_server: servers.Postgres, valkey_server: servers.Valkey, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """A fleet that has nothing to do yet, and a schedule for three models: one converts, one does not, one is none."""
    folder = tmp_path_factory.mktemp("live")
    valkey_server.flush()
    source = folder / "models"
    models.dense(source / "good.h5")
    models.unsupported(source / "odd.h5")
    models.corrupt(source / "broken.h5")
    with postgres_server.database() as url:
        db_session.upgrade(url)
        with serving(
            url,
            folder,
            FLEET_BROKER_URL=valkey_server.url,
            FLEET_DASHBOARD_DEST=str(folder / "bundles"),
            **QUICK,
        ) as site:
            words = ("nightly", str(source), str(folder / "bundles"), "--cron", "0 3 * * *")
            site.fleet.json("schedules", "add", *words)
            with background(site.fleet, folder / "up.log", "up", "--workers", "1", "--no-dashboard"):
                yield site


def stay(page: Page) -> None:
    """Leave a mark that a page loaded anew would not have."""
    page.evaluate("window.stayed = true")


def stayed(page: Page) -> bool:
    return bool(page.evaluate("window.stayed === true"))


def test_from_run_now_to_a_published_module_pages_tell_by_themselves_what_happens(open_tab: Open) -> None:
    watching = open_tab().page
    watching.goto("/jobs")
    expect(watching.get_by_text("No jobs yet")).to_be_visible()
    expect(watching.locator("#live")).to_have_text("Live")
    stay(watching)

    acting = open_tab().page
    acting.goto("/schedules")
    acting.get_by_role("link", name="nightly").click()
    acting.get_by_role("button", name="Run now").click()
    expect(acting.get_by_role("status").first).to_contain_text("Started as batch 1")

    rows = watching.locator("tbody[data-rows] > tr")
    expect(rows).to_have_count(3, timeout=SECONDS)
    for key, state in {"good.h5": "succeeded", "odd.h5": "failed", "broken.h5": "failed"}.items():
        expect(rows.filter(has_text=key).locator(".state")).to_have_text(state, timeout=SECONDS)
    assert stayed(watching)

    watching.get_by_role("row").filter(has_text="good.h5").get_by_role("link").click()
    expect(watching.locator("#standing .callout")).to_contain_text("Converted and proven")
    watching.get_by_role("link", name="model.py").click()
    expect(watching.get_by_role("region", name="model.py")).to_contain_text("class Sequential1(nn.Module)")
    watching.get_by_role("link", name="Weights").click()
    expect(watching.locator("main")).to_contain_text("hidden.weight")
    watching.get_by_role("link", name="Parity").click()
    expect(watching.locator("main")).to_contain_text("within their limits")
    expect(watching.locator(".uplot canvas").first).to_be_visible()
    watching.get_by_role("link", name="Files").click()
    with watching.expect_download() as started:
        watching.get_by_role("link", name="model.py", exact=True).last.click()
    assert b"class Sequential1" in started.value.path().read_bytes()


def test_files_that_are_dropped_become_jobs_whose_bundles_come_back_as_a_zip(
    open_tab: Open, tmp_path: Path
) -> None:
    page = open_tab().page
    page.goto("/new")
    files = [models.dense(tmp_path / f"mine_{number}.h5", seed=number) for number in (7, 8)]
    page.get_by_label("Drop .h5 files here").set_input_files(files)
    page.get_by_role("button", name="Convert them").click()
    expect(page.locator("h1")).to_contain_text("Batch")
    stay(page)
    expect(page.locator("#standing")).to_contain_text("2 of 2 jobs have ended", timeout=SECONDS)
    assert stayed(page)
    with page.expect_download() as started:
        page.get_by_role("link", name="zip").click()
    with zipfile.ZipFile(started.value.path()) as bundles:
        assert bundles.testzip() is None
        assert len([name for name in bundles.namelist() if name.endswith("/model.py")]) == 2


def test_a_retry_runs_the_job_again_and_its_page_follows(open_tab: Open) -> None:
    page = open_tab().page
    page.goto("/jobs?q=key:odd")
    page.locator("tbody[data-rows] a").first.click()
    expect(page.locator("#standing .callout")).to_contain_text("Wizardry")
    attempts = page.locator("#standing table.cards tbody tr")
    before = attempts.count()
    page.get_by_role("button", name="Retry", exact=True).click()
    stay(page)
    expect(attempts).to_have_count(before + 1, timeout=SECONDS)
    expect(page.locator("#head .state")).to_have_text("failed", timeout=SECONDS)
    assert stayed(page)


def test_without_a_worker_a_retry_waits_and_can_be_cancelled(open_tab: Open, site: Site) -> None:
    """The last here: nobody works afterwards."""
    page = open_tab().page
    page.goto("/workers")
    page.get_by_role("button", name="Drain").click()
    stay(page)
    expect(page.get_by_text("No worker is there")).to_be_visible(timeout=SECONDS)
    assert stayed(page)
    page.goto("/jobs?q=key:broken")
    page.locator("tbody[data-rows] a").first.click()
    page.get_by_role("button", name="Retry", exact=True).click()
    expect(page.locator("#head .state")).to_have_text("queued")
    page.get_by_role("button", name="Cancel", exact=True).click()
    expect(page.locator("#head .state")).to_have_text("cancelled")
    assert [job["state"] for job in site.fleet.json("jobs", "key:broken")["jobs"]] == ["cancelled"]
