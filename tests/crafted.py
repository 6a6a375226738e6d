"""Model files as Keras writes them, made without Keras: a configuration and arrays in, an `.h5` out.

Every test that needs a file of a certain shape, sound or not, crafts it here; h5py serves tests only.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

Config = dict[str, Any]
Weights = Mapping[str, Mapping[str, NDArray[Any]]]
"""Top-level layer -> weight name -> array, in stored order."""


def write_model(
    path: Path,
    config: Config | str | bytes,
    weights: Weights | None = None,
    *,
    keras_version: str | None = "2.15.0",
    backend: str | None = "tensorflow",
    vlen: bool = True,
    libver: str | None = None,
    edit: Callable[[h5py.File], object] | None = None,
) -> Path:
    """Write a whole model to `path`; `edit` may then do to the file whatever it likes.

    `vlen`: names as variable-length strings (h5py 3) or fixed-length ones (older writers).
    """
    with h5py.File(path, "w", libver=libver) as file:
        file.attrs["model_config"] = json.dumps(config) if isinstance(config, dict) else config
        group = file.create_group("model_weights")
        for place in (file, group):
            if keras_version is not None:
                place.attrs["keras_version"] = keras_version
            if backend is not None:
                place.attrs["backend"] = backend
        weights = weights if weights is not None else {}
        group.attrs["layer_names"] = names(weights, vlen=vlen)
        for layer, arrays in weights.items():
            owner = group.create_group(layer)
            owner.attrs["weight_names"] = names(arrays, vlen=vlen)
            for name, array in arrays.items():
                owner.create_dataset(name, data=array)
        if edit is not None:
            edit(file)
    return path


def write_weights(
    path: Path, layers: Mapping[str, Sequence[NDArray[Any]]], version: str | None = "2.2.4"
) -> Path:
    """What `model.save_weights` gives: the weights of each top-level layer, in order; no version: Keras 1."""
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = names(list(layers))
        if version:
            file.attrs["keras_version"] = version
            file.attrs["backend"] = "tensorflow"
        for name, arrays in layers.items():
            owner = file.create_group(name)
            owner.attrs["weight_names"] = names([f"{name}/w{number}:0" for number in range(len(arrays))])
            for number, array in enumerate(arrays):
                owner.create_dataset(f"{name}/w{number}:0", data=array)
    return path


def names(items: Sequence[str] | Mapping[str, Any], *, vlen: bool = True) -> NDArray[Any]:
    """A list of names as an attribute; the empty one is an array of floats, as numpy makes of it."""
    if not items:
        return np.asarray([])
    if vlen:
        return np.asarray(list(items), dtype=h5py.string_dtype())
    return np.asarray([item.encode() for item in items])


def layer(class_name: str, name: str, *inbound: Any, **config: Any) -> Config:
    """A layer entry; `inbound` are its saved calls, one each, as the generation spells them."""
    return {
        "class_name": class_name,
        "name": name,
        "config": {"name": name, **config},
        "inbound_nodes": list(inbound),
    }


def sequential(*layers: Config, name: str = "sequential", **config: Any) -> Config:
    return {"class_name": "Sequential", "config": {"name": name, "layers": list(layers), **config}}


def functional(
    layers: Sequence[Config],
    inputs: Any,
    outputs: Any,
    *,
    name: str = "model",
    class_name: str = "Functional",
    **config: Any,
) -> Config:
    """A Functional model; `inputs` and `outputs` stand as they are given."""
    ends = {"input_layers": inputs, "output_layers": outputs}
    return {"class_name": class_name, "config": {"name": name, "layers": list(layers), **ends, **config}}


def nested(entry: Config, *inbound: Any) -> Config:
    """A model as a layer entry of another."""
    return {**entry, "name": entry["config"]["name"], "inbound_nodes": list(inbound)}


def call(*tensors: Any, **kwargs: Any) -> list[Any]:
    """One saved call in tf.keras's spelling: `call("a", ("b", 1), ("c", 0, 2))`."""
    return [[*_reference(tensor), kwargs] for tensor in tensors]


def call3(*args: Any, **kwargs: Any) -> Config:
    """One saved call in Keras 3's spelling; tensors are made by `tensor3`."""
    return {"args": list(args), "kwargs": kwargs}


def tensor3(name: str, node: Any = 0, tensor: Any = 0) -> Config:
    config = {"shape": [None, 4], "dtype": "float32", "keras_history": [name, node, tensor]}
    return {"class_name": "__keras_tensor__", "config": config}


def _reference(tensor: str | tuple[Any, ...]) -> list[Any]:
    name, *rest = (tensor,) if isinstance(tensor, str) else tensor
    return [name, *rest, *(0 for _ in range(2 - len(rest)))]


def numbers(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def dense_model(path: Path, **options: Any) -> Path:
    """The smallest model there is: Dense(2) on three features."""
    config = sequential(layer("Dense", "dense", units=2, use_bias=True, batch_input_shape=[None, 3]))
    weights = {"dense": {"dense/kernel:0": numbers(3, 2), "dense/bias:0": numbers(2, seed=1)}}
    return write_model(path, options.pop("config", config), options.pop("weights", weights), **options)
