"""One sample of each library is really built, twice, in processes of their own."""

import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from samples import build, catalogue

ROOT = Path(__file__).resolve().parents[2]


def _build(name: str, out_dir: Path) -> Path:
    sample = catalogue.load()[name]
    subprocess.run(
        [sys.executable, "-m", "samples.build", sample.library, str(out_dir), name],
        cwd=ROOT,
        env=os.environ | build.quiet_environment(),
        capture_output=True,
        check=True,
        timeout=200,
    )
    return out_dir / sample.file_name


@pytest.mark.parametrize("name", ["credit_score", "twins"])
def test_a_sample_is_built_whole_and_the_same_every_time(name: str, tmp_path: Path) -> None:
    first = _build(name, tmp_path)
    assert list(tmp_path.iterdir()) == [first]
    once = first.read_bytes()
    assert _build(name, tmp_path).read_bytes() == once
    assert _values_of_a_new_layer(first) == []


def _values_of_a_new_layer(path: Path) -> list[str]:
    """Weights other than kernels that hold a zero or a one, which a converter could drop or swap unseen."""
    found = []

    def look(name: str, node: object) -> None:
        constant_at_first = isinstance(node, h5py.Dataset) and node.dtype.kind == "f" and "kernel" not in name
        if constant_at_first and np.isin(np.asarray(node), (0.0, 1.0)).any():
            found.append(name)

    with h5py.File(path) as file:
        file["model_weights"].visititems(look)
    return found
