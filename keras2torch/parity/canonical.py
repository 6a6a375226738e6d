"""Rewrites of a model configuration: plain functions from dicts to dicts, for the reference.

A configuration is a tree of `{"class_name": ..., "config": {...}}`; each function here walks all of it and
returns a new tree. They know the spelling of Keras and nothing of its code.
"""

from collections.abc import Callable, Mapping, Set
from typing import Any

from keras2torch.graph.entries import MODEL_CLASSES, layer_entries
from keras2torch.graph.stored_masks import MASK_OPERATIONS
from keras2torch.parity.given import given_entry

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

_ALWAYS_KEPT = frozenset({"name", "trainable", "dtype", "batch_input_shape", "batch_shape"})
_KEPT_OF_MODELS = ("name", "trainable", "input_layers", "output_layers", "build_input_shape")


def canonical_model(
    model: Mapping[str, Any],
    options_read: Mapping[str, Set[str]],
    *,
    keras2: bool,
    given: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """`model` (class_name and config) with nothing in it but what the conversion understood.

    Of each layer, only the options stay that its rule read (`options_read`, by layer path); where a class
    lives, what its weights were initialised with, custom names of containers and all else the file may say is
    gone. Wiring stays as it was. `keras2` supplies what Keras 2 understood where an option is missing and its
    successors understand otherwise. `given` are the layers, by path, that only the caller knows, see `given`.
    """
    return _Rewrite(options_read, keras2, given or {}).container(model, str(model["class_name"]).lower(), "")


class _Rewrite:
    def __init__(self, options_read: Mapping[str, Set[str]], keras2: bool, given: Mapping[str, Any]) -> None:
        self._given = given
        self._options_read = options_read
        self._keras2 = keras2

    def container(
        self, entry: Mapping[str, Any], name: str, prefix: str, allowed: Set[str] | None = None
    ) -> dict[str, Any]:
        """`allowed`: the options of every layer, for a model inside a wrapper, which has no paths of its own."""
        sequential = entry["class_name"] == "Sequential"
        config = entry["config"] if isinstance(entry["config"], Mapping) else {}
        layers = [
            self._entry(layer, prefix, allowed)
            for layer in layer_entries(str(entry["class_name"]), entry["config"])
        ]
        kept = {key: config[key] for key in _KEPT_OF_MODELS if key in config}
        return {
            "class_name": "Sequential" if sequential else "Functional",
            "config": {"name": name, **kept, "layers": layers},
        }

    def _entry(self, layer: Mapping[str, Any], prefix: str, allowed: Set[str] | None) -> dict[str, Any]:
        inner = layer["config"]
        name = str(layer.get("name") or (inner["name"] if "name" in inner else layer["class_name"].lower()))
        if isinstance(inner, list) or "layers" in inner:
            new = self.container(layer, name, f"{prefix}{name}/", allowed)
        elif allowed is None and prefix + name in self._given:
            new = given_entry(name, prefix + name, self._given[prefix + name])
        # The conversion takes stored masks out where it knows them; here they stay, so that Keras follows what the
        # file says. Operations are never trainable.
        elif layer["class_name"] in MASK_OPERATIONS and "trainable" not in inner:
            options = {key: inner[key] for key in ("name", "axis", "keepdims") if key in inner}
            new = {"module": "keras.src.ops.numpy", "class_name": layer["class_name"], "config": options}
        else:
            own = self._options_read.get(prefix + name, frozenset()) if allowed is None else allowed
            new = self._object(layer, own)
        wiring = {"inbound_nodes": layer["inbound_nodes"]} if "inbound_nodes" in layer else {}
        return {**new, "name": name, **wiring}

    def _object(self, thing: Mapping[str, Any], allowed: Set[str]) -> dict[str, Any]:
        config: dict[str, Any] = {}
        for key, value in thing["config"].items():
            if key.endswith("_initializer"):
                config[key] = (
                    "zeros"  # the quickest, and a weight that was never set cannot pass for one that was
                )
            elif key == "dtype" and isinstance(value, Mapping):
                config[key] = value["config"]["name"]
            elif key in allowed or key in _ALWAYS_KEPT:
                config[key] = self._value(value, allowed)
        if self._keras2 and thing["class_name"] == "GRU":
            config.setdefault("reset_after", False)
        return {"class_name": thing["class_name"], "config": config}

    def _value(self, value: Any, allowed: Set[str]) -> Any:
        if isinstance(value, Mapping):
            if value.get("class_name") == "function":
                return value["config"]
            if value.get("class_name") in {"__numpy__", "__tensor__"}:
                return value["config"]["value"]
            if value.get("class_name") in {"__tuple__", "TensorShape"}:
                return [self._value(item, allowed) for item in value["items"]]
            inner = value.get("config")
            if isinstance(inner, list) or (isinstance(inner, Mapping) and "layers" in inner):
                name = str(inner.get("name", "model")) if isinstance(inner, Mapping) else "model"
                return self.container(value, name, "", allowed)
            if isinstance(inner, Mapping):
                return self._object(value, allowed)
            return {key: self._value(item, allowed) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self._value(item, allowed) for item in value]
        return value


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


def with_modules(model: Any, ours: Set[str] = frozenset()) -> Any:
    """Say where each class lives, as Keras 3's current format does; `ours` are the classes that live nowhere.

    Without it Keras 3 falls back to its reader of older files, which misreads some options of its own layers
    (it drops all but the first of several axes, for one).
    """

    def change(thing: dict[str, Any]) -> dict[str, Any]:
        name = thing["class_name"]
        if name.startswith("__") or "module" in thing or not isinstance(thing["config"], dict):
            return thing
        if name in ours:
            return {**thing, "module": None, "registered_name": name}
        if name in MODEL_CLASSES:
            return {
                **thing,
                "class_name": "Sequential" if name == "Sequential" else "Model",
                "module": "keras",
            }
        return {**thing, "module": "keras.layers"}

    return rewrite_objects(model, change)
