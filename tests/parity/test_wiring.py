"""Models whose wiring is the difficulty: shared layers, nested models, frozen parts; from .h5 to proof."""

from collections.abc import Mapping
from pathlib import Path

import h5py
import pytest

from keras2torch import convert
from keras2torch.parity.verify import Verifier
from keras2torch.sandbox import Sandbox
from tests.parity.keras_models import BUILDERS


@pytest.mark.parametrize("library", ["keras", "tf_keras"])
@pytest.mark.parametrize("model", BUILDERS)
def test_the_bundle_computes_what_keras_computes(
    library: str, model: str, sandboxes: Mapping[str, Sandbox], verifier: Verifier, tmp_path: Path
) -> None:
    source = tmp_path / "model.h5"
    payload = {"library": library, "model": model, "path": str(source)}
    outcome = sandboxes[library].run("tests.parity.keras_models:save", payload, workdir=tmp_path)
    assert outcome.ok, outcome.log_tail
    bundle = convert(source, tmp_path / "bundle").path
    report = verifier.verify(bundle, source)
    assert report.passed, [*report.failures, str(report.first_departure)]
    assert report.structure_error <= 1e-12
    assert report.layers


@pytest.mark.parametrize("library", ["keras", "tf_keras"])
def test_the_longest_names_do_come_in_several_attributes(
    library: str, sandboxes: Mapping[str, Sandbox], tmp_path: Path
) -> None:
    """Or else the model above would prove nothing about them."""
    payload = {"library": library, "model": "long_names", "path": str(tmp_path / "model.h5")}
    assert sandboxes[library].run("tests.parity.keras_models:save", payload, workdir=tmp_path).ok
    with h5py.File(tmp_path / "model.h5") as file:
        weights = file["model_weights"]
        inner = [group for group in weights.values() if "weight_names0" in group.attrs]
        assert {"layer_names0", "layer_names1"} <= set(weights.attrs)
        assert ["weight_names1" in group.attrs for group in inner] == [True]
