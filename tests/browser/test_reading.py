"""Finding one's way: the address holds a list's state, the keyboard moves, the theme stays, times are the reader's."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.browser import axe
from tests.browser.conftest import Open
from tests.browser.site import Site

ROWS = "tbody[data-rows] > tr"


def keys(page: Page) -> list[str]:
    return page.locator(f"{ROWS} .first").all_inner_texts()


def background(page: Page) -> str:
    return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))


def refresh(page: Page) -> None:
    """Have the live part of a list come anew, as an event does."""
    page.wait_for_load_state("load")  # htmx looks for what is live once the page is whole
    page.evaluate("document.querySelector('#rows').firstElementChild.id = 'before'")
    page.evaluate("htmx.trigger(document.body, 'live')")
    expect(page.locator("#before")).to_have_count(0)


def test_a_filter_survives_reload_and_back(open_tab: Open) -> None:
    page = open_tab().page
    page.goto("/jobs")
    everything = keys(page)
    page.locator("#q").fill("state:failed key:gate")
    page.locator("#q").press("Enter")
    expect(page.locator(ROWS)).to_have_count(2)
    found = keys(page)
    assert set(found) == {"custom/gate.h5", "custom/gate_two.h5"}
    assert parse_qs(urlsplit(page.url).query) == {"q": ["state:failed key:gate"]}

    page.reload()
    assert keys(page) == found
    assert page.locator("#q").input_value() == "state:failed key:gate"
    page.locator(f"{ROWS} a").first.click()
    expect(page.locator("h1")).to_contain_text("gate")
    page.go_back()
    assert keys(page) == found
    assert page.locator("#q").input_value() == "state:failed key:gate"
    page.go_back()
    assert keys(page) == everything


def test_chosen_columns_survive_reload_filter_and_back(open_tab: Open) -> None:
    page = open_tab().page
    page.goto("/jobs?q=key:classifier")
    page.get_by_text("Columns", exact=True).click()
    boxes = page.locator(".menu input[type=checkbox]")
    for number in range(boxes.count()):
        boxes.nth(number).set_checked(boxes.nth(number).get_attribute("value") in {"state", "size", "took"})
    page.get_by_role("button", name="Show these").click()
    expect(page.locator("thead th", has_text="Took")).to_be_visible()
    shown = page.locator("thead th").all_inner_texts()
    assert {"State", "Size", "Took"} <= set(shown)
    assert not {"Error", "Finished"} & set(shown)
    refresh(page)
    assert page.locator("thead th").all_inner_texts() == shown
    page.reload()
    assert page.locator("thead th").all_inner_texts() == shown
    page.locator("#q").fill("key:classifier_00")
    page.locator("#q").press("Enter")
    expect(page.locator(ROWS)).to_have_count(10)
    assert page.locator("thead th").all_inner_texts() == shown


def test_a_filter_that_means_nothing_is_kept_to_be_mended(open_tab: Open) -> None:
    tab = open_tab()
    tab.page.goto("/jobs?q=colour:red")
    expect(tab.page.locator("#problem")).to_contain_text("no field 'colour'")
    assert tab.page.locator("#q").input_value() == "colour:red"
    assert axe.violations(tab.page) == []
    assert [trouble for trouble in tab.troubles if not trouble.startswith("400: GET")] == [
        "console: Failed to load resource: the server responded with a status of 400 (Bad Request)"
    ]
    tab.troubles.clear()


def test_the_keyboard_finds_moves_opens_and_helps(open_tab: Open) -> None:
    page = open_tab().page
    page.goto("/jobs")
    names = keys(page)
    page.keyboard.press("/")
    expect(page.locator("#find")).to_be_focused()
    page.keyboard.type("jk?")
    assert page.locator("#find").input_value() == "jk?"  # keys of somebody who types are theirs
    page.keyboard.press("Escape")
    expect(page.locator("#find")).not_to_be_focused()

    page.keyboard.press("?")
    expect(page.locator("#help")).to_be_visible()
    assert axe.violations(page) == []
    page.keyboard.press("Escape")
    expect(page.locator("#help")).not_to_be_visible()

    for key in "jjjk":
        page.keyboard.press(key)
    expect(page.locator(f"{ROWS}.at .first")).to_have_text(names[1])
    assert page.evaluate("document.activeElement.closest('tr').classList.contains('at')")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_contain_text(names[1])


def test_who_searches_from_any_page_gets_the_jobs(open_tab: Open) -> None:
    page = open_tab().page
    page.goto("/workers")
    page.keyboard.press("/")
    page.keyboard.type("key:dies")
    page.keyboard.press("Enter")
    page.wait_for_url("**/jobs?q=key%3Adies")
    assert keys(page) == ["big/dies.h5"]


@pytest.mark.parametrize("system", ["light", "dark"])
def test_the_theme_is_the_systems_until_chosen_and_then_stays(open_tab: Open, system: str) -> None:
    page = open_tab(theme=system).page
    page.goto("/jobs")
    first = background(page)
    page.locator("#theme").click()
    chosen = background(page)
    assert chosen != first
    page.reload()
    assert background(page) == chosen
    page.goto("/workers")
    assert background(page) == chosen
    page.locator("#theme").click()
    assert background(page) == first


def test_light_is_light_and_dark_is_dark(open_tab: Open) -> None:
    def brightness(theme: str) -> float:
        page = open_tab(theme=theme).page
        page.goto("/jobs")
        return sum(map(int, re.findall(r"\d+", background(page))[:3])) / (3 * 255)

    assert brightness("light") > 0.9
    assert brightness("dark") < 0.15


def test_times_are_in_the_readers_zone_with_utc_at_hand(open_tab: Open, site: Site) -> None:
    shown = set()
    for zone in ("Asia/Kathmandu", "America/Los_Angeles"):
        page = open_tab(zone=zone).page
        page.goto(f"/jobs/{site.jobs['vision/classifier_003.h5']}")
        moment = page.locator("time:not([data-relative])").first
        shown.add(moment.inner_text())
        assert "UTC" in (moment.get_attribute("title") or "")
    assert len(shown) == 2


def test_what_axe_must_not_miss_it_does_not(open_tab: Open) -> None:
    page = open_tab().page
    page.goto("/jobs")
    page.evaluate(
        "document.querySelector('main').insertAdjacentHTML('beforeend', '<img src=\"data:,\"><a href=x></a>')"
    )
    found = " ".join(axe.violations(page))
    assert "image-alt" in found
    assert "link-name" in found
