"""Rewrites of a model configuration: plain functions from dicts to dicts, for the reference.

A configuration is a tree of `{"class_name": ..., "config": {...}}`; each function here walks all of it and
returns a new tree. They know the spelling of Keras and nothing of its code.
"""

from collections.abc import Callable, Mapping
from typing import Any

FLOATS = frozenset({"float16", "bfloat16", "float32", "float64", "mixed_float16", "mixed_bfloat16"})

TRANSPOSED_FOR_CPU = frozenset(
    {
        *(f"Conv{n}D" for n in (1, 2, 3)),
        *(f"Conv{n}DTranspose" for n in (1, 2, 3)),
        *(f"{kind}Conv{n}D" for kind in ("Depthwise", "Separable") for n in (1, 2)),
        *(f"{kind}Pooling{n}D" for kind in ("Max", "Average") for n in (1, 2, 3)),
    }
)
"""Layers for which TensorFlow has channels_last kernels only, on a CPU."""

_MODELS = frozenset({"Functional", "Model", "Sequential"})


def rewrite_objects(value: Any, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Any:
    """Apply `change` to every object with a class name in the tree, innermost first."""
    if isinstance(value, Mapping):
        new = {key: rewrite_objects(item, change) for key, item in value.items()}
        return change(new) if isinstance(new.get("class_name"), str) and "config" in new else new
    if isinstance(value, list | tuple):
        return [rewrite_objects(item, change) for item in value]
    return value


def with_float_type(model: Any, floats: str) -> Any:
    """Every floating-point dtype, policies included, becomes `floats`; a stored dtype would win over
    floatx.
    """

    def change(thing: dict[str, Any]) -> dict[str, Any]:
        config = thing["config"]
        if not isinstance(config, dict) or "dtype" not in config:
            return thing
        dtype = config["dtype"]
        if isinstance(dtype, dict):
            dtype = dtype["config"].get("name", "float32")
        if dtype is None or dtype in FLOATS:
            return {**thing, "config": {**config, "dtype": floats}}
        return thing

    return rewrite_objects(model, change)


def with_channels_last(model: Any) -> Any:
    """Put layers that lack a channels_first kernel into a `ChannelsFirst` wrapper, see `reference`."""

    def change(thing: dict[str, Any]) -> dict[str, Any]:
        config = thing["config"]
        if thing["class_name"] not in TRANSPOSED_FOR_CPU or config.get("data_format") != "channels_first":
            return thing
        outer = {key: config[key] for key in ("name", "dtype", "trainable") if key in config}
        inner = {key: item for key, item in config.items() if key not in {"batch_input_shape", "batch_shape"}}
        if "batch_input_shape" in config:
            outer["batch_input_shape"] = config["batch_input_shape"]
        layer = {"class_name": thing["class_name"], "config": {**inner, "data_format": "channels_last"}}
        rest = {key: item for key, item in thing.items() if key not in {"module", "registered_name"}}
        return {**rest, "class_name": "ChannelsFirst", "config": {**outer, "layer": layer}}

    return rewrite_objects(model, change)


def with_modules(model: Any) -> Any:
    """Say where each class lives, as Keras 3's current format does.

    Without it Keras 3 falls back to its reader of older files, which misreads some options of its own layers
    (it drops all but the first of several axes, for one).
    """

    def change(thing: dict[str, Any]) -> dict[str, Any]:
        name = thing["class_name"]
        if name.startswith("__") or "module" in thing or not isinstance(thing["config"], dict):
            return thing
        if name == "ChannelsFirst":
            return {**thing, "module": None, "registered_name": name}
        if name in _MODELS:
            return {
                **thing,
                "class_name": "Sequential" if name == "Sequential" else "Model",
                "module": "keras",
            }
        return {**thing, "module": "keras.layers"}

    return rewrite_objects(model, change)
