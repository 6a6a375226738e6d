"""The browser that the tests drive: found, or brought where there is none. `python -m tests.browser.chromium`."""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

NAMED_BY = "FLEET_TEST_BROWSER"
_PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
    # The pages are ours, and a sandbox of its own is not to be had in every container.
    "--no-sandbox",
)


def find() -> str | None:
    """The program that the environment names, or one on the path."""
    named = os.environ.get(NAMED_BY)
    if named and shutil.which(named) is None:
        sys.exit(f"{NAMED_BY}={named}: no such program")
    return named or next(filter(None, map(shutil.which, _PROGRAMS)), None)


def find_own() -> str | None:
    """The program that Playwright has brought, if it has."""
    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).is_file() else None


@contextlib.contextmanager
def running() -> Iterator[Browser]:
    """A browser without a window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find(), args=FLAGS, headless=True)
        yield browser
        browser.close()


def main() -> None:
    """Make sure that there is one; says what it does."""
    if found := find() or find_own():
        print(f"browser: {found}")
    elif os.geteuid() == 0 and shutil.which("apt-get"):
        print("browser: none here; installing Debian's chromium", flush=True)
        quietly = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for words in (["update"], ["install", "-y", "--no-install-recommends", "chromium"]):
            subprocess.run(
                ["apt-get", "-qq", "-o", "Acquire::Retries=5", *words],
                check=True,
                env=quietly,
                stdout=subprocess.DEVNULL,
            )
    else:
        print("browser: none here; having Playwright bring one", flush=True)
        subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=True)


if __name__ == "__main__":
    main()
