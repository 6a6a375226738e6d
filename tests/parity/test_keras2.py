"""Files of Keras 2 and of early tf.keras as no library at hand writes them any more, from .h5 to verdict."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from keras2torch.parity.report import ParityReport
from keras2torch.parity.verify import Verifier
from tests.crafted import Config, call, functional, layer, nested, numbers, sequential, write_model
from tests.parity.judging import prove

MOMENTS = ("moving_mean", "moving_variance")


def judge(
    verifier: Verifier, folder: Path, config: Config, weights: dict[str, Any], version: str = "2.2.4"
) -> ParityReport:
    report = prove(write_model(folder / "m.h5", config, weights, keras_version=version), verifier, folder)
    assert report.structure_error <= 1e-12
    assert not report.constructed
    return report


def dense(name: str, *inbound: Any, **config: Any) -> Config:
    return layer("Dense", name, *inbound, units=3, activation="tanh", use_bias=True, **config)


def norm(name: str, *inbound: Any, **config: Any) -> Config:
    settings = {"axis": -1, "momentum": 0.99, "epsilon": 0.001, "center": True, "scale": True}
    return layer("BatchNormalization", name, *inbound, **settings, **config)


def stored(*paths: str) -> dict[str, NDArray[Any]]:
    """Weights of three features each in the order of these names, no two alike, variances above 0."""
    arrays: dict[str, NDArray[Any]] = {}
    for number, path in enumerate(paths):
        array = numbers(*((3, 3) if path.endswith("kernel") else (3,)), seed=number)
        arrays[f"{path}:0"] = np.abs(array) + np.float32(0.5) if path.endswith("variance") else array
    return arrays


def test_sequentials_that_are_lists(verifier: Verifier, tmp_path: Path) -> None:
    """Up to Keras 2.2.2; the model inside is called as its group, and its BatchNormalization stands first."""
    inner: Config = {
        "class_name": "Sequential",
        "config": [norm("n", batch_input_shape=[None, 3]), dense("d")],
    }
    config: Config = {
        "class_name": "Sequential",
        "config": [dense("first", batch_input_shape=[None, 3], dtype="float32"), inner, dense("last")],
    }
    weights = {
        "first": stored("first/kernel", "first/bias"),
        "sequential_2": stored("n/gamma", "n/beta", "d/kernel", "d/bias", *(f"n/{each}" for each in MOMENTS)),
        "last": stored("last/kernel", "last/bias"),
    }
    report = judge(verifier, tmp_path, config, weights, "2.1.3")
    assert {figures.layer for figures in report.layers} == {
        "first",
        "sequential_2/n",
        "sequential_2/d",
        "last",
    }


FROZEN_BOX = ["n/gamma", "n/beta", "d/kernel", "d/bias", "m/gamma", "m/beta",
              *(f"n/{each}" for each in MOMENTS), *(f"m/{each}" for each in MOMENTS)]  # fmt: skip
FROZEN_LAYERS = ["m/gamma", "m/beta", "n/gamma", "n/beta", *(f"n/{each}" for each in MOMENTS),
                 "d/kernel", "d/bias", *(f"m/{each}" for each in MOMENTS)]  # fmt: skip


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize(("flags", "order"), [({}, FROZEN_BOX), ({"n": False, "d": False}, FROZEN_LAYERS)])
def test_a_frozen_part_of_a_model(
    flags: dict[str, bool], order: list[str], named: bool, verifier: Verifier, tmp_path: Path
) -> None:
    """Keras 2 said of layers that they are frozen, but not of models; names of weights may tell nothing."""
    block = functional(
        [
            layer("InputLayer", "x", batch_input_shape=[None, 3], dtype="float32", sparse=False),
            norm("n", call("x"), trainable=flags.get("n", True)),
            dense("d", call("n"), trainable=flags.get("d", True)),
            norm("m", call("d")),
        ],
        [["x", 0, 0]],
        [["m", 0, 0]],
        name="block",
        class_name="Model",
    )
    config = functional(
        [
            layer("InputLayer", "in", batch_input_shape=[None, 3], dtype="float32", sparse=False),
            # The second call on what the first gave; calls of a model count from 1.
            nested(block, call("in"), call(("block", 1))),
            dense("head", call(("block", 2))),
        ],
        [["in", 0, 0]],
        [["head", 0, 0]],
        class_name="Model",
    )
    arrays = stored(*order)
    if not named:
        arrays = {f"w_{number}": array for number, array in enumerate(arrays.values())}
    judge(verifier, tmp_path, config, {"block": arrays, "head": stored("head/kernel", "head/bias")})


@pytest.mark.parametrize(
    ("dtype", "warns"),
    [
        ({"class_name": "PolicyV1", "config": {"name": "float32", "loss_scale": None}}, False),
        ({"class_name": "Policy", "config": {"name": "float32"}}, False),
        ({"class_name": "Policy", "config": {"name": "infer"}}, False),
        ("infer", False),
        ({"class_name": "Policy", "config": {"name": "mixed_float16", "loss_scale": {
            "class_name": "DynamicLossScale",
            "config": {"initial_loss_scale": 32768.0, "increment_period": 2000, "multiplier": 2.0}}}}, True),
        ({"class_name": "PolicyV1", "config": {"name": "mixed_bfloat16", "loss_scale": None}}, True),
    ],
)  # fmt: skip
def test_types_as_policies_of_old(
    dtype: Config | str, warns: bool, verifier: Verifier, tmp_path: Path
) -> None:
    """TensorFlow 2.1 to 2.3 wrote objects where names of types stood before and after."""
    config = sequential(
        layer("InputLayer", "x", batch_input_shape=[None, 3], dtype="float32", sparse=False, ragged=False),
        dense("d", dtype=dtype),
        norm("n", dtype=dtype),
    )
    weights = {
        "d": stored("d/kernel", "d/bias"),
        "n": stored("n/gamma", "n/beta", *(f"n/{each}" for each in MOMENTS)),
    }
    report = judge(verifier, tmp_path, config, weights, "2.2.4-tf")
    assert {figures.layer for figures in report.layers} == {"d", "n"}
    text = (tmp_path / "bundle" / "manifest.json").read_text()
    assert ("converted as float32" in text) is warns


def test_states_that_last(verifier: Verifier, tmp_path: Path) -> None:
    """Keras 2's spelling of a recurrent layer whose states outlive a call; the batch is part of the model."""
    common = {"units": 3, "return_state": False, "go_backwards": False, "unroll": False, "use_bias": True,
              "activation": "tanh", "recurrent_activation": "hard_sigmoid", "implementation": 1,
              "dropout": 0.0, "recurrent_dropout": 0.0, "stateful": True}  # fmt: skip
    config = sequential(
        layer(
            "LSTM", "l", **common, unit_forget_bias=True, return_sequences=True, batch_input_shape=[4, 5, 3]
        ),
        layer("GRU", "g", **common, return_sequences=False, reset_after=False),
    )
    weights = {
        name: {
            f"{name}/kernel:0": numbers(3, 3 * gates),
            f"{name}/recurrent_kernel:0": numbers(3, 3 * gates, seed=1),
            f"{name}/bias:0": numbers(3 * gates, seed=2),
        }
        for name, gates in (("l", 4), ("g", 3))
    }
    judge(verifier, tmp_path, config, weights, "2.3.1")


