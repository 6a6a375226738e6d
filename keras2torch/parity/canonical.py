"""Rewrites of a model configuration: plain functions from dicts to dicts, for the reference.

A configuration is a tree of `{"class_name": ..., "config": {...}}`; each function here walks all of it and
returns a new tree. They know the spelling of Keras and nothing of its code.
"""

from collections.abc import Callable, Mapping, Set
from typing import Any

import numpy as np

from keras2torch.bytecode.tree import to_json
from keras2torch.errors import BadConfig
from keras2torch.graph.entries import MODEL_CLASSES, OPERATION, is_model, layer_entries, operation_class
from keras2torch.graph.stored_masks import MASK_OPERATIONS
from keras2torch.layers._functions import is_function
from keras2torch.layers._lambda import Stored, function_of, read_function
from keras2torch.operations import Dialect, find
from keras2torch.parity.given import given_entry

FLOATS = frozenset({"float16", "bfloat16", "float32", "float64", "mixed_float16", "mixed_bfloat16"})

TRANSPOSED_FOR_CPU = frozenset(
    {
        *(f"Conv{n}D" for n in (1, 2, 3)),
        *(f"AtrousConvolution{n}D" for n in (1, 2)),
        *(f"Conv{n}DTranspose" for n in (1, 2, 3)),
        *(f"ConvLSTM{n}D" for n in (1, 2, 3)),
        *(f"{kind}Conv{n}D" for kind in ("Depthwise", "Separable") for n in (1, 2)),
        *(f"{kind}Pooling{n}D" for kind in ("Max", "Average") for n in (1, 2, 3)),
        "STFTSpectrogram",
    }
)
"""Layers for which TensorFlow has channels_last kernels only, on a CPU."""

SAME_AS = {
    "CuDNNGRU": "GRU",
    "CuDNNLSTM": "LSTM",
    "GRUCellV1": "GRUCell",
    "GRUCellV2": "GRUCell",
    "GRUV1": "GRU",
    "GRUV2": "GRU",
    "LSTMCellV1": "LSTMCell",
    "LSTMCellV2": "LSTMCell",
    "LSTMV1": "LSTM",
    "LSTMV2": "LSTM",
    "UnifiedGRU": "GRU",
    "UnifiedLSTM": "LSTM",
}
"""Classes that compute what another does, but only on a GPU or under a name that is gone; Keras converts weights."""

_PUBLIC_NAMES = {"GroupedQueryAttention": "GroupQueryAttention"}
"""What Keras 3 calls a class whose own name an .h5 file has."""
_ALWAYS_KEPT = frozenset({"name", "trainable", "dtype", "batch_input_shape", "batch_shape"})
_OPTIONS_OF_WINDOWS = frozenset({"kernel_size", "strides", "dilation_rate", "padding", "data_format"})
_OPTIONS_OF_MASKS = frozenset({"axis", "keepdims"})
_PLAIN_OBJECTS = {
    "__keras_tensor__": ("shape", "dtype", "keras_history"),
    "__numpy__": ("value", "dtype"),
    "__tensor__": ("value", "dtype"),
    "__slice__": ("start", "stop", "step"),
    "__ellipsis__": (),
}
_OF_NODES = ("name", "op", "input", "attr")
OPERATIONS_MODULE = "keras.src.ops."
_NODE_FLOATS = {"float32": "DT_FLOAT", "float64": "DT_DOUBLE"}
_KEPT_OF_MODELS = ("name", "trainable", "input_layers", "output_layers", "build_input_shape")


