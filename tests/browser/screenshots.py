"""Pictures of every page, wide and narrow, light and dark, in build/screenshots; those of the documents in docs/images.

`make screenshots`: over the fleet of the tests, whose names and numbers are made up, and a model
that a real worker converts.
"""

import contextlib
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page

from db import session as db_session
from db.roles import Role
from tests import servers
from tests.browser import chromium
from tests.browser.addresses import address, pages
from tests.browser.site import Site, background, seeded, serving
from tests.browser.tab import Theme, opened
from tests.fleet import models
from tests.fleet.command import wait_until

ROOT = Path(__file__).parents[2]
ALL = ROOT / "build" / "screenshots"
SHOWN = ROOT / "docs" / "images"
WIDTHS = (1400, 400)
THEMES: tuple[Theme, ...] = ("light", "dark")
SHOWN_PAGES: dict[str, tuple[str, str, Theme]] = {
    "overview": ("/", "", "light"),
    "failures": ("/failures", "", "light"),
    "job": ("/jobs/{number}", "custom/gate.h5", "dark"),
    "parity": ("/jobs/{number}/parity", "vision/classifier_003.h5", "dark"),
}
"""By name: the route, the job, the theme."""
REAL = ("", "/code", "/weights", "/files", "/log", "/parity")
"""Of a job that a worker did."""


def main() -> None:
    """Write them all."""
    ALL.mkdir(parents=True, exist_ok=True)
    SHOWN.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name, servers.postgres() as postgres, chromium.running() as browser:
        with _seeded(postgres, Path(name) / "seeded") as site:
            for path, key, query in pages():
                _take(browser, site, address(path, key, query, site.jobs), _name(path, key, query))
        with _seeded(postgres, Path(name) / "shown", good=60, hostile=()) as site:
            for shown, (path, key, theme) in SHOWN_PAGES.items():
                with opened(browser, site, theme=theme) as tab:
                    tab.page.set_viewport_size({"width": 1280, "height": 800})
                    _go(tab.page, address(path, key, "", site.jobs))
                    tab.page.screenshot(path=SHOWN / f"{shown}.png")
        with _working(postgres, Path(name) / "real") as site:
            for part in REAL:
                _take(browser, site, f"/jobs/1{part}", _name(f"/real{part}", "", ""))
        with _empty(postgres, Path(name) / "empty") as site:
            for path in ("/", "/jobs", "/failures", "/coverage", "/schedules", "/workers", "/nowhere"):
                _take(browser, site, path, _name(f"/empty{path}", "", ""))
    print(
        f"{len(list(ALL.glob('*.png')))} pictures in {ALL.relative_to(ROOT)}, {len(SHOWN_PAGES)} in docs/images"
    )


@contextlib.contextmanager
def _empty(postgres: servers.Postgres, folder: Path, **settings: str) -> Iterator[Site]:
    folder.mkdir()
    with postgres.database() as url:
        db_session.upgrade(url)
        with serving(url, folder, **settings) as site:
            yield site


@contextlib.contextmanager
def _seeded(postgres: servers.Postgres, folder: Path, **how: Any) -> Iterator[Site]:
    folder.mkdir()
    with postgres.database() as url:
        db_session.upgrade(url)
        with seeded(url, folder, **how) as site:
            yield site


@contextlib.contextmanager
def _working(postgres: servers.Postgres, folder: Path) -> Iterator[Site]:
    with servers.valkey() as valkey, _empty(postgres, folder, FLEET_BROKER_URL=valkey.url) as site:
        models.dense(folder / "models" / "good.h5", units=64, inputs=16)
        with background(
            site.fleet, folder / "migrate.log", "migrate", str(folder / "models"), str(folder / "out")
        ):
            wait_until(lambda: site.fleet.json("jobs", "state:succeeded")["jobs"], 120)
            yield site


def _take(browser: Browser, site: Site, at: str, name: str) -> None:
    role = None if at == "/login" else Role.OPERATOR
    for theme in THEMES:
        for width in WIDTHS:
            with opened(browser, site, role, width=width, theme=theme) as tab:
                _go(tab.page, at)
                tab.page.screenshot(path=ALL / f"{name}-{width}-{theme}.png", full_page=True)


def _go(page: Page, at: str) -> None:
    page.goto(at)
    # Fonts, charts and times are there; what is live has not moved yet.
    page.evaluate("document.fonts.ready")
    page.wait_for_timeout(250)


def _name(path: str, key: str, query: str) -> str:
    return (
        re.sub(r"[^a-z0-9]+", "-", f"{path} {key} {query}".lower().replace("{number}", "n")).strip("-")
        or "overview"
    )


if __name__ == "__main__":
    main()
