"""`make hostile`: what becomes of each hostile input, as a table, which is written into SECURITY.md too."""

import sys
import tempfile
from collections import Counter
from pathlib import Path

from keras2torch.sandbox import Sandbox
from tests.crafted import dense_model
from tests.hostile.attacks import CONVERTS, EXIT_CODES, Attack, inputs
from tests.hostile.attempt import SERVER, Ended, ended
from tests.sandbox.__main__ import table as walls

PAGE = Path(__file__).resolve().parents[2] / "SECURITY.md"
HEAD = "| # | input | files | outcome (exit code) | seconds | peak MiB |\n|---|---|---|---|---|---|"


def row(number: str, title: str, ends: list[Ended]) -> str:
    kinds = Counter(end.kind for end in ends)
    outcome = ", ".join(
        f"{kind} ({EXIT_CODES.get(kind, 3)})" + (f" x{count}" if len(kinds) > 1 else "")
        for kind, count in sorted(kinds.items())
    )
    seconds, peak = max(end.seconds for end in ends), max(end.peak_bytes for end in ends)
    return f"| {number} | {title} | {len(ends)} | {outcome} | {seconds:.2f} | {peak / (1 << 20):.0f} |"


def main() -> int:
    """Print the table and write it down; returns 1 where an input did not end as it should."""
    rows, wrong = [], []
    with Sandbox(SERVER) as sandbox, tempfile.TemporaryDirectory() as name:
        for number, title, craft in [
            (0, "a sound model, for comparison", _sound),
            *((each.number, each.title, each.craft) for each in inputs().values()),
        ]:
            folder = Path(name) / str(number)
            folder.mkdir()
            ends = []
            for attack in craft(folder):
                ends.append(ended(sandbox, attack, folder))
                wrong += [f"{number} {attack.name}: {fault}" for fault in ends[-1].faults]
            rows.append(row(str(number or "-"), title, ends))
            print(rows[-1], flush=True)
    print("\n".join(wrong), file=sys.stderr)
    text = PAGE.read_text(encoding="utf-8")
    text = _with(text, "inputs", "\n".join([HEAD, *rows]))
    text = _with(text, "walls", walls())
    PAGE.write_text(text, encoding="utf-8")
    return 1 if wrong else 0


def _with(page: str, name: str, table: str) -> str:
    """The page with the table of that name in its place."""
    before, mark, rest = page.partition(f"<!-- made by make hostile: {name} -->\n")
    _, end, behind = rest.partition("<!-- end -->")
    return f"{before}{mark}{table}\n{end}{behind}"


def _sound(folder: Path) -> list[Attack]:
    return [Attack("sound", dense_model(folder / "m.h5"), CONVERTS)]


if __name__ == "__main__":
    sys.exit(main())
