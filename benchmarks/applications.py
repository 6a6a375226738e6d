"""Every architecture of keras.applications, from .h5 to verdict: `python -m benchmarks.applications`.

Each is built by `keras` and by `tf_keras`, with random weights and with BatchNorm statistics that no fresh model has,
saved as .h5, converted by the command as a process of its own, and verified. The weights are made here because the
published ones need a network; what converts with random numbers converts with trained ones.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from keras2torch.errors import Keras2TorchError
from keras2torch.parity.inputs import InputSpec, make_cases
from keras2torch.parity.verify import Verifier
from keras2torch.sandbox import Limits

# In a small process between: what a process holds before it becomes the command counts as the command's memory.
_MEASURE = """
import dataclasses, json, sys
from benchmarks.conversion import measure
print(json.dumps(dataclasses.asdict(measure(sys.argv[1:]))))
"""
LIBRARIES = ("keras", "tf_keras")
_BUILDING = Limits(wall_s=900.0, memory_bytes=12 << 30)
_VERIFYING = Limits(wall_s=3600.0, memory_bytes=16 << 30)


@dataclass(frozen=True, kw_only=True)
class Row:
    """What became of one model. `problem` is None for one that passed; the figures before it are then all there."""

    architecture: str
    library: str
    megabytes: float = 0.0
    convert_s: float = 0.0
    peak_mib: float = 0.0
    verify_s: float = 0.0
    structure_error: float | None = None
    deployment_error: float | None = None
    layers: int = 0
    problem: str | None = None

    def __str__(self) -> str:
        errors = [f"{x:.1e}" if x is not None else "-" for x in (self.structure_error, self.deployment_error)]
        return _line(
            self.architecture,
            self.library,
            f"{self.megabytes:.0f}",
            f"{self.convert_s:.2f}",
            f"{self.peak_mib:.0f}",
            f"{self.verify_s:.0f}",
            str(self.layers),
            *errors,
            self.problem or "passed",
        )


def _line(*cells: str) -> str:
    widths = (-20, -9, 5, 7, 6, 8, 7, 9, 9)
    start = "".join(f"{c:<{-w}}" if w < 0 else f"{c:>{w}}" for c, w in zip(cells[:-1], widths, strict=True))
    return f"{start}  {cells[-1]}"


def architectures(payload: Mapping[str, Any]) -> list[str]:
    """The names of the functions in `<library>.applications` that build a model. Runs in a sandbox child."""
    applications = importlib.import_module(payload["library"]).applications
    return sorted(
        name
        for name, value in vars(applications).items()
        if inspect.isfunction(value) and "include_top" in inspect.signature(value).parameters
    )


def build(payload: Mapping[str, Any]) -> None:
    """Save one architecture with random weights. Runs in a sandbox child."""
    keras = importlib.import_module(payload["library"])
    keras.utils.set_random_seed(0)
    settings: dict[str, Any] = {"weights": None}
    if payload["size"]:
        settings["input_shape"] = (payload["size"], payload["size"], 3)
    if not payload["top"]:
        settings["include_top"] = False
    model = getattr(keras.applications, payload["architecture"])(**settings)
    _make_trained(model)
    model.save(payload["path"])


def _make_trained(model: Any) -> None:
    """Give a fresh model what sets a trained one apart: scales, shifts, and statistics of its own activations.

    Statistics that do not fit make a deep model chaotic, in any library: EfficientNetV2S then moves by a millionth
    of its scale when its input moves by one rounding error, and no comparison of it measures anything.
    """
    rng = np.random.default_rng(0)
    for layer in model.layers:
        for variable in layer.weights:
            role = variable.name.split("/")[-1].split(":")[0]
            if role == "gamma":
                # As small as training leaves them: residual branches of size one add up to chaos of their own.
                variable.assign(rng.uniform(0.2, 0.6, variable.shape))
            elif role == "variance":
                variable.assign(rng.uniform(0.5, 1.5, variable.shape))
            elif role in {"beta", "bias", "mean"}:
                variable.assign(rng.normal(0.0, 0.1, variable.shape))
        if hasattr(layer, "finalize_state"):
            layer.finalize_state()  # a Normalization computes with copies of its weights
    normalizing = [layer for layer in model.layers if hasattr(layer, "moving_variance")]
    momenta = [layer.momentum for layer in normalizing]
    dropping = [layer for layer in model.layers if hasattr(layer, "rate")]
    rates = [layer.rate for layer in dropping]
    for layer in normalizing:
        layer.momentum = 0.0
        layer.fused = False  # tf_keras's fused kernel keeps n / (n - 1) times the variance that it divides by
    for layer in dropping:
        layer.rate = 0.0
    # What verifying feeds: activations far from what the statistics know grow by a factor with every block.
    spec = InputSpec("images", (None, *(n or 96 for n in model.input_shape[1:])), "float32")
    images = [case.arrays[0] for case in make_cases([spec], operations=0.0)]
    model(np.concatenate(images), training=True)
    for layer, momentum in zip(normalizing, momenta, strict=True):
        layer.momentum = momentum
    for layer, rate in zip(dropping, rates, strict=True):
        layer.rate = rate


def prove(
    verifier: Verifier, architecture: str, library: str, *, size: int | None, top: bool, suffix: str
) -> Row:
    """Build, convert and verify one architecture in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="applications-") as folder:
        source, bundle = Path(folder) / f"{architecture}{suffix}", Path(folder) / "bundle"
        payload = {
            "library": library,
            "architecture": architecture,
            "path": str(source),
            "size": size,
            "top": top,
        }
        outcome = verifier.sandboxes[library].run(
            "benchmarks.applications:build", payload, workdir=Path(folder), limits=_BUILDING
        )
        row = Row(architecture=architecture, library=library)
        if outcome.error is not None:
            return replace(row, problem=f"{library}: {outcome.error['message']}"[:200])
        row = replace(row, megabytes=source.stat().st_size / 1e6)
        command = [
            str(Path(sys.executable).with_name("keras2torch")),
            "convert",
            str(source),
            "-o",
            str(bundle),
        ]
        measured = subprocess.run(
            [sys.executable, "-c", _MEASURE, *command], check=False, capture_output=True, text=True
        )
        if measured.returncode:
            why = {_without_name(line) for line in measured.stderr.splitlines() if "keras2torch" in line}
            return replace(row, problem="; ".join(sorted(why))[:400])
        run = json.loads(measured.stdout)
        row = replace(row, convert_s=run["wall_s"], peak_mib=run["peak_mib"])
        started = time.perf_counter()
        try:
            report = verifier.verify(bundle, source, limits=_VERIFYING)
        except Keras2TorchError as error:
            return replace(row, problem=str(error)[:400])
        why_failed = "; ".join([*report.failures[:2], str(report.first_departure)])[:400]
        return replace(
            row,
            verify_s=time.perf_counter() - started,
            structure_error=report.structure_error,
            deployment_error=report.deployment_error,
            layers=len(report.layers),
            problem=None if report.passed else why_failed,
        )


