"""Which GPUs this process may use, asked of NVIDIA's own tool: to import torch for it would take a worker seconds
and hundreds of megabytes, and to initialise CUDA here would break it in every child.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

_TOOL = "nvidia-smi"
_QUERY = "--query-gpu=index,uuid,name,memory.total"
_SECONDS = 30
#: The tool's exit code for a query that found nothing.
_NOTHING_FOUND = 6
_LISTED = re.compile(r"^GPU (?P<gpu>\d+): ")
_PART = re.compile(r"^\s+MIG (?P<profile>\S+)\s+Device\s+\d+: \(UUID: (?P<uuid>MIG-[^)]+)\)")
_PART_GIB = re.compile(r"\.(\d+)gb")


class GpuTrouble(Exception):
    """There may be GPUs, but the driver does not answer for them; the message is one line."""


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """One GPU, or one part of a GPU that is divided (MIG)."""

    name: str
    uuid: str
    memory_bytes: int | None
    """None: the driver does not say, as for GPUs that share the machine's memory."""

    def __str__(self) -> str:
        memory = "" if self.memory_bytes is None else f", {self.memory_bytes / (1 << 30):.0f} GiB"
        return f"{self.name} ({self.uuid}{memory})"


def discover() -> tuple[Gpu, ...]:
    """The GPUs of this machine that CUDA_VISIBLE_DEVICES leaves to this process, in the order of their numbers.

    None where there is no driver.

    Raises:
        GpuTrouble: there is a driver, and it fails.
    """
    if shutil.which(_TOOL) is None:
        return ()
    found = parse(_ask(_QUERY, "--format=csv,noheader,nounits"), _ask("--list-gpus"))
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return tuple(found) if visible is None else visible_of(found, visible)


def parse(query: str, listing: str) -> list[Gpu]:
    """GPUs from the two answers: a line of four values a GPU, and the list with the parts of divided ones.

    Raises:
        GpuTrouble: that is not what such answers look like.
    """
    parts = _parts(listing)
    gpus: list[Gpu] = []
    for line in filter(str.strip, query.splitlines()):
        values = [value.strip() for value in line.split(",")]
        if len(values) < 4 or not values[0].isdigit() or not values[1].startswith("GPU-"):
            if line.startswith("No devices were found"):
                return []
            raise GpuTrouble(f"{_TOOL} says: {line.strip()[:200]}")
        index, uuid, *names, mebibytes = values
        name = ", ".join(names)
        whole = Gpu(name=name, uuid=uuid, memory_bytes=int(mebibytes) << 20 if mebibytes.isdigit() else None)
        gpus += [_part(name, *part) for part in parts.get(int(index), ())] or [whole]
    return gpus


def visible_of(found: Sequence[Gpu], visible: str) -> tuple[Gpu, ...]:
    """Those that CUDA would show: numbers or beginnings of UUIDs, up to the first that names none."""
    chosen: list[Gpu] = []
    for word in (word.strip() for word in visible.split(",")):
        named = [gpu for gpu in found if word and gpu.uuid.startswith(word)]
        if word.isdigit() and int(word) < len(found):
            named = [found[int(word)]]
        if len(named) != 1 or named[0] in chosen:
            break
        chosen += named
    return tuple(chosen)


def _parts(listing: str) -> dict[int, list[tuple[str, str]]]:
    """Profile and UUID of the parts of each GPU, by its number."""
    parts: dict[int, list[tuple[str, str]]] = {}
    gpu = -1
    for line in listing.splitlines():
        if found := _LISTED.match(line):
            gpu = int(found["gpu"])
        elif found := _PART.match(line):
            parts.setdefault(gpu, []).append((found["profile"], found["uuid"]))
    return parts


def _part(name: str, profile: str, uuid: str) -> Gpu:
    gibibytes = _PART_GIB.search(profile)
    memory = int(gibibytes[1]) << 30 if gibibytes else None
    return Gpu(name=f"{name} MIG {profile}", uuid=uuid, memory_bytes=memory)


def _ask(*arguments: str) -> str:
    try:
        done = subprocess.run(
            [_TOOL, *arguments],
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
            errors="replace",
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise GpuTrouble(f"{_TOOL}: {error}") from error
    said = done.stdout.strip() or done.stderr.strip()
    if done.returncode not in (0, _NOTHING_FOUND):
        raise GpuTrouble(f"{_TOOL}: {' '.join(said.split())[:200] or f'ended with {done.returncode}'}")
    return done.stdout
