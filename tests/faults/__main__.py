"""`make chaos`: every fault at its full size, and the table of docs/faults.md from what was counted.

Each fault is a process with servers of its own, a few at once. Ends with an error if any count is not zero, if a fault
was not done in time, or if the negative control lost nothing; the page is written either way, from the counts.
"""

import argparse
import json
import os
import platform
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.pages import write_between
from tests.faults import scenarios
from tests.faults.arena import Row
from tests.faults.checker import Counts
from tests.faults.installation import Size, own_folder, own_servers
from tests.faults.scenarios import CONTROL, Scenario

PAGE = Path(__file__).parents[2] / "docs" / "faults.md"
_BEGIN, _END = "<!-- table: made by make chaos -->", "<!-- end of table -->"
_MINUTES = 15.0
_MEMORY = Path("/dev/shm")
#: Bytes; what faults of a full size need at the same time is a quarter of it.
_ROOM = 2 << 30


@dataclass
class _Running:
    scenario: Scenario
    process: "subprocess.Popen[str]"
    began: float


def main() -> int:
    """Run, print each row as it comes, and write the page."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("names", nargs="*", default=list(scenarios.BY_NAME), help="such as T1 T7; all")
    parser.add_argument("--size", type=float, default=1.0, help="share of the full size; 10 is a soak")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--at-once", type=int, default=3, help="faults at the same time")
    parser.add_argument("--minutes", type=float, default=None, help="for all; 15 for each full size")
    parser.add_argument("--page", action="store_true", help="write the table into docs/faults.md")
    parser.add_argument("--row", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    seed = asked.seed if asked.seed is not None else random.randrange(1 << 30)
    if asked.row is not None:
        _run_one(scenarios.BY_NAME[asked.names[0]], asked.size, seed, asked.row)
        return 0
    began = time.monotonic()
    _stay_in_memory(asked.size)
    minutes = asked.minutes or _MINUTES * max(1.0, asked.size)
    rows = _run_all(asked.names, asked.size, seed, at_once=asked.at_once, until=began + 60 * minutes)
    table = _table(rows, asked.size, time.monotonic() - began, asked.at_once)
    print(table)
    if asked.page:
        write_between(PAGE, _BEGIN, _END, table)
    if any(row.counts.wrong() for name, row in rows.items() if name != CONTROL.name):
        return 1
    if CONTROL.name in rows and not rows[CONTROL.name].counts.lost:
        print(
            "the negative control lost nothing: what the others did not lose proves nothing", file=sys.stderr
        )
        return 1
    return 0


def _stay_in_memory(share: float) -> None:
    """Keep all files in memory where there is room: no fault takes the machine's power, and a disk takes time."""
    room = _ROOM * max(1.0, share)
    if "TMPDIR" not in os.environ and os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > room:
        tempfile.tempdir = os.environ["TMPDIR"] = str(_MEMORY)


def _run_one(scenario: Scenario, share: float, seed: int, path: Path) -> None:
    with own_servers() as on, own_folder() as folder:
        folder.mkdir()
        row = scenario.run(on, folder / scenario.name, _scaled(scenario.full, share), seed)
    path.write_text(json.dumps(asdict(row), default=str), encoding="utf-8")


def _run_all(names: list[str], share: float, seed: int, *, at_once: int, until: float) -> dict[str, Row]:
    """The row of each, in the order asked for; the longest are begun first."""
    waiting = sorted((scenarios.BY_NAME[name] for name in names), key=lambda one: -one.full.seconds)
    running: list[_Running] = []
    rows: dict[str, Row] = {}
    with tempfile.TemporaryDirectory(prefix="fleet-chaos-rows-") as folder:
        try:
            while (waiting or running) and time.monotonic() < until:
                while waiting and len(running) < at_once:
                    running.append(_start(waiting.pop(0), share, seed, Path(folder)))
                for one in [one for one in running if one.process.poll() is not None]:
                    running.remove(one)
                    rows[one.scenario.name] = _ended(one, seed, Path(folder))
                time.sleep(0.1)
        finally:
            for one in running:
                os.killpg(one.process.pid, signal.SIGKILL)
                one.process.wait()
        for scenario in [*waiting, *(one.scenario for one in running)]:
            rows[scenario.name] = _failed(scenario, seed, "not done in time")
            _say(rows[scenario.name])
    return {name: rows[name] for name in names}


def _start(scenario: Scenario, share: float, seed: int, folder: Path) -> _Running:
    command = [sys.executable, "-m", "tests.faults", scenario.name, "--size", f"{share}", "--seed", f"{seed}"]
    with (folder / f"{scenario.name}.log").open("w") as log:
        process = subprocess.Popen(
            [*command, "--row", str(folder / scenario.name)],
            stdout=log,
            stderr=subprocess.STDOUT,
            text=True,
            # A group of its own, so that all of it can be ended; its servers and workers die with it.
            start_new_session=True,
        )
    return _Running(scenario, process, time.monotonic())


def _ended(one: _Running, seed: int, folder: Path) -> Row:
    name = one.scenario.name
    if one.process.returncode:
        said = (folder / f"{name}.log").read_text(errors="replace")
        print(said, file=sys.stderr)
        row = _failed(
            one.scenario, seed, said.strip().splitlines()[-1] if said.strip() else "ended in an error"
        )
    else:
        told: dict[str, Any] = json.loads((folder / name).read_text(encoding="utf-8"))
        row = Row(**{**told, "counts": Counts(**told["counts"])})
    _say(row)
    return row


def _failed(scenario: Scenario, seed: int, why: str) -> Row:
    row = Row(fault=scenario.name, jobs=0, injected=0, unit="faults", seed=seed)
    row.promise(False, why)
    return row


def _say(row: Row) -> None:
    print(_line(row), *row.counts.notes, sep="\n  ", flush=True)


def _scaled(size: Size, share: float) -> Size:
    return replace(
        size,
        jobs=max(20, round(size.jobs * share)),
        times=max(1, round(size.times * share)),
        seconds=max(120, size.seconds * share),
    )


def _line(row: Row) -> str:
    counts = row.counts
    others = sum(number for name, number in counts.wrong().items() if name not in {"lost", "duplicated"})
    return (
        f"| {row.fault} | {row.jobs} | {row.injected} {row.unit} | {counts.lost} | {counts.duplicated} | {others} |"
        f" {row.attempts} | {row.requeued} | {row.recovery_s:.1f} | {row.wall_s:.0f} | {row.seed} |"
    )


def _table(named: dict[str, Row], share: float, seconds: float, at_once: int) -> str:
    rows = [row for name, row in named.items() if name != CONTROL.name]
    head = (
        "| fault | jobs | injected | lost | duplicated | other counts | attempts | set aside | recovery, s"
        " | wall, s | seed |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|"
    )
    done = [row for row in rows if row.attempts]
    total = (
        f"Done by the fleet: {sum(row.jobs for row in done)} jobs, {sum(row.kills for row in rows)} processes killed,"
        f" {sum(row.io_faults for row in rows)} faults of input and output,"
        f" {sum(row.counts.lost for row in rows)} lost, {sum(row.counts.duplicated for row in rows)} duplicated,"
        f" in {seconds / 60:.1f} minutes, {at_once} at once,"
        f" on {os.cpu_count()} cores ({platform.machine()}, load {os.getloadavg()[2]:.1f}),"
        f" at {share:g} of the full size."
    )
    return "\n".join([head, *map(_line, named.values()), "", total])


if __name__ == "__main__":
    sys.exit(main())
