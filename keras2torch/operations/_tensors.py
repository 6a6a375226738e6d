"""Operands: tensors and constants brought to one layout, and the shapes they broadcast to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from keras2torch.emit.code import Argument, Code, Value, method
from keras2torch.errors import LayerRefused
from keras2torch.graph.model import Shape
from keras2torch.operations._arguments import array_of, is_float, is_integer, torch_type
from keras2torch.source.model import Generation
from keras2torch.weights import Weight

if TYPE_CHECKING:
    from keras2torch.layers._call import LayerCall

_MOST_INLINE = 8
"""Numbers that are written into the source; longer constants are stored beside the weights."""

Array = np.ndarray[Any, np.dtype[Any]]


def tensor(layer: LayerCall, value: Any, name: str = "x") -> Value:
    """An argument as a tensor; constants become one, in Keras's layout."""
    if isinstance(value, Value):
        return value
    if value is None or isinstance(value, str):
        raise LayerRefused(f"{name} is {value!r}, not a tensor")
    return constant(layer, array_of(value, name))


def plain(layer: LayerCall, value: Any, name: str = "x") -> Value:
    """An argument as a tensor whose axes stand as Keras has them."""
    return layer.keras_layout(tensor(layer, value, name))


def constant(layer: LayerCall, array: Array) -> Value:
    """A constant, kept with the weights and written to the same file."""
    if array.dtype.kind == "f":
        narrow = array.astype(np.float32)
        array = narrow if np.array_equal(narrow.astype(np.float64), array) else array
        dtype = "float32"
    else:
        dtype = "bool" if array.dtype.kind == "b" else "int64"
    return Value(array.shape, dtype, tuple(range(array.ndim)), layer.constant(array), hint=layer.name)


def constant_like(layer: LayerCall, value: Any, like: Value) -> Value:
    """A constant of `like`'s type, in Keras's layout."""
    array = array_of(value)
    if 0 < array.size <= _MOST_INLINE:
        code = method(like, "new_tensor", array.tolist())
        return Value(array.shape, like.dtype, tuple(range(array.ndim)), code, hint=layer.name)
    return constant(layer, array)


def scalar(value: Any) -> bool | int | float | None:
    """The number that a constant stands for wherever it is broadcast, or None if it is more than one."""
    if isinstance(value, Value) or value is None or isinstance(value, str):
        return None
    array = array_of(value)
    if array.ndim:
        return None
    item: bool | int | float = array.item()
    return item


def elementwise(
    layer: LayerCall,
    operands: Sequence[Any],
    write: Callable[..., Code],
    *,
    dtype: str | None = None,
) -> Value:
    """`write(*operands)` element by element, with numpy's broadcasting; `dtype` defaults to the operands' own."""
    result = dtype or common_dtype(layer, operands)
    if is_float(result) and not any(isinstance(each, Value) and is_float(each.dtype) for each in operands):
        operands = [
            floating(layer, each) if isinstance(each, Value) and each.dtype != "bool" else each
            for each in operands
        ]
    values = [value for value in operands if isinstance(value, Value)]
    if not values:
        raise LayerRefused("an operation on constants alone")
    shape = broadcast_shape([shape_of(operand) for operand in operands])
    rank = len(shape)
    layouts = {value.axes for value in values}
    if len(layouts) > 1 and all(value.rank == rank for value in values):
        arranged = iter(layer.bring_together(values))
        operands = [next(arranged) if isinstance(each, Value) else each for each in operands]
        axes = next(each.axes for each in operands if isinstance(each, Value))
    elif len(layouts) == 1 and values[0].rank == rank:
        axes = values[0].axes
    else:
        operands = [layer.keras_layout(each) if isinstance(each, Value) else each for each in operands]
        axes = tuple(range(rank))
    like = next((each for each in operands if isinstance(each, Value) and is_float(each.dtype)), None)
    written = [each if isinstance(each, Value) else _written(layer, each, axes, like) for each in operands]
    if len(values) == 1 and values[0].shape == shape:
        (only,) = (each for each in operands if isinstance(each, Value))
        return layer.like(only, write(*written), dtype=result)
    return layer.value(write(*written), shape, axes=axes, dtype=result)


