"""Which models export to model.pt2 and model.onnx, and compile whole: `python -m benchmarks.exports`.

Every file is converted; in a confined child its module is exported, each file read back and run at two batches (and two
sizes, where some are open), and compared with the module. The third column is `torch.compile(fullgraph=True)` with the
backend "aot_eager", which is all of the compiler but the making of machine code. `--write` puts the table into
docs/exporting.md.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.pages import write_between
from keras2torch.conversion import convert
from keras2torch.errors import Keras2TorchError
from keras2torch.parity.verify import Verifier
from keras2torch.sandbox import Limits, Sandbox

FORMATS = ("pt2", "onnx", "compile")
PAGE = Path(__file__).parents[1] / "docs" / "exporting.md"
_BEGIN, _END = "<!-- table: python -m benchmarks.exports --write -->", "<!-- end of table -->"
_LIMITS = Limits(wall_s=240.0, memory_bytes=16 << 30)


@dataclass(frozen=True, kw_only=True)
class Row:
    """What became of one model: for each format the largest error relative to scale, or the reason."""

    origin: str
    model: str
    holds: str
    """The classes of its layers."""
    results: Mapping[str, float | str]
    seconds: float

    def cells(self) -> list[str]:
        shown = [
            result if isinstance(result, str) else f"{result:.0e}"
            for result in (self.results.get(name, "") for name in FORMATS)
        ]
        return [self.origin, self.model, self.holds, *shown]


def attempt(payload: Mapping[str, Any]) -> dict[str, float | str]:
    """Export and compile the module in `bundle`. Runs in a sandbox child."""
    import warnings

    import torch

    from keras2torch.exports.inside.blame import NotExportable
    from keras2torch.exports.inside.run import Subject

    torch.set_num_threads(1)
    bundle, workdir = Path(payload["bundle"]), Path(payload["workdir"])
    manifest = json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))
    found: dict[str, float | str] = {}
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            subject = Subject(bundle, manifest)
        except NotExportable as error:
            why = str(error).partition(": ")[2]
            return dict.fromkeys(FORMATS[:2], why)
        for name in FORMATS[:2]:
            try:
                entry = subject.write(name, workdir)
                found[name] = max(case["error"] for case in entry["compared"])
            except NotExportable as error:
                found[name] = str(error).partition(": ")[2]
            (workdir / f"model.{name}").unlink(missing_ok=True)
    return found


def compiled(payload: Mapping[str, Any]) -> float | str:
    """Compile the module in `bundle`, whole, and run it. Runs in a sandbox child."""
    import warnings

    import torch

    from keras2torch.exports.inside.comparing import Departs, error_between, flat
    from keras2torch.exports.inside.examples import BATCHES, Port, accepted_sizes, zeros
    from keras2torch.exports.inside.run import load_source

    torch.set_num_threads(1)
    torch._dynamo.config.allow_rnn = True  # its authors deem nn.LSTM and the like too slow to unroll
    bundle = Path(payload["bundle"])
    manifest = json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))
    arguments = manifest["model"]["arguments"]
    ports = [Port.of(entry, name) for entry, name in zip(manifest["inputs"], arguments, strict=True)]
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            model: torch.nn.Module = load_source(bundle / "model.py").load_model()
            sizes = accepted_sizes(model, ports)
            run = torch.compile(model, fullgraph=True, backend="aot_eager")
            errors = []
            for batch, size in zip(BATCHES, sizes, strict=True):
                inputs = zeros(ports, batch, size)
                inputs = tuple(
                    torch.randn(x.shape, generator=torch.Generator().manual_seed(0)).abs().to(x.dtype)
                    for x in inputs
                )
                errors.append(error_between(flat(model(*inputs)), flat(run(*inputs))))
        except Departs as error:
            return str(error)
        except Exception as error:  # noqa: BLE001  whatever it is, it is the answer
            return " ".join(str(error).split())[:160] or type(error).__name__
    return max(errors)


def judged(sandbox: Sandbox, origin: str, path: Path, folder: Path) -> Row | None:
    """The row of one file; None if it does not convert, which is another table's matter."""
    started = time.monotonic()
    bundle, workdir = folder / "bundle", folder / "work"
    workdir.mkdir(exist_ok=True)
    try:
        manifest = convert(path, bundle).manifest
    except Keras2TorchError:
        return None
    classes = sorted({layer["keras_class"] for layer in manifest["layers"]} - {"InputLayer"})
    results: dict[str, float | str] = {}
    for function in (attempt, compiled):
        outcome = sandbox.run(
            f"benchmarks.exports:{function.__name__}",
            {"bundle": str(bundle), "workdir": str(workdir)},
            workdir=workdir,
            limits=_LIMITS,
            readable=[bundle],
        )
        names = FORMATS[:2] if function is attempt else FORMATS[2:]
        if outcome.error is not None:
            results.update(dict.fromkeys(names, outcome.error["message"]))
        else:
            results.update(outcome.result if function is attempt else {names[0]: outcome.result})
    return Row(
        origin=origin,
        model=path.stem,
        holds=", ".join(classes),
        results=results,
        seconds=time.monotonic() - started,
    )


