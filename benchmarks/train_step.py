"""One step of gradient descent beside Keras's, in float64: `python -m benchmarks.train_step MODEL... --docs`.

Each model is converted; the bundle and Keras take the same step, with plain SGD, from the same weights on the same
batch (dropout off), and every weight and running statistic is compared. Models are files, folders of files, and
architectures of keras.applications by name, which get random weights of a trained model's kind.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.pages import write_between
from keras2torch import convert
from keras2torch.errors import RefusedFile, UnsupportedModel, one_line
from keras2torch.parity.learning import Learning, compare_learning
from keras2torch.parity.prepare import prepare
from keras2torch.parity.report import TensorFigures
from keras2torch.parity.verify import Verifier
from keras2torch.sandbox import Limits, Outcome

_PAGE = Path(__file__).parents[1] / "docs" / "training.md"
_START, _END = "<!-- train steps: made by python -m benchmarks.train_step -->", "<!-- end of train steps -->"
_LIMITS = Limits(wall_s=1800.0, memory_bytes=16 << 30)
_LONGEST_NOTE = 160
_HEAD = "| model | Keras | weights compared | furthest off | error there | differences |\n|---|---|---|---|---|---|"


@dataclass(frozen=True)
class Row:
    """What became of one model; `problem` where nothing was compared, or the step is another one."""

    model: str
    library: str = ""
    compared: int = 0
    worst: str = ""
    error: float = 0.0
    notes: Sequence[str] = ()
    problem: str | None = None
    converted: bool = True

    def __str__(self) -> str:
        notes = "; ".join(_note(note) for note in self.notes)
        if self.problem is not None:
            return f"| {self.model} | {self.library} | | | | **{_note(self.problem)}** |"
        error = f"{self.error:.1e}" if self.compared else ""
        worst = f"`{self.worst}`" if self.worst else ""
        return f"| {self.model} | {self.library} | {self.compared} | {worst} | {error} | {notes} |"


def _note(text: str) -> str:
    return one_line(text.replace("|", ","), limit=_LONGEST_NOTE)


def step(verifier: Verifier, name: str, source: Path) -> Row:
    """Convert `source`, and compare one step. Nothing else is verified."""
    with tempfile.TemporaryDirectory(prefix="train-step-") as folder:
        bundle, workdir = Path(folder) / "bundle", Path(folder) / "work"
        workdir.mkdir()
        try:
            convert(source, bundle)
        except (RefusedFile, UnsupportedModel) as error:
            return Row(name, problem=str(error), converted=False)
        plan = prepare(source, bundle, workdir)
        reasons: list[str] = []
        refused = ""
        for case in plan["cases"]:
            payload = {
                "workdir": str(workdir), "bundle": str(bundle), "case": case, "training": True, "gradients": False
            }  # fmt: skip
            outcome = _learn(verifier, "reference", plan["library"], payload)
            if outcome.error is None:
                break  # some inputs Keras itself refuses, for their size
            refused = str(outcome.error["message"])
        else:
            return Row(name, plan["library"], problem=f"Keras refuses every case: {refused}")
        reasons += [why for why in (outcome.result or {}).values() if why]
        outcome = _learn(verifier, "candidate", "torch", payload)
        if outcome.error is not None:
            return Row(name, plan["library"], problem=f"torch: {outcome.error['message']}")
        reasons += [why for why in (outcome.result or {}).values() if why]
        learnt = compare_learning(source, bundle, workdir, case, {"training": reasons})
        return _row(name, plan["library"], learnt)


def _learn(verifier: Verifier, side: str, server: str, payload: Mapping[str, Any]) -> Outcome:
    return verifier.sandboxes[server].run(
        f"keras2torch.parity.learning_{side}:run_learning_{side}",
        payload,
        workdir=Path(payload["workdir"]),
        limits=_LIMITS,
        readable=[Path(payload["bundle"])] if side == "candidate" else [],
    )


def _row(name: str, library: str, learnt: Learning) -> Row:
    figures = learnt.figures.get("training", ())
    weights = [each for each in figures if not each.name.startswith("output-")]
    failed = next(iter(learnt.failures), None)
    if not figures:
        return Row(name, library, problem="; ".join(learnt.notes) or "not compared")
    if not weights:
        return Row(name, library, notes=["nothing to train", *learnt.notes], problem=failed)
    worst = max(weights, key=_error)
    return Row(name, library, len(weights), worst.name, _error(worst), learnt.notes, failed)


def _error(figures: TensorFigures) -> float:
    return figures.structure.error


def _sources(models: Sequence[str]) -> Iterator[Path]:
    for model in models:
        path = Path(model)
        yield from sorted(path.rglob("*.h5")) if path.is_dir() else [path]


def rows(verifier: Verifier, arguments: argparse.Namespace) -> Iterator[Row]:
    for source in _sources(arguments.models):
        yield step(verifier, source.stem, source)
    for name in arguments.application:
        with tempfile.TemporaryDirectory(prefix="train-step-") as folder:
            source = Path(folder) / f"{name}.h5"
            payload = {
                "library": "keras",
                "architecture": name,
                "path": str(source),
                "size": arguments.size,
                "top": True,
            }
            outcome = verifier.sandboxes["keras"].run(
                "benchmarks.applications:build", payload, workdir=Path(folder), limits=_LIMITS
            )
            if outcome.error is not None:
                yield Row(name, "keras", problem=outcome.error["message"])
            else:
                yield step(verifier, name, source)


def _write(done: Sequence[Row]) -> None:
    """Put the rows into the table of the page: in the place of those of the same models, or behind all."""
    old = _PAGE.read_text(encoding="utf-8").partition(_START)[2].partition(_END)[0]
    lines = {_cells(line)[0]: line for line in old.splitlines() if line.startswith("| ")}
    lines.pop("model", None)
    lines |= {row.model: str(row) for row in done}
    cells = [_cells(line) for line in lines.values()]
    compared = [row for row in cells if row[2]]
    summary = (
        f"{len(compared)} of {len(lines)} models took Keras's step; {sum(int(row[2]) for row in compared):,} weights "
        f"and statistics were compared, the furthest off by {max(float(row[4]) for row in compared):.1e} of its scale."
    )
    table = "\n".join([_HEAD, *lines.values()])
    write_between(_PAGE, _START, _END, f"{summary}\n\n{table}")


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.train_step", description=__doc__.splitlines()[0]
    )
    parser.add_argument(
        "models",
        nargs="*",
        metavar="MODEL",
        help="a file, or a folder of .h5 files (what does not convert is left out)",
    )
    parser.add_argument(
        "--application", action="append", default=[], metavar="NAME", help="as ResNet50; may be repeated"
    )
    parser.add_argument(
        "--size", type=int, help="height and width of what applications take (default: theirs)"
    )
    parser.add_argument("--docs", action="store_true", help="write the table into docs/training.md")
    arguments = parser.parse_args()
    done: list[Row] = []
    print(_HEAD, flush=True)
    with Verifier() as verifier:
        for row in rows(verifier, arguments):
            if row.converted:
                done.append(row)
                print(row, flush=True)
            else:
                print(f"{row.model}: {row.problem}", file=sys.stderr)
    if arguments.docs:
        _write(done)
    return 1 if any(row.problem is not None for row in done) else 0


if __name__ == "__main__":
    sys.exit(main())
