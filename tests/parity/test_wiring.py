"""Models whose wiring is the difficulty: shared layers, nested models, frozen parts; from .h5 to proof."""

from collections.abc import Mapping
from pathlib import Path

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
