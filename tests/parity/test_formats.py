"""The same models in Keras's other formats: `.keras` archives, and weights beside an architecture."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from keras2torch import convert
from keras2torch.parity.verify import Verifier
from keras2torch.sandbox import Sandbox

MODELS = ["nested", "recurrent", "menagerie", "wrapped"]


@pytest.mark.parametrize("library", ["keras", "tf_keras"])
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("suffix", [".keras", ".weights.h5"])
def test_the_bundle_computes_what_keras_computes(
    suffix: str,
    model: str,
    library: str,
    sandboxes: Mapping[str, Sandbox],
    verifier: Verifier,
    tmp_path: Path,
) -> None:
    prove(f"model{suffix}", model, library, sandboxes, verifier, tmp_path)


@pytest.mark.parametrize("model", MODELS)
def test_weights_as_keras_2_saved_them(
    model: str, sandboxes: Mapping[str, Sandbox], verifier: Verifier, tmp_path: Path
) -> None:
    prove("model.h5", model, "tf_keras", sandboxes, verifier, tmp_path)


def prove(
    name: str, model: str, library: str, sandboxes: Mapping[str, Sandbox], verifier: Verifier, folder: Path
) -> None:
    source = folder / name
    payload = {"library": library, "model": model, "path": str(source)}
    architecture = None
    if not name.endswith(".keras"):
        architecture = folder / "described.json"
        payload["architecture"] = str(architecture)
    outcome = sandboxes[library].run("tests.parity.keras_models:save", payload, workdir=folder)
    assert outcome.ok, outcome.log_tail
    bundle = convert(source, folder / "bundle", architecture=architecture).path
    if architecture is not None:
        # The bundle keeps what verifying needs.
        assert json.loads((bundle / "architecture.json").read_text()) == json.loads(architecture.read_text())
        architecture.unlink()
    report = verifier.verify(bundle, source)
    assert report.passed, [*report.failures, str(report.first_departure)]
    assert report.structure_error <= 1e-12
    assert report.layers