def by_classes(paths: Sequence[Path], most: int) -> list[Path]:
    """`most` of the files, each one next that has the most classes of layers which none before it had."""
    from keras2torch.inspection import inspect

    classes: dict[Path, set[str]] = {}
    for path in paths:
        try:
            found = inspect(path)
        except Keras2TorchError:
            continue
        if found.convertible:
            classes[path] = set(found.layers)
    chosen: list[Path] = []
    seen: set[str] = set()
    while classes and len(chosen) < most:
        path = max(classes, key=lambda path: (len(classes[path] - seen), -path.stat().st_size))
        seen |= classes.pop(path)
        chosen.append(path)
    return chosen


def rows(arguments: argparse.Namespace, done: Sequence[Row], folder: Path) -> Iterator[Row | None]:
    """A row for every model that was asked for and is not among those `done`; None for one that does not convert."""
    known = {(row.origin, row.model) for row in done}
    # All that a child would import, so that it need not.
    with (
        Sandbox(["keras2torch.exports.inside.onnx_file", "torch._dynamo"]) as sandbox,
        Verifier() as verifier,
    ):
        for path in sorted(arguments.samples.glob("*.h5")):
            if ("samples", path.stem) not in known:
                yield judged(sandbox, "samples", path, folder)
        for name in arguments.applications.split(",") if arguments.applications else ():
            if ("keras.applications", name) not in known:
                path = make_application(verifier, name, folder, arguments.size)
                yield judged(sandbox, "keras.applications", path, folder)
                path.unlink()
        if arguments.zoo:
            for path in by_classes(sorted(arguments.zoo.rglob("*.h5")), arguments.most):
                if ("public files", path.stem) not in known:
                    yield judged(sandbox, "public files", path, folder)


def make_application(verifier: Verifier, name: str, folder: Path, size: int | None) -> Path:
    """The path of one architecture of keras.applications with random weights, as `benchmarks.applications` has it."""
    path = folder / f"{name}.h5"
    payload = {"library": "keras", "architecture": name, "path": str(path), "size": size, "top": True}
    outcome = verifier.sandboxes["keras"].run(
        "benchmarks.applications:build", payload, workdir=folder, limits=_LIMITS
    )
    if outcome.error is not None:
        raise RuntimeError(f"{name}: {outcome.error['message']}")
    return path


def table(done: Sequence[Row]) -> list[str]:
    """The rows in Markdown. Names come from model files: they stand in code spans."""
    lines = ["| from | model | layers | pt2 | onnx | compile |", "|---|---|---|---|---|---|"]
    for row in done:
        origin, model, holds, *results = row.cells()
        shown = [result.replace("|", "\\|") for result in results]
        lines.append(f"| {origin} | `{model}` | {holds} | {' | '.join(shown)} |")
    return lines


def summary(done: Sequence[Row]) -> str:
    passed = {name: sum(not isinstance(row.results.get(name), str) for row in done) for name in FORMATS}
    return f"{len(done)} models: " + ", ".join(f"{name} {count}" for name, count in passed.items()) + "."


def write_page(done: Sequence[Row]) -> None:
    """Put the table into docs/exporting.md."""
    import torch

    found = f"Passed, of {summary(done)} torch {torch.__version__}."
    write_between(PAGE, _BEGIN, _END, "\n".join(["", found, "", *table(done), ""]))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.exports", description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=Path, default=Path("build/samples"), metavar="DIR")
    parser.add_argument(
        "--zoo", type=Path, metavar="DIR", help="more files, those with the most new layers first"
    )
    parser.add_argument("--most", type=int, default=40, help="how many of them (default: 40)")
    parser.add_argument("--applications", metavar="NAMES", help="of keras.applications, as ResNet50,VGG16")
    parser.add_argument("--size", type=int, help="height and width of their input (default: their own)")
    parser.add_argument(
        "--json",
        type=Path,
        metavar="FILE",
        help="write the rows there, and do not make anew those that are there already",
    )
    parser.add_argument("--write", action="store_true", help="put the table into docs/exporting.md")
    arguments = parser.parse_args()
    done: list[Row] = []
    if arguments.json and arguments.json.exists():
        done = [Row(**row) for row in json.loads(arguments.json.read_text(encoding="utf-8"))]
    with tempfile.TemporaryDirectory(prefix="exports-") as name:
        for row in rows(arguments, done, Path(name)):
            if row is None:
                continue
            done.append(row)
            print(f"{row.seconds:5.1f} s  {'  '.join(row.cells())}", flush=True)
            if arguments.json:
                text = json.dumps([asdict(one) for one in done], indent=1) + "\n"
                arguments.json.write_text(text, encoding="utf-8")
    print(f"Passed, of {summary(done)}")
    if arguments.write:
        write_page(done)
    return 0


if __name__ == "__main__":
    sys.exit(main())
