"""Arguments of a call: from references to tensors, as the graph has them, to the values that are those tensors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keras2torch.emit.code import Value
from keras2torch.errors import LayerRefused
from keras2torch.graph.model import TensorRef

_MISSING = object()
Values = Mapping[int, list[Value] | None]
"""What each call, by its number, yielded; None where something before it was refused."""


def pick(outputs: list[Value] | None, ref: TensorRef) -> Value | None:
    """The tensor that `ref` names among a call's outputs. Raises `LayerRefused` if the call has no such output."""
    if outputs is None:
        return None
    if ref.output >= len(outputs):
        raise LayerRefused(f"output {ref.output} of a layer that has {len(outputs)}")
    return outputs[ref.output]


def resolved(value: Any, values: Values) -> Any:
    """`value` with tensors in place of references, however deep they stand; see `has_missing`."""
    if isinstance(value, TensorRef):
        found = pick(values[value.node], value)
        return _MISSING if found is None else found
    if isinstance(value, list | tuple):
        return [resolved(item, values) for item in value]
    if isinstance(value, Mapping):
        return {key: resolved(item, values) for key, item in value.items()}
    return value


def has_tensor(value: Any) -> bool:
    """Whether a tensor stands anywhere in it."""
    if isinstance(value, Mapping):
        return any(has_tensor(item) for item in value.values())
    if isinstance(value, list):
        return any(has_tensor(item) for item in value)
    return isinstance(value, Value)


def has_missing(value: Any) -> bool:
    """Whether `resolved` found a reference to what was refused."""
    if isinstance(value, Mapping):
        return any(has_missing(item) for item in value.values())
    if isinstance(value, list):
        return any(has_missing(item) for item in value)
    return value is _MISSING