def _without_name(line: str) -> str:
    """A reason without the file and the layer: a hundred layers have the same."""
    return line.split("(", 1)[-1]


def rows(verifier: Verifier, arguments: argparse.Namespace) -> Iterator[Row]:
    for library in arguments.library or LIBRARIES:
        with tempfile.TemporaryDirectory() as folder:
            listed = verifier.sandboxes[library].run(
                "benchmarks.applications:architectures", {"library": library}, workdir=Path(folder)
            )
        for name in arguments.architectures or listed.result:
            if name in listed.result:
                yield prove(
                    verifier,
                    name,
                    library,
                    size=arguments.size,
                    top=not arguments.no_top,
                    suffix=arguments.suffix,
                )


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.applications", description=__doc__.splitlines()[0]
    )
    parser.add_argument("architectures", nargs="*", metavar="ARCHITECTURE", help="as ResNet50 (default: all)")
    parser.add_argument("--library", action="append", choices=LIBRARIES, help="default: both")
    parser.add_argument(
        "--size", type=int, help="height and width of the input (default: the architecture's)"
    )
    parser.add_argument("--no-top", action="store_true", help="without the classifier")
    parser.add_argument(
        "--suffix", choices=(".h5", ".keras"), default=".h5", help="the format (default: .h5)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the table there too")
    arguments = parser.parse_args()
    done: list[Row] = []
    print(
        _line("architecture", "library", "MB", "conv s", "MiB", "prove s", "layers", "f64", "f32", ""),
        flush=True,
    )
    with Verifier() as verifier:
        for row in rows(verifier, arguments):
            done.append(row)
            print(row, flush=True)
            if arguments.json:
                arguments.json.write_text(
                    json.dumps([asdict(one) for one in done], indent=1) + "\n", encoding="utf-8"
                )
    failed = sum(row.problem is not None for row in done)
    print(f"{len(done) - failed} of {len(done)} passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
