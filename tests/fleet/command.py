"""The operator's command as its users run it: a process of its own, with a home of its own."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
FLEET = ROOT / "bin" / "fleet"


class Fleet:
    """Runs `bin/fleet` with a home of its own; `env` are settings for every run."""

    def __init__(self, home: Path, **env: str) -> None:
        home.mkdir(parents=True, exist_ok=True)
        kept = {name: value for name, value in os.environ.items() if not name.startswith("FLEET_")}
        self.env = {**kept, "HOME": str(home), "XDG_STATE_HOME": str(home / "state"), **env}

    def run(
        self, *arguments: str, cwd: Path | None = None, timeout: float = 200
    ) -> subprocess.CompletedProcess[str]:
        """Run to the end."""
        return subprocess.run(
            [str(FLEET), *arguments],
            env=self.env,
            cwd=cwd,
            timeout=timeout,
            capture_output=True,
            text=True,
            check=False,
        )

    def json(self, *arguments: str) -> Any:
        """Run with `--json`, successfully; what it printed."""
        done = self.run(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def start(self, *arguments: str) -> "Running":
        """Begin; the caller stops it."""
        return Running([str(FLEET), *arguments], self.env)


class Running:
    """A command under way. Leaving its context kills it."""

    def __init__(self, argv: list[str], env: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
        )

    def __enter__(self) -> "Running":
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()

    def end(self, number: int, timeout: float = 60) -> tuple[int, str]:
        """Send a signal and wait: exit code and output."""
        self.process.send_signal(number)
        output, _ = self.process.communicate(timeout=timeout)
        return self.process.returncode, output


def wait_until(true: Callable[[], object], seconds: float = 60.0) -> None:
    """Return when `true()` is."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.05)


def descendants(pid: int) -> set[int]:
    """Every process that `pid` started, directly or not."""
    found = set()
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, task.read_text().split()):
            found |= {child, *descendants(child)}
    return found


def children_named(pid: int, words: str) -> list[int]:
    """Descendants of `pid` whose command line contains `words`."""
    named = []
    for child in descendants(pid):
        try:
            line = Path(f"/proc/{child}/cmdline").read_bytes().replace(b"\0", b" ").decode()
        except FileNotFoundError:
            continue
        if words in line:
            named.append(child)
    return named
