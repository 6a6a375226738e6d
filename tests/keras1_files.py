"""Model files as Keras 1 wrote them: its spelling of configurations, its layout of weights."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.crafted import Config, Weights, write_model

Array = NDArray[np.float64]
Gate = tuple[Array, Array, Array]
"""(W, U, b) of one gate."""

RECURRENT = {
    "init": "glorot_uniform",
    "inner_init": "orthogonal",
    "activation": "tanh",
    "inner_activation": "hard_sigmoid",
    "go_backwards": False,
    "stateful": False,
    "unroll": False,
    "U_regularizer": None,
    "dropout_W": 0.5,
    "dropout_U": 0.1,
    "input_dim": None,
    "input_length": None,
}
"""What every recurrent layer says beside its size."""


def entry(class_name: str, name: str, *inbound: Any, **config: Any) -> Config:
    """A layer entry; only those of a Functional model have names and calls of their own."""
    plain: Config = {"class_name": class_name, "config": {"name": name, **config}}
    return (
        {**plain, "name": name, "inbound_nodes": list(inbound)}
        if inbound or class_name == "InputLayer"
        else plain
    )


def sequential(*layers: Config) -> Config:
    return {"class_name": "Sequential", "config": list(layers)}


def functional(
    layers: Sequence[Config], inputs: Sequence[str], output: tuple[str, int], *, name: str = "model_1"
) -> Config:
    ends = {"input_layers": [[each, 0, 0] for each in inputs], "output_layers": [[*output, 0]]}
    return {"class_name": "Model", "config": {"name": name, "layers": list(layers), **ends}}


def write(path: Path, config: Config, weights: Weights) -> Path:
    """A whole model; which backend trained it was not recorded."""
    return write_model(path, config, weights, keras_version="1.2.2", backend=None)


def stored_gates(name: str, each: Sequence[Gate], letters: str) -> dict[str, Array]:
    return {
        f"{name}_{role}_{letter}": array
        for letter, gate in zip(letters, each, strict=True)
        for role, array in zip("WUb", gate, strict=True)
    }
