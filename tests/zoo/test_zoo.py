"""Every file of a zoo (`K2T_ZOO=FOLDER make test PYTEST=tests/zoo`): proven, or refused with a precise reason.

The folder holds models anywhere below it and a `catalog.json`: a list of objects with `file`, and `golden` where
another library's outputs were recorded (an HDF5 file with groups `inputs` and `predictions`).
"""

import json
import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch

import keras2torch
from keras2torch.errors import RefusedFile, UnsupportedModel
from keras2torch.options import BACKENDS, STYLES
from keras2torch.parity.verify import Verifier

ZOO = Path(os.environ["K2T_ZOO"])
CATALOG = json.loads((ZOO / "catalog.json").read_text())


@pytest.mark.parametrize("entry", CATALOG, ids=lambda entry: entry["file"])
@pytest.mark.parametrize("style", STYLES)
def test_file_is_proven_or_refused(
    style: str, entry: dict[str, Any], verifier: Verifier, tmp_path: Path
) -> None:
    source = ZOO / entry["file"]
    try:
        bundles = [keras2torch.convert(source, tmp_path / "bundle", style=style).path]
    except UnsupportedModel as refusal:
        print("refused:", *refusal.reasons, sep="\n  ")
        if not any("--backend" in reason.message for reason in refusal.reasons):
            return
        # Whoever knows which it was must be served: the evidence is against that backend's meaning, so either can hold.
        bundles = [
            keras2torch.convert(source, tmp_path / name, backend=name, style=style).path for name in BACKENDS
        ]
    except RefusedFile as refusal:
        print("refused:", refusal)
        return
    for bundle in bundles:
        report = verifier.verify(bundle, source)
        assert report.passed, [*report.failures, str(report.first_departure)]
        print(f"proven: {report.structure_error:.1e} float64, {report.deployment_error:.1e} float32")


# torch says that "same" padding with an even kernel costs a copy, which it does in Keras too.
@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths:UserWarning")
@pytest.mark.parametrize(
    "entry", [entry for entry in CATALOG if entry.get("golden")], ids=lambda entry: entry["file"]
)
def test_outputs_are_those_recorded(entry: dict[str, Any], tmp_path: Path) -> None:
    bundle = keras2torch.convert(ZOO / entry["file"], tmp_path / "bundle", io_layout="keras").path
    model = keras2torch.load(bundle, dtype=torch.float64)
    manifest = json.loads((bundle / "manifest.json").read_text())
    with h5py.File(ZOO / entry["golden"]) as golden:
        inputs = [np.asarray(golden["inputs"][port["name"]]) for port in manifest["inputs"]]
        expected = [np.asarray(array) for array in golden["predictions"].values()]
    with torch.inference_mode():
        outputs = model(*(torch.from_numpy(array).double() for array in inputs))
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    for actual, recorded in zip(outputs, expected, strict=True):
        # The recording is float32, so this is as far as it can tell.
        np.testing.assert_allclose(actual.numpy(), recorded, atol=1e-6 * np.abs(recorded).max())
