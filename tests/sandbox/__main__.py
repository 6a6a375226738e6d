"""`python -m tests.sandbox`: which walls stand on this machine, as whom, and what a child then cannot do."""

import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from keras2torch.sandbox import Sandbox

ROOT = Path(__file__).resolve().parents[2]
NOBODY = 65534
ATTEMPTS: dict[str, tuple[str, dict[str, Any]]] = {
    "network": ("try_network", {"port": 9}),
    "programs": ("try_program", {}),
    "processes": ("try_fork", {}),
    "other files": ("read_text", {"path": "/etc/passwd"}),
}
HEAD = "| as | kernel | walls that stood | what a child tried |\n|---|---|---|---|"


def tried() -> dict[str, Any]:
    """As whoever we are: the walls, and what became of each attempt."""
    with Sandbox(["json"]) as sandbox, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ends = {}
        walls: tuple[str, ...] = ()
        for what, (target, payload) in ATTEMPTS.items():
            outcome = sandbox.run(f"tests.sandbox.targets:{target}", payload, workdir=folder)
            walls, ends[what] = outcome.walls, outcome.error and outcome.error["class"]
    return {"root": os.geteuid() == 0, "walls": walls, "attempts": ends}


def as_nobody() -> dict[str, Any]:
    """The same as an ordinary user, from root: by the first interpreter that such a user may run."""
    environment = {"PYTHONPATH": str(ROOT), "PATH": os.defpath, "PYTHONDONTWRITEBYTECODE": "1"}
    for python in (sys.executable, "/usr/bin/python3"):
        try:
            ended = subprocess.run(
                [python, "-m", "tests.sandbox", "--json"],
                cwd="/",
                env=environment,
                user=NOBODY,
                group=NOBODY,
                extra_groups=[],
                stdout=subprocess.PIPE,
                check=True,
            )
        except PermissionError:
            continue
        found: dict[str, Any] = json.loads(ended.stdout)
        return found
    raise FileNotFoundError("no interpreter that an ordinary user may run")


def table() -> str:
    """A row for us, and one for an ordinary user where we are root."""
    found = [tried(), *([as_nobody()] if os.geteuid() == 0 else [])]
    kernel = ".".join(platform.release().split(".")[:2])
    rows = [
        f"| {'root' if each['root'] else 'an ordinary user'} | Linux {kernel} | {', '.join(each['walls'])} | "
        + ", ".join(f"{what}: {error or 'NOT STOPPED'}" for what, error in each["attempts"].items())
        + " |"
        for each in found
    ]
    return "\n".join([HEAD, *rows])


if __name__ == "__main__":
    print(json.dumps(tried()) if "--json" in sys.argv else table())
