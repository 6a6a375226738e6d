"""Whether anybody can read a page: on wide and narrow screens, light and dark."""

from playwright.sync_api import Page

from tests.browser import axe

NARROW = 400


def check(page: Page) -> None:
    """Fails where somebody cannot; leaves the page dark and narrow."""
    assert axe.violations(page) == []
    page.emulate_media(color_scheme="dark")
    assert axe.violations(page) == []
    page.set_viewport_size({"width": NARROW, "height": 800})
    assert overflow(page) == []
    assert axe.violations(page) == []


def overflow(page: Page) -> list[str]:
    """What sticks out at the right, if the page can be scrolled to it; a page whose width changed has 5 s to settle."""
    found: list[str] = page.evaluate(
        """async () => {
          const root = document.documentElement;
          const deadline = performance.now() + 5000;
          while (root.scrollWidth > root.clientWidth && performance.now() < deadline)
            await new Promise((next) => setTimeout(next, 50));
          if (root.scrollWidth <= root.clientWidth) return [];
          return [...document.querySelectorAll("main *, header *, nav *")]
            .filter((each) => each.getBoundingClientRect().right > root.clientWidth + 1)
            .map((each) => `${each.tagName}.${each.className}: ${each.textContent.trim().slice(0, 40)}`);
        }"""
    )
    return found
