"""How long `keras2torch convert` takes as a whole process, and how much memory: `python -m benchmarks.conversion`.

The peer in the same run is the least that any converter must do: read every weight, transpose kernels, hash source and
result, write. Machines differ and are shared, so the ratio of the two is the figure to quote.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

_MODELS = {"resnet50": "ResNet50", "vgg16": "VGG16"}
_BUILD = """
import sys, keras, numpy as np
model = getattr(keras.applications, sys.argv[1])(weights=None)
rng = np.random.default_rng(0)
for variable in model.weights:
    variable.assign(rng.standard_normal(variable.shape, np.float32) ** 2 + 0.1)
model.save(sys.argv[2])
"""
_BARE = """
import hashlib, sys, threading
import numpy as np, pyfive

source, target = sys.argv[1:]

def hash_source():
    digest = hashlib.sha256()
    with open(source, "rb") as file:
        while block := file.read(4 << 20):
            digest.update(block)

hashing = threading.Thread(target=hash_source)
hashing.start()
digest = hashlib.sha256()
with open(target, "wb") as out:
    group = pyfive.File(source)["model_weights"]
    for layer in group.attrs["layer_names"]:
        layer = group[layer if isinstance(layer, str) else layer.decode()]
        for name in layer.attrs["weight_names"]:
            array = layer[name if isinstance(name, str) else name.decode()][:]
            if array.ndim == 4:
                array = array.transpose(3, 2, 0, 1)
            elif array.ndim == 2:
                array = array.T
            data = np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
            out.write(data)
            digest.update(data)
hashing.join()
"""


@dataclass(frozen=True)
class Run:
    """One whole process: seconds of wall clock and of processor, and peak resident memory in MiB."""

    wall_s: float
    cpu_s: float
    peak_mib: float


def measure(command: list[str]) -> Run:
    """Run `command` to its end. Raises `CalledProcessError` if it fails."""
    started = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    wall = time.perf_counter() - started
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise subprocess.CalledProcessError(child.returncode, command)
    return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.conversion", description=__doc__.splitlines()[0]
    )
    parser.add_argument(
        "models", nargs="*", default=[], metavar="MODEL", help=f"of {', '.join(_MODELS)} (default: all)"
    )
    parser.add_argument("--runs", type=int, default=5, help="counted runs of each (default: 5)")
    parser.add_argument(
        "--cache", type=Path, default=Path("build/benchmarks"), help="where the .h5 files are kept"
    )
    arguments = parser.parse_args()
    arguments.cache.mkdir(parents=True, exist_ok=True)
    print(
        f"{'model':<10}{'MB':>6}  {'wall s':>16}  {'cpu s':>7}  {'peak MiB':>8}  {'bare wall s':>11}  {'ratio':>5}"
    )
    for name in arguments.models or _MODELS:
        source = arguments.cache / f"{name}.h5"
        if not source.exists():
            _build(_MODELS[name], source)
        print(_row(name, source, arguments.runs), flush=True)
    return 0


def _build(architecture: str, source: Path) -> None:
    partial = source.with_name(f"partial-{source.name}")
    environment = os.environ | {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-W", "ignore", "-c", _BUILD, architecture, str(partial)]
    subprocess.run(command, check=True, env=environment, stderr=subprocess.DEVNULL)
    partial.rename(source)


def _row(name: str, source: Path, runs: int) -> str:
    with tempfile.TemporaryDirectory() as folder:
        convert = [
            str(Path(sys.executable).with_name("keras2torch")),
            "convert",
            str(source),
            "-o",
            f"{folder}/bundle",
        ]
        bare = [sys.executable, "-c", _BARE, str(source), f"{folder}/bare"]
        ours, theirs = [], []
        measure(convert), measure(bare)  # warms the page cache
        for _ in range(runs):
            ours.append(measure(convert))
            theirs.append(measure(bare))
    wall = [run.wall_s for run in ours]
    ratio = statistics.median(a.wall_s / b.wall_s for a, b in zip(ours, theirs, strict=True))
    return (
        f"{name:<10}{source.stat().st_size / 1e6:>6.0f}  "
        f"{min(wall):>5.2f} {statistics.median(wall):>4.2f} {max(wall):>5.2f}  "
        f"{statistics.median(run.cpu_s for run in ours):>7.2f}  {max(run.peak_mib for run in ours):>8.0f}  "
        f"{statistics.median(run.wall_s for run in theirs):>11.2f}  {ratio:>5.2f}"
    )


if __name__ == "__main__":
    sys.exit(main())