def _written(layer: LayerCall, value: Any, axes: tuple[int, ...], like: Value | None) -> Argument:
    """A constant as an operand of tensors in the layout `axes`."""
    number = scalar(value)
    if number is not None:
        return number
    array = array_of(value)
    if axes != tuple(range(len(axes))):
        array = array.reshape((1,) * (len(axes) - array.ndim) + array.shape).transpose(axes)
    while array.ndim > 1 and array.shape[0] == 1:
        array = array[0]
    if array.size <= _MOST_INLINE and array.dtype.kind != "b" and like is not None:
        return method(like, "new_tensor", array.tolist())
    return constant(layer, array)


def shape_of(value: Any) -> Shape:
    """Keras's shape of a tensor or constant."""
    return value.shape if isinstance(value, Value) else array_of(value).shape


def broadcast_shape(shapes: Sequence[Shape]) -> Shape:
    """Numpy's rule, from the right; an open axis is taken to fit the known one beside it."""
    rank = max(len(shape) for shape in shapes)
    result: list[int | None] = []
    for extents in zip(*((1,) * (rank - len(shape)) + shape for shape in shapes), strict=True):
        known = {n for n in extents if n not in (1, None)}
        if len(known) > 1:
            raise LayerRefused(f"shapes {', '.join(map(str, shapes))} do not broadcast")
        result.append(known.pop() if known else None if None in extents else 1)
    return tuple(result)


def common_dtype(layer: LayerCall, operands: Sequence[Any]) -> str:
    """The type that operands share: floats before integers before booleans, numbers giving way to tensors.

    TensorFlow has operands of one type only; Keras 3 promotes them.
    """
    dtypes = [value.dtype for value in operands if isinstance(value, Value)]
    floats = [dtype for dtype in dtypes if is_float(dtype)]
    if floats:
        return floats[0]
    whole = [dtype for dtype in dtypes if is_integer(dtype)]
    kinds = {array_of(value).dtype.kind for value in operands if not isinstance(value, Value)}
    if "f" in kinds and layer.generation is Generation.KERAS3:
        return "float32"
    if whole:
        return max(whole, key=lambda dtype: int(dtype.strip("uint") or 0))
    return "int32" if "i" in kinds else dtypes[0]


def floating(layer: LayerCall, value: Value) -> Value:
    """`value` as floats, in the type that the module computes in."""
    if is_float(value.dtype):
        return value
    model = _float_source(value)
    if model is not None:
        return layer.like(value, method(value, "to", Code((model, ".dtype"))), dtype="float32")
    unit = Weight.constant(np.ones((), np.float32), "a one, whose type is the model's")
    cast = layer.module(layer.part("AsFloat"), state={"unit": unit}, suffix="as_float")
    return layer.like(value, cast(value), dtype="float32")


def cast(layer: LayerCall, value: Value, dtype: str) -> Value:
    """`value` in another type. Among floats nothing happens: a module computes in one."""
    if is_float(dtype):
        return floating(layer, value)
    if value.dtype == dtype:
        return value
    return layer.like(value, method(value, "to", torch_type(dtype)), dtype=dtype)


def _float_source(value: Value, depth: int = 8) -> Value | None:
    """The float tensor that an integer or boolean one was computed from, whose type is then that of the module."""
    if depth and value.code is not None:
        for each in value.code.values():
            found = each if is_float(each.dtype) else _float_source(each, depth - 1)
            if found is not None:
                return found
    return None


def without_axes(axes: tuple[int, ...], gone: Sequence[int]) -> tuple[int, ...]:
    """A layout after some Keras axes have gone."""
    kept = [axis for axis in axes if axis not in gone]
    return tuple(axis - sum(other < axis for other in gone) for axis in kept)
