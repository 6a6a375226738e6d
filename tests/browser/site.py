"""The dashboard as its users have it: a process of its own over PostgreSQL, with people who sign in."""

import contextlib
import os
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, StorageState
from sqlalchemy.orm import Session, sessionmaker

from dashboard.security import passwords
from db import session as db_session
from db.queries import accounts, bulk, operations
from db.queries.audit import Actor
from db.roles import Role
from db.search import parse
from tests.dashboard import seed
from tests.dashboard.people import PASSWORD
from tests.fleet.command import FLEET, Fleet, wait_until
from tests.servers import free_port

NAMES = {Role.VIEWER: "vera", Role.OPERATOR: "otto", Role.ADMIN: "ada"}


@dataclass
class Site:
    """A dashboard that answers at `origin`."""

    origin: str
    fleet: Fleet
    """The operator's command, on the same database."""
    sessions: sessionmaker[Session]
    jobs: dict[str, int] = field(default_factory=dict)
    """By key."""
    _signed_in: dict[Role, StorageState] = field(default_factory=dict)

    def signed_in(self, browser: Browser, role: Role) -> StorageState:
        """The cookies of somebody with `role` who has signed in by the form."""
        if role not in self._signed_in:
            context = browser.new_context(base_url=self.origin)
            page = context.new_page()
            page.goto("/login?next=/jobs")
            page.get_by_label("Name").fill(NAMES[role])
            page.get_by_label("Password").fill(PASSWORD)
            page.get_by_role("button", name="Sign in").click()
            page.get_by_role("button", name=f"Sign out {NAMES[role]}").wait_for()
            self._signed_in[role] = context.storage_state()
            context.close()
        return self._signed_in[role]


@contextlib.contextmanager
def serving(database_url: str, folder: Path, **settings: str) -> Iterator[Site]:
    """A dashboard over a migrated database, to which it adds a user of each role; `settings` go to every process."""
    fleet = Fleet(folder / "home", FLEET_DATABASE_URL=database_url, **settings)
    engine = db_session.make_engine(database_url)
    sessions = db_session.session_factory(engine)
    kept = passwords.hashed(PASSWORD)
    with sessions.begin() as session:
        for role, name in NAMES.items():
            accounts.add(session, name, role, kept)
    port = free_port()
    origin = f"http://127.0.0.1:{port}"
    log = folder / "dashboard.log"
    with background(fleet, log, "dashboard", "--port", str(port)) as process:
        wait_until(lambda: process.poll() is not None or _answers(origin), 30)
        assert process.poll() is None, log.read_text()
        yield Site(origin, fleet, sessions)
    engine.dispose()


@contextlib.contextmanager
def seeded(database_url: str, folder: Path, **how: Any) -> Iterator[Site]:
    """A dashboard over jobs in every state, and nobody who works; `how` is for `seed`."""
    with serving(database_url, folder) as site:
        site.jobs = seed.seed(site.sessions, **how)
        with site.sessions.begin() as session:
            # Of jobs that have ended: it changes none.
            search = "key:classifier"
            operations.begin(session, bulk.cancel(parse(search), search), Actor("otto", "dashboard"))
        yield site


@contextlib.contextmanager
def background(fleet: Fleet, log: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """A command of the fleet with its output in a file: a pipe that nobody reads would stop it."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            [str(FLEET), *arguments],
            env=fleet.env,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _answers(origin: str) -> bool:
    try:
        with urllib.request.urlopen(f"{origin}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, ConnectionError):
        return False
