"""Small Keras files for the fleet's tests, written without Keras, so that no test waits for TensorFlow."""

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np


def dense(path: Path, *, units: int = 3, inputs: int = 4, seed: int = 0) -> Path:
    """A Sequential of two Dense layers as Keras 2 saved it; `seed` makes contents differ."""
    layers = [_dense_config("hidden", units, "relu", [None, inputs]), _dense_config("out", 2, "linear")]
    numbers = np.random.default_rng(seed)
    weights = {
        "hidden": [numbers.normal(size=(inputs, units)), numbers.normal(size=units)],
        "out": [numbers.normal(size=(units, 2)), numbers.normal(size=2)],
    }
    return write(path, layers, weights)


def unsupported(path: Path) -> Path:
    """A model with a layer nobody here has heard of."""
    layers = [
        _dense_config("hidden", 3, "relu", [None, 4]),
        {"class_name": "Wizardry", "config": {"name": "trick", "trainable": True, "dtype": "float32"}},
    ]
    return write(path, layers, {"hidden": [np.ones((4, 3)), np.ones(3)], "trick": []})


def corrupt(path: Path) -> Path:
    """A file that is not HDF5."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"this is no HDF5 file\n" * 20)
    return path


def write(path: Path, layers: list[dict[str, Any]], weights: dict[str, list[Any]]) -> Path:
    """A Sequential model of these layer configurations."""
    path.parent.mkdir(parents=True, exist_ok=True)
    config = {"class_name": "Sequential", "config": {"name": "sequential_1", "layers": layers}}
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"] = b"2.2.4"
        file.attrs["backend"] = b"tensorflow"
        file.attrs["model_config"] = json.dumps(config).encode()
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = [name.encode() for name in weights]
        group.attrs["backend"] = b"tensorflow"
        group.attrs["keras_version"] = b"2.2.4"
        for layer, arrays in weights.items():
            own = group.create_group(layer)
            names = [f"{layer}/{kind}:0" for kind in ("kernel", "bias")[: len(arrays)]]
            own.attrs["weight_names"] = [name.encode() for name in names]
            for name, array in zip(names, arrays, strict=True):
                own.create_dataset(name, data=np.asarray(array, dtype="float32"))
    return path


def _dense_config(
    name: str, units: int, activation: str, batch_input_shape: list[int | None] | None = None
) -> dict[str, Any]:
    config: dict[str, Any] = {
        "name": name,
        "trainable": True,
        "units": units,
        "activation": activation,
        "use_bias": True,
        "kernel_initializer": {"class_name": "Zeros", "config": {}},
        "bias_initializer": {"class_name": "Zeros", "config": {}},
        "kernel_regularizer": None,
        "bias_regularizer": None,
        "activity_regularizer": None,
        "kernel_constraint": None,
        "bias_constraint": None,
    }
    if batch_input_shape is not None:
        config = {"batch_input_shape": batch_input_shape, "dtype": "float32", **config}
    return {"class_name": "Dense", "config": config}
