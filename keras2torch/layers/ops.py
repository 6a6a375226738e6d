"""Family "ops": calls of single operations that stand in a graph as if they were layers.

What each operation becomes is said in `keras2torch.operations`; here is only how each library writes down a call.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from keras2torch.emit.code import Value
from keras2torch.errors import LayerRefused, UnsupportedOption
from keras2torch.graph.entries import LAYERS_AND_OPERATIONS, OPERATION
from keras2torch.layers._call import LayerCall
from keras2torch.layers._registry import BEFORE_KERAS3, ONLY_KERAS3, Masks, converts
from keras2torch.operations import Dialect, apply_all, find, names

_NODE_TYPES = {
    "DT_HALF": "float16", "DT_BFLOAT16": "bfloat16", "DT_FLOAT": "float32", "DT_DOUBLE": "float64",
    "DT_INT8": "int8", "DT_INT16": "int16", "DT_INT32": "int32", "DT_INT64": "int64",
    "DT_UINT8": "uint8", "DT_BOOL": "bool",
}  # fmt: skip
_WHOLE = re.compile(r"-?[0-9]{1,19}")


@converts(
    "TFOpLambda",
    "SlicingOpLambda",
    examples=(),
    examples_elsewhere=True,
    masks=Masks.STOP,
    generations=BEFORE_KERAS3,
)
def tf_op_lambda(layer: LayerCall) -> list[Value]:
    """One call of a TensorFlow symbol; see the operations."""
    symbol = layer.options.take("function")
    args, kwargs = layer.take_arguments()
    if not isinstance(symbol, str):
        raise LayerRefused("names no TensorFlow symbol")
    return _apply(layer, Dialect.TF, symbol, [_plain(each) for each in args], _plain_named(kwargs))


@converts(
    "TensorFlowOpLayer",
    examples=(),
    examples_elsewhere=True,
    masks=Masks.STOP,
    generations=BEFORE_KERAS3,
)
def tensorflow_op_layer(layer: LayerCall) -> list[Value]:
    """One operation of a TensorFlow graph; see the operations."""
    node = layer.options.take("node_def")
    constants = layer.options.take("constants", default=None) or {}
    if not isinstance(node, Mapping) or not isinstance(node.get("op"), str):
        raise UnsupportedOption("a node_def that is not written as an object", "node_def")
    args, kwargs = layer.take_arguments()
    if kwargs or not isinstance(constants, Mapping):
        raise UnsupportedOption("a node that is called with named arguments", "constants")
    for position, value in sorted((_position(key), value) for key, value in constants.items()):
        args.insert(position, value)
    attributes = node.get("attr", {})
    if not isinstance(attributes, Mapping):
        raise UnsupportedOption("attributes that are no object", "node_def")
    found = find(Dialect.NODE, node["op"])
    known = {parameter.name for parameter in found[1].parameters} if found else set()
    named = {
        key: _attribute(value)
        for key, value in attributes.items()
        if key in known or not _follows_from_inputs(key, value)
    }
    return _apply(layer, Dialect.NODE, node["op"], [_plain(each) for each in args], named)


@converts(
    *(f"{OPERATION}{name}" if name in LAYERS_AND_OPERATIONS else name for name in names(Dialect.KERAS3)),
    examples=(),
    examples_elsewhere=True,
    masks=Masks.STOP,
    generations=ONLY_KERAS3,
)
def keras_operation(layer: LayerCall) -> list[Value]:
    """One call of a `keras.ops` function; see the operations."""
    args, kwargs = layer.take_arguments()
    kwargs |= {name: layer.options.take(name) for name in layer.options.names() if name != "name"}
    return _apply(
        layer,
        Dialect.KERAS3,
        layer.class_name.removeprefix(OPERATION),
        [_plain(each) for each in args],
        _plain_named(kwargs),
    )


def _apply(
    layer: LayerCall, dialect: Dialect, name: str, args: list[Any], kwargs: dict[str, Any]
) -> list[Value]:
    found = find(dialect, name)
    if found is not None and found[1].takes_list and not any(isinstance(each, list) for each in args[:1]):
        args = [args]  # the graph has laid the list of tensors flat
    return apply_all(layer, dialect, name, args, kwargs)


def _plain_named(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _plain(value) for name, value in kwargs.items()}


def _plain(value: Any) -> Any:
    """An argument as numbers, arrays, lists, slices and `...`; whatever else a library can write there is refused."""
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if not isinstance(value, Mapping):
        return value
    kind, config = value.get("class_name"), value.get("config")
    if kind == "__ellipsis__":
        return ...
    if kind == "__slice__" and isinstance(config, Mapping):
        return _slice(config)
    if kind in ("__numpy__", "__tensor__") and isinstance(config, Mapping):
        try:
            return np.array(config.get("value"), dtype=str(config.get("dtype")))
        except (ValueError, TypeError, OverflowError):
            raise LayerRefused("an array that is none") from None
    if kind is None:
        return _slice(value)
    raise LayerRefused(f"called with a {str(kind)[:40]!r}, which is no constant")


def _slice(config: Mapping[str, Any]) -> dict[str, Any]:
    if set(config) != {"start", "stop", "step"}:
        raise LayerRefused("called with an object that is no constant")
    return {key: config[key] for key in ("start", "stop", "step")}


def _position(key: Any) -> int:
    if not isinstance(key, str) or not key.isdecimal() or len(key) > 3:
        raise UnsupportedOption("constants that are not numbered", "constants")
    return int(key)


def _follows_from_inputs(name: str, value: Any) -> bool:
    """Types and numbers of inputs, and TensorFlow's own notes and messages."""
    is_type = isinstance(value, Mapping) and value.keys() <= {"type"}
    return is_type or name.startswith("_") or name in ("N", "num", "num_split", "message")


def _attribute(value: Any) -> Any:
    """An attribute as protobuf writes it in JSON: an object with one key, its kind."""
    if isinstance(value, Mapping) and len(value) == 1:
        ((kind, content),) = value.items()
        if kind == "list" and isinstance(content, Mapping) and len(content) <= 1:
            return [_attribute({key: item}) for key, items in content.items() for item in items]
        if kind == "b":
            return content
        if kind == "f" and isinstance(content, int | float):
            return float(np.float32(content))  # as TensorFlow reads it
        if kind == "i" and isinstance(content, int):
            return content
        if kind == "i" and isinstance(content, str) and _WHOLE.fullmatch(content):
            return int(content)  # protobuf writes 64 bits as text
        if kind == "type" and content in _NODE_TYPES:
            return _NODE_TYPES[content]
        if kind == "s" and isinstance(content, str):
            try:
                return base64.b64decode(content, validate=True).decode("ascii")
            except (binascii.Error, UnicodeDecodeError):
                pass
    raise UnsupportedOption("an attribute that cannot be read", "node_def")
