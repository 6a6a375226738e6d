"""`make chaos`: every fault at its full size, and the table of docs/faults.md from what was counted.

Ends with an error if any count is not zero, or if the negative control lost nothing; the page is written either way,
from the counts.
"""

import argparse
import os
import platform
import random
import sys
import time
from dataclasses import replace
from pathlib import Path

from tests.faults import scenarios
from tests.faults.arena import Row
from tests.faults.scenarios import CONTROL, Size

PAGE = Path(__file__).parents[2] / "docs" / "faults.md"
_BEGIN, _END = "<!-- table: made by make chaos -->", "<!-- end of table -->"


def main() -> int:
    """Run, print each row as it comes, and write the page."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("names", nargs="*", default=list(scenarios.BY_NAME), help="such as T1 T7; all")
    parser.add_argument("--size", type=float, default=1.0, help="share of the full size; 10 is a soak")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--page", action="store_true", help="write the table into docs/faults.md")
    asked = parser.parse_args()
    seed = asked.seed if asked.seed is not None else random.randrange(1 << 30)
    began = time.monotonic()
    rows: dict[str, Row] = {}
    for name in asked.names:
        scenario = scenarios.BY_NAME[name]
        size = _scaled(scenario.full, asked.size)
        with scenarios.own_servers() as on, scenarios.own_folder() as folder:
            folder.mkdir()
            row = scenario.run(on, folder / name, size, seed)
        rows[name] = row
        print(_line(row), *row.counts.notes, sep="\n  ", flush=True)
    if asked.page:
        _write(rows, asked.size, time.monotonic() - began)
    ours = [row for name, row in rows.items() if name != CONTROL.name]
    if any(row.counts.wrong() for row in ours):
        return 1
    if CONTROL.name in rows and not rows[CONTROL.name].counts.lost:
        print(
            "the negative control lost nothing: what the others did not lose proves nothing", file=sys.stderr
        )
        return 1
    return 0


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


def _write(named: dict[str, Row], share: float, seconds: float) -> None:
    rows = [row for name, row in named.items() if name != CONTROL.name]
    page = PAGE.read_text(encoding="utf-8")
    head = (
        "| fault | jobs | injected | lost | duplicated | other counts | attempts | set aside | recovery, s"
        " | wall, s | seed |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|"
    )
    total = (
        f"Of the fleet: {sum(row.jobs for row in rows)} jobs, {sum(row.kills for row in rows)} processes killed,"
        f" {sum(row.io_faults for row in rows)} faults of input and output, in {seconds / 60:.1f} minutes"
        f" on {os.cpu_count()} cores ({platform.machine()}, load {os.getloadavg()[2]:.1f}),"
        f" at {share:g} of the full size."
    )
    table = "\n".join([_BEGIN, head, *map(_line, named.values()), "", total, _END])
    before, _, rest = page.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    PAGE.write_text(before + table + after, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
