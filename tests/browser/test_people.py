"""An administrator adds somebody, who opens the link, sets a password and signs in."""

import pytest
from playwright.sync_api import expect

from db.roles import Role
from tests.browser import readable
from tests.browser.conftest import Open
from tests.dashboard.people import PASSWORD


@pytest.mark.parametrize("scripts", [True, False])
def test_somebody_is_added_and_signs_in(open_tab: Open, scripts: bool) -> None:
    name = f"nora-{scripts}"
    page = open_tab(Role.ADMIN, scripts=scripts).page
    page.goto("/people")
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("Role", exact=True).select_option("operator")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_role("heading", name=f"A link for {name}")).to_be_visible()
    link = page.get_by_label("The link").input_value()
    expect(page.locator("tr", has_text=name)).to_contain_text("has a link until")
    guest = open_tab(None, scripts=scripts).page
    guest.goto(link)
    if scripts:
        readable.check(page)
        readable.check(guest)
    guest.get_by_label("Password").fill(PASSWORD)
    guest.get_by_label("The same again").fill(PASSWORD)
    guest.get_by_role("button", name="Set it").click()
    guest.get_by_label("Name").fill(name)
    guest.get_by_label("Password").fill(PASSWORD)
    guest.get_by_role("button", name="Sign in").click()
    expect(guest.get_by_role("button", name=f"Sign out {name}")).to_be_visible()
    page.goto("/people")
    page.get_by_role("button", name=f"Sign out {name} everywhere").click()
    expect(page.get_by_role("status").first).to_contain_text("Signed out of 1 browser.")
    guest.goto("/jobs")
    expect(guest.get_by_role("button", name="Sign in")).to_be_visible()
