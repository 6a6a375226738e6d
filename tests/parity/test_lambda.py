"""Lambda layers: their functions called by Keras, read from bytecode, converted and proven."""

from collections.abc import Mapping
from pathlib import Path

import pytest

import keras2torch
from keras2torch.inspection import inspect
from keras2torch.parity.verify import Verifier
from keras2torch.sandbox import Sandbox
from tests.parity.lambda_models import cases

LIBRARIES = ["keras", "tf_keras"]


@pytest.mark.parametrize("library", LIBRARIES)
def test_expressions_compute_what_keras_computes(
    library: str, sandboxes: Mapping[str, Sandbox], tmp_path: Path
) -> None:
    """The functions are called here, so that nothing of how they are read stands on both sides."""
    outcome = sandboxes[library].run(
        "tests.parity.lambda_models:compare_with_calls", {"library": library}, workdir=tmp_path
    )
    assert outcome.ok, outcome.log_tail
    assert len(outcome.result) == len(cases(library))
    assert {source: error for source, error in outcome.result.items() if error > 1e-7} == {}


@pytest.mark.parametrize("library", LIBRARIES)
def test_expressions_are_converted_and_proven(
    library: str, sandboxes: Mapping[str, Sandbox], verifier: Verifier, tmp_path: Path
) -> None:
    model = tmp_path / "model.h5"
    outcome = sandboxes[library].run(
        "tests.parity.lambda_models:save", {"library": library, "path": str(model)}, workdir=tmp_path
    )
    assert outcome.ok, outcome.log_tail
    bundle = keras2torch.convert(model, tmp_path / "bundle").path
    report = verifier.verify(bundle, model)
    assert report.passed, report.failures
    assert report.structure_error <= 1e-12
    expected = [name for name, *_ in cases(library)] + ["dense"] * (library == "keras")
    assert {entry.layer for entry in report.constructed} == set(expected)
    warnings = inspect(model).warnings
    assert "image_0 (Lambda): read from its bytecode as x / 127.5 - 1.0: check" in warnings[0]
    assert len(warnings) == len(expected)