def test_what_keras2_kept_of_keras1(verifier: Verifier, tmp_path: Path) -> None:
    """Its legacy layers, which write the options they had."""
    plain = {
        "init": "glorot_uniform",
        "activation": "tanh",
        "bias": True,
        "W_regularizer": None,
        "input_dim": None,
    }
    merged: Config = {"mode_type": "raw", "output_shape": None, "output_mask": None, "arguments": {}}
    layers = [
        layer("InputLayer", "x", batch_input_shape=[None, 3]),
        layer("Highway", "way", call("x"), transform_bias=-2, **plain),
        layer("MaxoutDense", "most", call("x"), output_dim=3, nb_feature=2, init="glorot_uniform", bias=True),
        layer("Merge", "dot", call("way", "most"), mode="dot", concat_axis=-1, dot_axes=-1, **merged),
        layer(
            "Merge", "all", call("way", "most", "dot"), mode="concat", concat_axis=-1, dot_axes=-1, **merged
        ),
    ]
    config = functional(layers, [["x", 0, 0]], [["all", 0, 0]])
    weights = {
        "way": {"way_W:0": numbers(3, 3), "way_W_carry:0": numbers(3, 3, seed=1),
                "way_b:0": numbers(3, seed=2), "way_b_carry:0": numbers(3, seed=3)},
        "most": {"most_W:0": numbers(2, 3, 3, seed=4), "most_b:0": numbers(2, 3, seed=5)},
    }  # fmt: skip
    report = prove(write_model(tmp_path / "m.h5", config, weights, keras_version="2.1.3"), verifier, tmp_path)
    assert report.structure_error <= 1e-12
    assert {each.layer for each in report.constructed} >= {"way", "most"}
