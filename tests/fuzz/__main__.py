"""`make fuzz`: drives every target for its share of the time, side by side; says what was run and what was found.

A finding is an exception that is no refusal, an input that takes longer than `_SLOWEST_S`, or memory over
`_MOST_MIB`; it is left in build/fuzz. Once mended, it goes into tests/fuzz/findings, where it stays a test.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from tests.fuzz.seeds import seeds
from tests.fuzz.targets import TARGETS

_FOLDER = Path("build/fuzz")
_SLOWEST_S = 10
_MOST_MIB = 1024
_LARGEST = 1 << 16


@dataclass
class Drive:
    """One target in its process."""

    target: str
    process: subprocess.Popen[bytes]
    log: Path


def _start(target: str, seconds: int) -> Drive:
    folder = _FOLDER / target
    corpus, found = folder / "corpus", folder / "found"
    shutil.rmtree(found, ignore_errors=True)
    for each in (corpus, found):
        each.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds(target)):
        (corpus / f"seed-{number:03}").write_bytes(seed)
    log = folder / "log"
    flags = {
        "max_total_time": seconds,
        "timeout": _SLOWEST_S,
        "rss_limit_mb": _MOST_MIB,
        "max_len": _LARGEST,
        "artifact_prefix": f"{found}/",
        "print_final_stats": 1,
    }
    command = [sys.executable, "-m", "tests.fuzz.drive", target, str(corpus)]
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*command, *(f"-{key}={value}" for key, value in flags.items())], stdout=out, stderr=out
        )
    return Drive(target, process, log)


def _end(drive: Drive) -> bool:
    """Wait, and say what came of it; whether nothing was found."""
    code = drive.process.wait()
    said = drive.log.read_text(errors="replace")
    coverage = re.findall(r"cov: (\d+)", said)
    runs, peak = (
        next(iter(re.findall(rf"stat::{name}:\s+(\d+)", said)), "?")
        for name in ("number_of_executed_units", "peak_rss_mb")
    )
    print(
        f"{drive.target:<8} {runs:>9} executions, {coverage[-1] if coverage else '?'} places reached, "
        f"peak {peak} MiB, {'nothing found' if code == 0 else 'FOUND SOMETHING'}",
        flush=True,
    )
    if code:
        print(said[-4000:])
        print(f"the input is in {drive.log.parent / 'found'}")
    return code == 0


def main() -> int:
    """The command; 1 if anything was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", choices=[*TARGETS, []], help="default: all, side by side")
    parser.add_argument("--seconds", type=int, default=600)
    arguments = parser.parse_args()
    if find_spec("atheris") is None:
        print("fuzz: atheris is not installed: it has wheels for Linux on x86-64 only", file=sys.stderr)
        return 2
    drives = [_start(target, arguments.seconds) for target in arguments.targets or TARGETS]
    ended = [_end(drive) for drive in drives]
    return 0 if all(ended) else 1


if __name__ == "__main__":
    sys.exit(main())
