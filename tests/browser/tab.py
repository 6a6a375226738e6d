"""A tab of a browser that writes down everything a careful reader of its console would."""

import contextlib
from collections.abc import Iterator
from typing import Literal

from playwright.sync_api import Browser, ConsoleMessage, Dialog, Page, Request, Response

from db.roles import Role
from tests.browser.site import Site

Theme = Literal["light", "dark"]


class Tab:
    """A page, and what went wrong in it."""

    def __init__(self, page: Page, origin: str) -> None:
        self.page = page
        self.troubles: list[str] = []
        """Errors and warnings in the console, failed requests, those that leave the origin, and dialogs."""
        self._origin = origin
        page.on("console", self._hear)
        page.on("dialog", self._be_asked)
        page.on("pageerror", lambda error: self.troubles.append(f"script: {error}"))
        page.on("request", self._ask)
        page.on("requestfailed", self._fail)
        page.on("response", self._answer)

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning", "assert"}:
            self.troubles.append(f"console: {message.text}")

    def _be_asked(self, dialog: Dialog) -> None:
        # Ours never do; a name out of a model file that was run as a script would.
        self.troubles.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _ask(self, request: Request) -> None:
        if not request.url.startswith((f"{self._origin}/", "data:")):
            self.troubles.append(f"left the origin: {request.url}")

    def _fail(self, request: Request) -> None:
        # Whoever leaves a page ends its stream, and what it was still asking for.
        if request.failure != "net::ERR_ABORTED":
            self.troubles.append(f"failed: {request.method} {request.url}: {request.failure}")

    def _answer(self, response: Response) -> None:
        if response.status >= 400:
            self.troubles.append(f"{response.status}: {response.request.method} {response.url}")


@contextlib.contextmanager
def opened(
    browser: Browser,
    site: Site,
    role: Role | None = Role.OPERATOR,
    *,
    width: int = 1400,
    theme: Theme = "light",
    scripts: bool = True,
    zone: str = "Europe/Berlin",
) -> Iterator[Tab]:
    """A tab of somebody with `role`; None: of somebody who has not signed in."""
    context = browser.new_context(
        base_url=site.origin,
        viewport={"width": width, "height": 900},
        color_scheme=theme,
        java_script_enabled=scripts,
        storage_state=site.signed_in(browser, role) if role else None,
        timezone_id=zone,
        locale="en-GB",
        reduced_motion="reduce",
    )
    context.set_default_timeout(15_000)
    tab = Tab(context.new_page(), site.origin)
    yield tab
    context.close()
