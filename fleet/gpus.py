"""Which NVIDIA GPUs this machine has, as its driver's own tool says: torch must not be loaded to find out."""

import csv
import shutil
import subprocess
from dataclasses import dataclass

_QUERY = "--query-gpu=name,uuid,memory.total,driver_version"
_ANSWER_SECONDS = 20


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """One GPU."""

    name: str
    uuid: str
    memory_mib: int
    driver: str


class NoDriver(Exception):
    """There is no driver, or it does not answer; the message says which."""


def gpus() -> list[Gpu]:
    """Every GPU that can be seen, in the driver's order.

    Raises:
        NoDriver: nobody can say.
    """
    program = shutil.which("nvidia-smi")
    if program is None:
        raise NoDriver("nvidia-smi is not installed")
    try:
        done = subprocess.run(
            [program, _QUERY, "--format=csv,noheader,nounits"],
            capture_output=True,
            text=True,
            timeout=_ANSWER_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoDriver(f"nvidia-smi does not answer ({type(error).__name__})") from error
    if done.returncode:
        said = (done.stdout + done.stderr).strip().splitlines()
        raise NoDriver(f"nvidia-smi failed: {said[0] if said else f'exit code {done.returncode}'}")
    return [_gpu(row) for row in csv.reader(done.stdout.splitlines(), skipinitialspace=True) if len(row) == 4]


def _gpu(row: list[str]) -> Gpu:
    name, uuid, memory, driver = row
    # Some report no memory ("[N/A]"), those that share the processor's.
    return Gpu(name=name, uuid=uuid, memory_mib=int(memory) if memory.isdecimal() else 0, driver=driver)
