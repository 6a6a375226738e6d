"""Every page: it opens in peace, on wide and narrow screens, light and dark, and anybody can read it."""

from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from db.roles import Role
from tests.browser import axe, readable
from tests.browser.addresses import FOR_OPERATORS, address, pages
from tests.browser.conftest import Open
from tests.browser.site import Site

PAGES = pages()
FOR_VIEWERS = [page for page in PAGES if page[0] not in FOR_OPERATORS]
ACTING = ("/act?", *FOR_OPERATORS)
"""What only whoever may act is led to."""

EVERYBODYS = {"/login", "/views/save", "/views/forget"}
"""Where forms lead that change nothing but one's own."""


@pytest.mark.parametrize(("path", "key", "query"), PAGES)
def test_a_page_opens_in_peace_and_can_be_read_by_anybody(
    open_tab: Open, site: Site, path: str, key: str, query: str
) -> None:
    tab = open_tab()
    page = tab.page
    page.goto(address(path, key, query, site.jobs))
    assert page.locator("h1").count() == 1
    assert page.locator("main").inner_text().strip()
    readable.check(page)


@pytest.mark.parametrize(("path", "key", "query"), FOR_VIEWERS)
def test_a_viewer_reads_without_scripts_and_is_offered_nothing_that_acts(
    open_tab: Open, site: Site, path: str, key: str, query: str
) -> None:
    page = open_tab(Role.VIEWER, scripts=False).page
    page.goto(address(path, key, query, site.jobs))
    assert page.locator("h1").count() == 1
    assert page.locator("main").inner_text().strip()
    # What only scripts can do is not offered.
    for name in ("live", "theme", "help-open"):
        assert not page.locator(f"#{name}").is_visible()
    forms = page.locator("main form[method=post]").evaluate_all("all => all.map((form) => form.action)")
    assert {urlsplit(form).path for form in forms} <= EVERYBODYS
    assert page.locator("main").locator(",".join(f"a[href*='{each}']" for each in ACTING)).count() == 0


@pytest.mark.parametrize("path", ["/nowhere", "/jobs/4711"])
def test_what_is_not_there_is_said_on_a_page_that_leads_on(open_tab: Open, site: Site, path: str) -> None:
    tab = open_tab()
    tab.page.goto(path)
    assert tab.page.locator("h1").count() == 1
    assert axe.violations(tab.page) == []
    assert f"404: GET {site.origin}{path}" in tab.troubles
    assert all("404" in trouble for trouble in tab.troubles)
    tab.troubles.clear()
    tab.page.get_by_role("link", name="To the overview").click()
    expect(tab.page.locator("h1")).to_have_text("Overview")
