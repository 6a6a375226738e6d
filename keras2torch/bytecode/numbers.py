"""Tensors of constants that a function makes: they stay numbers, which every operation takes."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from keras2torch.bytecode.refusal import NotRecognised
from keras2torch.bytecode.tree import Apply, has_tensor

_MOST = 4096
_LARGEST = 1 << 53
_OPERATORS: Mapping[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
}


class Numbers(list[Any]):
    """A tensor of constants: `+` adds what is in two of these, and joins two lists."""


def computed(sign: str, left: Any, right: Any) -> Any:
    """What an operator makes of numbers, one of which is a tensor."""
    if sign not in _OPERATORS:
        raise NotRecognised(f"uses the operator {sign} on constants")
    try:
        arrays = [np.array(value) for value in (left, right)]
        if any(array.dtype.kind not in "iuf" or not array.size for array in arrays):
            raise NotRecognised("computes with constants that are no numbers")
        _check(int(np.prod(np.broadcast_shapes(*(array.shape for array in arrays)))))
        with np.errstate(all="raise"):
            result = _OPERATORS[sign](*arrays)
    except (ArithmeticError, ValueError):
        raise NotRecognised("computes constants that are none") from None
    if result.dtype.kind not in "iuf" or not np.all(np.abs(result) < _LARGEST):
        raise NotRecognised("computes a constant that is out of bounds")
    return _marked(result.tolist())


def _marked(value: Any) -> Any:
    return Numbers(value) if isinstance(value, list) else value


def made_of(symbol: str, number: float, given: dict[str, Any]) -> Any:
    """`tf.ones` or `tf.zeros`: numbers, where their shape is known, else that operation."""
    dtype = given.get("dtype")
    if has_tensor(given["shape"]):
        return Apply(symbol, (given["shape"],), (("dtype", dtype),) if dtype is not None else ())
    return filled(given["shape"], as_type(number, dtype or "float32"))


def filled(shape: Any, number: Any) -> Any:
    """Nested lists of one number."""
    extents = shape if isinstance(shape, list | tuple) else [shape]
    total = 1
    for extent in extents:
        total *= _count(extent)
        _check(total)
    for extent in reversed(extents):
        number = Numbers([number] * extent)
    return number


def in_a_row(start: Any, limit: Any, delta: Any, dtype: Any) -> Numbers:
    """`tf.range` of whole numbers."""
    first, last = (0, start) if limit is None else (start, limit)
    for bound in (first, last, delta):
        if isinstance(bound, bool) or not isinstance(bound, int):
            raise NotRecognised("counts in other than whole numbers")
    if not delta:
        raise NotRecognised("counts in steps of nothing")
    numbers = range(first, last, delta)
    _check(len(numbers))
    return Numbers(as_type(number, dtype or "int32") for number in numbers)


def unit_matrix(rows: Any, columns: Any = None) -> Numbers:
    """`tf.eye`."""
    width = _count(rows if columns is None else columns)
    _check(_count(rows) * width)
    return Numbers([float(row == column) for column in range(width)] for row in range(rows))


def as_tensor(value: Any) -> Any:
    """Numbers in lists, which become a tensor."""
    return Numbers(value) if isinstance(value, list | tuple) and not has_tensor(value) else value


def as_type(value: Any, dtype: Any) -> Any:
    """Numbers, or lists of them, as floats or whole numbers."""
    if isinstance(value, list | tuple):
        return Numbers(as_type(item, dtype) for item in value)
    if not isinstance(value, int | float) or not isinstance(dtype, str):
        raise NotRecognised("casts something that is no number")
    try:
        return float(value) if "float" in dtype else bool(value) if dtype == "bool" else int(value)
    except (OverflowError, ValueError):
        raise NotRecognised(f"casts {value} to {dtype}") from None


def _count(extent: Any) -> int:
    if isinstance(extent, bool) or not isinstance(extent, int) or extent < 1:
        raise NotRecognised("makes a tensor of a size that is not known")
    return extent


def _check(total: int) -> None:
    if not 0 < total <= _MOST:
        raise NotRecognised(f"makes a tensor of other than 1 to {_MOST} numbers")
