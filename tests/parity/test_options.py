"""What may be asked of a conversion, proven: each option on a model that shows it."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import keras2torch
from keras2torch import convert
from keras2torch.parity.verify import Verifier
from tests.crafted import layer, numbers, sequential, write_model


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A network of convolutions whose weights are far from what few bits can hold."""
    described = sequential(
        layer("Conv2D", "conv", filters=4, kernel_size=3, padding="same", batch_input_shape=[None, 6, 5, 3]),
        layer("BatchNormalization", "norm"),
        layer("Activation", "relu", activation="relu"),
        layer("Reshape", "rows", target_shape=[6, 20]),
        layer("GRU", "gru", units=3, reset_after=True, activation="tanh", recurrent_activation="sigmoid"),
        layer("Dense", "dense", units=2),
    )
    weights = {
        "conv": {"conv/kernel:0": numbers(3, 3, 3, 4), "conv/bias:0": numbers(4)},
        "norm": {f"norm/{n}:0": np.abs(numbers(4, seed=n)) + 0.1 for n in range(4)},
        "gru": {"kernel:0": numbers(20, 9), "recurrent:0": numbers(3, 9), "bias:0": numbers(2, 9)},
        "dense": {"dense/kernel:0": numbers(3, 2), "dense/bias:0": numbers(2)},
    }
    return write_model(tmp_path / "m.h5", described, weights)


def test_rounded_weights_compute_what_keras_computes_with_them(
    source: Path, verifier: Verifier, tmp_path: Path
) -> None:
    whole = convert(source, tmp_path / "whole").manifest["parameters"]
    made = convert(source, tmp_path / "half", dtype="bfloat16")
    assert made.manifest["options"]["dtype"] == "bfloat16"
    assert made.manifest["parameters"]["count"] == whole["count"]
    assert made.manifest["parameters"]["bytes"] < 0.52 * whole["bytes"]
    assert "Weights are stored as bfloat16" in (made.path / "README.md").read_text()
    assert {entry["dtype"] for entry in made.manifest["weights"]} == {"bfloat16", "int64"}

    report = verifier.verify(made.path, source)
    assert report.passed, report.failures
    assert report.structure_error <= 1e-12
    (output,) = report.outputs
    # Eight bits of mantissa cost about 2^-9 of each number.
    assert output.rounding_error is not None
    assert 1e-4 < output.rounding_error < 0.1
    assert any("weights rounded to bfloat16 move it by" in warning for warning in report.warnings)

    x = torch.randn(2, 3, 6, 5, generator=torch.Generator().manual_seed(0))
    model = keras2torch.load(made.path)
    assert model(x).dtype == torch.float32
    low = keras2torch.load(made.path, dtype=torch.bfloat16)(x.bfloat16())
    assert low.dtype == torch.bfloat16
    torch.testing.assert_close(low.float(), model(x), atol=0.1, rtol=0.1)

    # The reference must have rounded weights because the bundle says so, or this proves nothing.
    manifest = json.loads((made.path / "manifest.json").read_text())
    del manifest["options"]["dtype"]
    (made.path / "manifest.json").write_text(json.dumps(manifest))
    report = verifier.verify(made.path, source)
    assert not report.passed
    assert report.first_departure is not None
    assert report.first_departure.layer == "conv"
    assert report.outputs[0].rounding_error is None
