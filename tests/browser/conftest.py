"""A browser, and a dashboard over a fleet in the middle of its work. No test ends with a trouble it did not expect."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from db import session as db_session
from tests import servers
from tests.browser import chromium
from tests.browser.site import Site, seeded
from tests.browser.tab import Tab, opened

Open = Callable[..., Tab]

# What it asserts says what it found, as in a test.
pytest.register_assert_rewrite("tests.browser.readable")
# A busy machine must not fail a test (ms).
expect.set_options(timeout=15_000)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with chromium.running() as browser:
        yield browser


@pytest.fixture(scope="module")
def site(postgres_server: servers.Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Jobs in every state, and nobody who works."""
    with postgres_server.database() as url:
        db_session.upgrade(url)
        with seeded(url, tmp_path_factory.mktemp("site")) as site:
            yield site


@pytest.fixture
def open_tab(browser: Browser, site: Site) -> Iterator[Open]:
    """Opens a tab as `tests.browser.tab.opened` does; what went wrong in it fails the test."""
    tabs: list[Tab] = []
    with contextlib.ExitStack() as stack:

        def open_one(*given: Any, **options: Any) -> Tab:
            tab = stack.enter_context(opened(browser, site, *given, **options))
            tabs.append(tab)
            return tab

        yield open_one
        troubles = [trouble for tab in tabs for trouble in tab.troubles]
    assert troubles == []
