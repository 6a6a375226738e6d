"""Models that end the process that converts them, run in the fleet's real confined children."""

import ctypes
import json
import os
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from keras2torch.sandbox import Outcome, Sandbox
from tests.faults.fake_child import FakeSandboxes, begin_bundle, end_bundle, no_point
from workers import isolation

_BLOCK = 16 << 20
_FORKS = 200
_HERE = "tests.faults.poison"


class RealChildren(isolation.Sandboxes):
    """The fleet's sandboxes with one server, whose children convert by `convert` below; proofs are stand-ins."""

    def __init__(
        self, *, memory_bytes: int, point: Callable[[str], None] = no_point, seconds: tuple[float, float]
    ) -> None:
        self._memory_bytes = memory_bytes
        self._servers = {isolation.ENGINE: Sandbox((_HERE,), env=isolation._environment(isolation.ENGINE))}
        self._fake = FakeSandboxes(point=point, seconds=seconds)

    def warm(self) -> None:
        """It starts with the first job."""

    def run(self, server: str, target: str, payload: Mapping[str, Any], **how: Any) -> Outcome:
        """Convert for real, prove by a stand-in."""
        if target.endswith(":convert"):
            return super().run(isolation.ENGINE, f"{_HERE}:convert", payload, **how)
        return self._fake.run(server, target, payload, **how)


def convert(payload: dict[str, Any]) -> dict[str, Any]:
    """What a source says becomes of it; an innocent one becomes a bundle."""
    raw = Path(payload["source"]).read_bytes()
    does = json.loads(raw)["does"]
    if does != "convert":
        _DOES[does]()
    begin_bundle(raw, Path(payload["out"]))
    end_bundle(raw, Path(payload["out"]))
    return {}


def _hog() -> None:
    """Fill memory, page by page, until there is no more."""
    held = []
    while True:
        held.append(bytearray(os.urandom(4096) * (_BLOCK // 4096)))


def _killed() -> None:
    """Do what the kernel does to who fills memory, once some of it is filled."""
    held = os.urandom(_BLOCK)
    os.kill(os.getpid(), signal.SIGKILL)
    del held


def _loop() -> None:
    while True:
        time.sleep(0)


def _forks() -> None:
    for _ in range(_FORKS):
        if os.fork() == 0:
            time.sleep(600)


def _flood() -> None:
    block = b"x" * 65535 + b"\n"
    while True:
        os.write(1, block)


_DOES: dict[str, Callable[[], object]] = {
    "hog": _hog,
    "killed": _killed,
    "segfault": lambda: ctypes.string_at(0),
    "abort": os.abort,
    "exit": lambda: os._exit(3),
    "loop": _loop,
    "forks": _forks,
    "flood": _flood,
}