def canonical_model(
    model: Mapping[str, Any],
    options_read: Mapping[str, Set[str]],
    *,
    keras2: bool,
    stand_ins: Mapping[str, str] | None = None,
    given: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """`model` (class_name and config) with nothing in it but what the conversion understood.

    Of each layer, only the options stay that its rule read (`options_read`, by layer path); where a class
    lives, what its weights were initialised with, custom names of containers and all else the file may say is
    gone. Wiring stays as it was. `keras2` supplies what Keras 2 understood where an option is missing and its
    successors understand otherwise. `stand_ins` are classes, by layer path, to take in place of the file's.
    `given` are the layers, by path, that only the caller knows, see `given`.
    """
    return _Rewrite(options_read, keras2, stand_ins or {}, given or {}).container(
        model, str(model["class_name"]).lower(), ""
    )


class _Rewrite:
    def __init__(
        self,
        options_read: Mapping[str, Set[str]],
        keras2: bool,
        stand_ins: Mapping[str, str],
        given: Mapping[str, Any],
    ) -> None:
        self._stand_ins = stand_ins
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
        if is_model(layer):
            new = self.container(layer, name, f"{prefix}{name}/", allowed)
        elif allowed is None and prefix + name in self._given:
            new = given_entry(name, prefix + name, self._given[prefix + name])
        elif (operation := keras_operation(layer)) is not None:
            new = self._operation(layer, operation, self._options_read.get(prefix + name, frozenset()))
        else:
            own = self._options_read.get(prefix + name, frozenset()) if allowed is None else allowed
            new = self._object(layer, own)
            if allowed is None:
                new["class_name"] = self._stand_ins.get(prefix + name, new["class_name"])
        wiring = {"inbound_nodes": plain_wiring(layer["inbound_nodes"])} if "inbound_nodes" in layer else {}
        return {**new, "name": name, **wiring}

    def _operation(self, layer: Mapping[str, Any], operation: str, read: Set[str]) -> dict[str, Any]:
        """An operation of Keras 3. Those that compute masks the conversion takes out where it knows them; here they
        stay, so that Keras follows what the file says.
        """
        module, _, class_name = operation.rpartition(".")
        allowed = read | {"name"} | (_OPTIONS_OF_MASKS if class_name in MASK_OPERATIONS else set())
        config = {key: value for key, value in layer["config"].items() if key in allowed}
        return {"module": f"{OPERATIONS_MODULE}{module}", "class_name": class_name, "config": config}

    def _object(self, thing: Mapping[str, Any], allowed: Set[str]) -> dict[str, Any]:
        function = function_of(thing["class_name"], thing["config"])
        if function is not None:
            return _operator_tree(thing["config"], function)
        config: dict[str, Any] = {}
        for key, value in thing["config"].items():
            if key.endswith("_initializer"):
                config[key] = (
                    "zeros"  # the quickest, and a weight that was never set cannot pass for one that was
                )
            elif key == "window" and thing["class_name"] == "STFTSpectrogram":
                config[key] = None  # it is in the stored kernels, and Keras would want SciPy to make it
            elif key == "dtype" and isinstance(value, Mapping):
                config[key] = value["config"]["name"]
            elif key in allowed or key in _ALWAYS_KEPT:
                config[key] = self._value(value, allowed)
        class_name = thing["class_name"]
        if config.get("padding") in ("half", "full"):
            return _padded_by_theano(class_name, config)
        if class_name == "TensorFlowOpLayer":
            config["node_def"] = {
                key: config["node_def"][key] for key in _OF_NODES if key in config["node_def"]
            }
        if class_name.startswith("ConvLSTM"):
            # tf_keras makes a mask for the first batch that it sees and fails on one of another size.
            config |= dict.fromkeys(config.keys() & {"dropout", "recurrent_dropout"}, 0.0)
        if config.get("virtual_batch_size") is not None:
            # Stored as the built layer counts them, with one axis more, but read as they were given to it.
            config["axis"] = [axis - 1 for axis in config["axis"]]
        if class_name == "CuDNNGRU":
            config["reset_after"] = True
        elif self._keras2 and class_name in {"GRU", "GRUCell"}:
            config.setdefault("reset_after", False)
        return {"class_name": SAME_AS.get(class_name, class_name), "config": config}

    def _value(self, value: Any, allowed: Set[str]) -> Any:
        if isinstance(value, Mapping):
            if is_function(value):
                return _operator_tree({"name": "function"}, (value, None, None))
            if value.get("class_name") == "function":
                return value["config"]
            if value.get("class_name") in {"__numpy__", "__tensor__"}:
                return value["config"]["value"]
            if value.get("class_name") in {"__tuple__", "TensorShape"}:
                return [self._value(item, allowed) for item in value["items"]]
            inner = value.get("config")
            if is_model(value):
                name = str(inner.get("name", "model")) if isinstance(inner, Mapping) else "model"
                return self.container(value, name, "", allowed)
            if isinstance(inner, Mapping):
                return self._object(value, allowed)
            return {key: self._value(item, allowed) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self._value(item, allowed) for item in value]
        return value


def _padded_by_theano(class_name: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """A convolution as no backend of today pads it: in a layer that pads for it."""
    outer = {key: value for key, value in config.items() if key in _ALWAYS_KEPT | _OPTIONS_OF_WINDOWS}
    inner = {key: value for key, value in config.items() if key not in {"batch_input_shape", "batch_shape"}}
    layer = {"class_name": class_name, "config": {**inner, "padding": "valid"}}
    return {"class_name": "PaddedByTheano", "config": {**outer, "layer": layer}}


def keras_operation(entry: Mapping[str, Any]) -> str | None:
    """The operation of Keras 3 that an entry is, as "numpy.Add", or None for a layer."""
    nodes = entry.get("inbound_nodes")
    if not isinstance(nodes, list) or not nodes or not isinstance(nodes[0], Mapping):
        return None
    found = find(Dialect.KERAS3, (operation_class(entry) or "").removeprefix(OPERATION))
    return found[1].name if found and operation_class(entry) else None


def plain_wiring(value: Any) -> Any:
    """Call arguments with no objects in them but tensors, arrays and slices, whose form they have by the rules.

    Raises `BadConfig` for any other, since Keras would make it.
    """
    if isinstance(value, list):
        return [plain_wiring(item) for item in value]
    if not isinstance(value, Mapping):
        return value
    kind = value.get("class_name")
    if kind is None:
        return {key: plain_wiring(item) for key, item in value.items()}
    if kind not in _PLAIN_OBJECTS:
        raise BadConfig(f"a call argument of class {str(kind)[:40]!r}", spot="inbound_nodes")
    config = value.get("config", {})
    kept = {key: config[key] for key in _PLAIN_OBJECTS[kind] if key in config}
    return {"class_name": kind, "config": kept}


def with_ellipsis(value: Any) -> Any:
    """`...` where tf_keras's reader of JSON text would have put it."""
    if isinstance(value, Mapping):
        if value.get("class_name") == "__ellipsis__":
            return ...
        return {key: with_ellipsis(item) for key, item in value.items()}
    return [with_ellipsis(item) for item in value] if isinstance(value, list) else value


def _operator_tree(config: Mapping[str, Any], function: Stored) -> dict[str, Any]:
    """For a function, the expression that the rule has read: no bytecode ever reaches Keras."""
    found = read_function(*function)
    kept = {key: value for key, value in config.items() if key in _ALWAYS_KEPT}
    if isinstance(kept.get("dtype"), Mapping):
        kept["dtype"] = kept["dtype"]["config"]["name"]
    return {"class_name": "OperatorTree", "config": {**kept, "tree": to_json(found.tree)}}


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
        if thing["class_name"] == "TFOpLambda":
            thing = {**thing, "inbound_nodes": _with_float_arguments(thing.get("inbound_nodes"), floats)}
        if thing["class_name"] == "TensorFlowOpLayer":
            thing = {**thing, "config": _with_float_node(thing["config"], floats)}
        config = thing["config"]
        if not isinstance(config, dict) or "dtype" not in config:
            return thing
        if str(thing.get("module")).startswith(OPERATIONS_MODULE) and config["dtype"] is None:
            return thing  # an operation that decides by its arguments
        dtype = config["dtype"]
        if isinstance(dtype, dict):
            dtype = dtype["config"].get("name", "float32")
        # "infer" was the type of the first input, in tf.keras up to 2.2; integers stay what they are anyway.
        if dtype is None or dtype in FLOATS or dtype in ("infer", "_infer"):
            return {**thing, "config": {**config, "dtype": floats}}
        return thing

    return rewrite_objects(model, change)


def _with_float_arguments(value: Any, floats: str) -> Any:
    """The call arguments of an operation in another type of floats.

    `dtype` may say one, and TensorFlow takes a bare number for float32 where no tensor before it says otherwise.
    """
    if isinstance(value, Mapping):
        return {
            key: floats if key == "dtype" and item in FLOATS else _with_float_arguments(item, floats)
            for key, item in value.items()
        }
    if isinstance(value, list) and not _only_numbers(value):
        return [_with_float_arguments(item, floats) for item in value]
    return np.array(value, floats)[()] if _has_floats(value) else value


def _only_numbers(value: Any) -> bool:
    return all(map(_only_numbers, value)) if isinstance(value, list) else isinstance(value, int | float)


def _with_float_node(config: Mapping[str, Any], floats: str) -> dict[str, Any]:
    """A TensorFlow node for other floats: its attributes say types, and its constants become arrays of one."""
    node = config["node_def"]
    attributes = {
        key: {"type": _NODE_FLOATS[floats]} if value.get("type") in _NODE_FLOATS.values() else value
        for key, value in node.get("attr", {}).items()
    }
    constants = {
        key: {"class_name": "__numpy__", "config": {"value": value, "dtype": floats}}
        if _has_floats(value)
        else value
        for key, value in (config.get("constants") or {}).items()
    }
    return {**config, "node_def": {**node, "attr": attributes}, "constants": constants}


def _has_floats(value: Any) -> bool:
    return any(map(_has_floats, value)) if isinstance(value, list) else isinstance(value, float)


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


def with_attention_shapes(model: Any) -> Any:
    """Give each MultiHeadAttention the shapes that tf_keras wants in its configuration and older files lack.

    Without them it makes its weights when it is called, as theirs did.
    """

    def change(thing: dict[str, Any]) -> dict[str, Any]:
        if not thing["class_name"].startswith("MultiHeadAttention"):
            return thing
        shapes = dict.fromkeys(("query_shape", "key_shape", "value_shape"))
        return {**thing, "config": {**shapes, **thing["config"]}}

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
        return {**thing, "class_name": _PUBLIC_NAMES.get(name, name), "module": "keras.layers"}

    return rewrite_objects(model, change)
