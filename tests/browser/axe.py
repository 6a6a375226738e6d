"""What axe-core says of a page: https://github.com/dequelabs/axe-core."""

from functools import lru_cache
from pathlib import Path

from playwright.sync_api import Page

_SOURCE = Path(__file__).parents[2] / "dashboard" / "node_modules" / "axe-core" / "axe.min.js"
_RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
_BAD = {"serious", "critical"}


@lru_cache
def _source() -> str:
    assert _SOURCE.is_file(), "axe-core is missing: run npm ci in dashboard/"
    return _SOURCE.read_text()


def violations(page: Page) -> list[str]:
    """The serious and critical ones, a line for each place."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(_source())
    options = {"runOnly": list(_RULES), "resultTypes": ["violations"]}
    found = page.evaluate("options => axe.run(document, options)", options)
    return [
        f"{each['id']}: {node['target'][0]}: {node['failureSummary']}"
        for each in found["violations"]
        for node in each["nodes"]
        if node["impact"] in _BAD
    ]
