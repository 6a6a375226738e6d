"""Runs the command on one hostile file: in a child of its own, with limits, so that time and memory can be told."""

import io
import json
import shutil
import time
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keras2torch import cli, conversion
from keras2torch.layers import _registry
from keras2torch.sandbox import Limits, Sandbox
from tests.hostile.attacks import ANYTHING, CONVERTS, Attack

#: So that no child has to.
PRELOADED = (conversion, _registry.rules())
SERVER = ("tests.hostile.attempt",)
LIMITS = Limits(wall_s=60, memory_bytes=1 << 30)
_BUNDLE = {"README.md", "manifest.json", "model.py", "model.safetensors"}


def attempt(payload: dict[str, Any]) -> dict[str, Any]:
    """In the child: `keras2torch convert` on `path`; its exit code, what it wrote, the processor's seconds."""
    out, err = io.StringIO(), io.StringIO()
    started = time.process_time()
    with redirect_stdout(out), redirect_stderr(err):
        code = cli.main(["convert", payload["path"], "-o", payload["out"], "--json"])
    return {
        "code": code,
        "seconds": time.process_time() - started,
        "stderr": err.getvalue(),
        "document": json.loads(out.getvalue()),
    }


@dataclass(frozen=True)
class Ended:
    """How it went. `kind` is that of the error, or `CONVERTS`; `faults` is what was wrong about the way."""

    kind: str
    message: str
    seconds: float
    peak_bytes: int
    faults: tuple[str, ...]


def ended(sandbox: Sandbox, attack: Attack, folder: Path) -> Ended:
    """Let the command have `attack`, which lies in `folder`, and hold the end against what is expected."""
    out = folder / "out"
    before = sorted(folder.iterdir())
    payload = {"path": str(attack.path), "out": str(out)}
    outcome = sandbox.run("tests.hostile.attempt:attempt", payload, workdir=folder, limits=LIMITS)
    if outcome.result is None:
        return Ended(
            "died", f"{outcome.error} {outcome.log_tail}", outcome.wall_s, outcome.max_rss, ("died",)
        )
    code, said = outcome.result["code"], outcome.result["stderr"]
    kind = outcome.result["document"].get("error", {}).get("kind", CONVERTS)
    faults = []
    if attack.kind not in (kind, ANYTHING):
        faults.append(f"{kind} instead of {attack.kind}")
    if attack.exit_code is not None and code != attack.exit_code:
        faults.append(f"exit code {code}")
    faults += [f"no word of {word!r}" for word in attack.words if word not in said]
    if kind == CONVERTS:
        faults += [] if {path.name for path in out.iterdir()} == _BUNDLE else ["no bundle"]
        shutil.rmtree(out)
    elif not (
        said.startswith(f"keras2torch: {attack.path}: ") and said[:-1].isprintable() and said[-1] == "\n"
    ):
        faults.append("not one line that names the file")
    if sorted(folder.iterdir()) != before:
        faults.append("something stays behind")
    return Ended(kind, said.strip(), outcome.result["seconds"], outcome.max_rss, tuple(faults))
