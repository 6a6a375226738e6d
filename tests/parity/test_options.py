"""What may be asked of a conversion, proven: each option on a model that shows it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

import keras2torch
from keras2torch import convert
from keras2torch.parity.verify import Verifier
from tests.crafted import call, functional, layer, numbers, sequential, write_model


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
    weights: dict[str, dict[str, NDArray[Any]]] = {
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
    made = convert(source, tmp_path / "half", dtype="bfloat16", hub_mixin=True)
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


@pytest.fixture
def normalized(tmp_path: Path) -> Path:
    """Each kind of layer that takes a normalization in, and what none may be taken into."""
    image = {"kernel_size": 3, "padding": "same"}
    layers = [
        layer("InputLayer", "i", batch_input_shape=[None, 6, 5, 4]),
        layer("Conv2D", "conv", call("i"), filters=6, use_bias=False, groups=2, **image),
        layer("BatchNormalization", "conv_norm", call("conv"), epsilon=1e-5),
        layer("DepthwiseConv2D", "depth", call("conv_norm"), depth_multiplier=2, **image),
        layer("BatchNormalization", "depth_norm", call("depth"), scale=False),
        layer("BatchNormalization", "again", call("depth_norm"), center=False, trainable=False),
        layer("SeparableConv2D", "separable", call("again"), filters=4, **image),
        layer("BatchNormalization", "separable_norm", call("separable"), center=False, scale=False),
        layer("Conv2DTranspose", "up", call("separable_norm"), filters=5, strides=2, **image),
        layer("BatchNormalization", "up_norm", call("up")),
        # Read by two; with something between; behind no layer that could.
        layer("Conv2D", "read", call("up_norm"), filters=5, **image),
        layer("BatchNormalization", "read_norm", call("read")),
        layer("Add", "add", call("read", "read_norm")),
        layer("Conv2D", "active", call("add"), filters=3, activation="relu", **image),
        layer("BatchNormalization", "active_norm", call("active")),
        layer("BatchNormalization", "front", call("active_norm")),
        layer("Flatten", "flat", call("front")),
        layer("Dense", "dense", call("flat"), units=4),
        layer("BatchNormalization", "dense_norm", call("dense")),
        layer("Dense", "out", call("dense_norm"), units=2),
    ]
    described = functional(layers, [["i", 0, 0]], [["out", 0, 0]])
    norms = {
        "conv_norm": (6, 4), "depth_norm": (12, 3), "again": (12, 3), "separable_norm": (4, 2), "up_norm": (5, 4),
        "read_norm": (5, 4), "active_norm": (3, 4), "front": (3, 4), "dense_norm": (4, 4),
    }  # fmt: skip
    kernels: dict[str, list[tuple[int, ...]]] = {
        "conv": [(3, 3, 2, 6)], "depth": [(3, 3, 6, 2), (12,)], "separable": [(3, 3, 12, 1), (1, 1, 12, 4), (4,)],
        "up": [(3, 3, 5, 4), (5,)], "read": [(3, 3, 5, 5), (5,)], "active": [(3, 3, 5, 3), (3,)],
        "dense": [(360, 4), (4,)], "out": [(4, 2), (2,)],
    }  # fmt: skip
    weights = {
        name: {f"{n}:0": np.abs(numbers(size, seed=n)) + 0.1 for n in range(count)}
        for name, (size, count) in norms.items()
    }
    for name, shapes in kernels.items():
        weights[name] = {f"{n}:0": numbers(*shape, seed=n) / shape[0] for n, shape in enumerate(shapes)}
    return write_model(tmp_path / "n.h5", described, weights)


def test_normalizations_in_the_weights_before_them(
    normalized: Path, verifier: Verifier, tmp_path: Path
) -> None:
    made = convert(normalized, tmp_path / "b", fuse_batchnorm=True)
    source = (made.path / "model.py").read_text()
    taken = {"conv_norm", "depth_norm", "again", "separable_norm", "up_norm", "dense_norm"}
    left = {"read_norm", "active_norm", "front"}
    assert {name for name in taken | left if f"self.{name} = " in source} == left
    assert "bias=False" not in source.replace("self.separable_depthwise", "").split("self.depth")[0]
    assert "FrozenBatchNorm" not in source
    assert made.manifest["options"]["fuse_batchnorm"] is True
    assert any("6 of 9 batch normalizations are in the weights" in text for text in made.manifest["warnings"])
    names = {entry["keras_name"]: entry["torch_name"] for entry in made.manifest["layers"]}
    assert (names["conv_norm"], names["again"], names["front"]) == ("conv", "depth", "front")

    report = verifier.verify(made.path, normalized, training=True, gradients=True)
    assert report.passed, report.failures
    assert report.structure_error <= 1e-12
    assert set(report.fused) == taken
    seen = {figures.layer for figures in report.layers}
    assert seen >= {"conv_norm", "again", "separable_norm", "up_norm", "dense_norm", "read", "read_norm"}
    assert seen.isdisjoint({"conv", "depth", "depth_norm", "separable", "up", "dense"})
    assert not report.training
    assert not report.gradients
    assert sum("do not learn as they did" in warning for warning in report.warnings) == 2

    # What is stored is judged: a bias that is a rounding error off is not what was computed.
    tensors = load_file(made.path / "model.safetensors")
    tensors["up.bias"] = torch.nextafter(tensors["up.bias"], torch.tensor(torch.inf))
    save_file(tensors, made.path / "model.safetensors")
    report = verifier.verify(made.path, normalized)
    assert not report.passed
    assert report.first_departure is not None
    assert report.first_departure.layer == "up_norm"
