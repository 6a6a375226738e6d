"""Children that end for want of memory, as libraries do, and such as talk."""

import importlib
import os
import time
from pathlib import Path
from typing import Any


def fill_a_tensor(payload: dict[str, Any]) -> None:
    torch = importlib.import_module(
        "torch"
    )  # the server has it; this process, which collects tests, must not
    torch.ones(payload["bytes"], dtype=torch.uint8)


def abort_as_cpp_does(payload: dict[str, Any]) -> None:
    os.write(
        2, b"terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc\n"
    )
    os.abort()


def talk(payload: dict[str, Any]) -> str:
    """Say the first of `lines`, wait until the file `go` is there, say the others."""
    first, *others = payload["lines"]
    print(first)
    while not Path(payload["go"]).exists():
        time.sleep(0.01)
    for line in others:
        print(line)
    return "done"


def flood(payload: dict[str, Any]) -> str:
    """Write `mib` of log."""
    line = b"x" * 1023 + b"\n"
    for _ in range(payload["mib"]):
        os.write(1, line * 1024)
    os.write(1, b"the end\n")
    return "done"
