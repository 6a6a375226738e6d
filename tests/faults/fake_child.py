"""The one thing that is not real in a worker of the harness: what a confined child would do.

A source is a JSON object that says what becomes of it; a bundle is made from the source's bytes alone, so that two
attempts at the same source make the same files. All around it, from claim to commit, is the worker's own code.
"""

import hashlib
import json
import random
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from keras2torch.sandbox import Outcome
from workers import errors

_PARITY = {
    "verdict": "passed",
    "structure_error": 0.0,
    "structure_limit": 1e-9,
    "deployment_error": 0.0,
    "outputs": [{"deployment": {"limit": 1e-4}}],
    "device": "cpu",
    "failures": [],
}


def source(number: int, does: str = "convert", seconds: float = 0.0) -> bytes:
    """A source: `convert`, `refuse` (a file nobody converts), `flaky` (the disk is full at its first attempt)."""
    return json.dumps({"number": number, "does": does, "seconds": seconds}).encode()


def no_point(_name: str) -> None:
    """For a worker that is not to die."""


class FakeSandboxes:
    """Stands where `workers.isolation.Sandboxes` does; `seconds` are the least and the most a conversion takes."""

    def __init__(
        self,
        *,
        seconds: tuple[float, float] = (0.02, 0.05),
        point: Callable[[str], None] = no_point,
        **_real: object,
    ) -> None:
        self._seconds = seconds
        self._point = point

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing was started."""

    def warm(self) -> None:
        """Nothing to start."""

    def run(
        self,
        _server: str,
        target: str,
        payload: Mapping[str, Any],
        *,
        stop: threading.Event,
        **_confinement: object,
    ) -> Outcome:
        """What the child's function would return."""
        step = target.rpartition(":")[2]
        result: Any = {}
        if step == "convert":
            try:
                result = self._convert(Path(payload["source"]), Path(payload["out"]), stop)
            except OSError as error:
                # As the engine says it of a disk that it cannot write to.
                failed = {
                    "class": "CannotWrite",
                    "message": str(error),
                    "kind": "cannot-write",
                    "exit_code": 1,
                }
                raise errors.ChildCannotWrite("convert", _outcome(None, failed)) from error
        elif step == "run_prepare":
            self._point("verify.before")
            result = {"library": "keras", "given": False}
        elif step == "run_compare":
            self._point("verify.after")
            result = {"report": _PARITY, "by_degree": False}
        return _outcome(result, None)

    def _convert(self, path: Path, out: Path, stop: threading.Event) -> dict[str, Any]:
        self._point("convert.before")
        raw = path.read_bytes()
        asked = json.loads(raw)
        # Half before anything is written, half with one file of it there.
        half = (asked["seconds"] or random.uniform(*self._seconds)) / 2
        if stop.wait(half):
            raise errors.Stopped("convert: stopped")
        if asked["does"] == "refuse":
            reason = {"kind": "unsupported", "subject": "Wizardry", "layer": "w", "message": "no such layer"}
            return {
                "refused": {"kind": "unsupported-model", "message": f"{path.name}: no", "reasons": [reason]}
            }
        if asked["does"] == "flaky" and out.parents[1].name.endswith("-1"):
            failed = {"class": "OSError", "message": "disk full", "kind": "cannot-write", "exit_code": 1}
            raise errors.ChildCannotWrite("convert", _outcome(None, failed))
        begin_bundle(raw, out)
        self._point("convert.half-written")
        if stop.wait(half):
            raise errors.Stopped("convert: stopped")
        end_bundle(raw, out)
        self._point("convert.after")
        return {}


def begin_bundle(raw: bytes, out: Path) -> None:
    """The larger half of a bundle, made of its source's bytes alone."""
    digest = hashlib.sha256(raw).hexdigest()
    out.mkdir()
    (out / "model.safetensors").write_bytes(bytes.fromhex(digest) * 64)


def end_bundle(raw: bytes, out: Path) -> None:
    """The rest of it."""
    digest = hashlib.sha256(raw).hexdigest()
    (out / "model.py").write_text(f"# {digest}\n")
    (out / "README.md").write_text(f"made of {digest}\n")
    (out / "manifest.json").write_text(json.dumps({"source": digest}) + "\n")


def _outcome(result: Any, error: dict[str, Any] | None) -> Outcome:
    return Outcome(
        result=result,
        error=error,
        exit_code=0 if error is None else 1,
        signal=None,
        max_rss=1 << 20,
        wall_s=0.0,
        log_tail="",
        timed_out=False,
        cancelled=False,
        walls=(),
    )
