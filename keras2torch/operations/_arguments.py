"""Reads arguments that are constants: typed and bounded, as `Options` reads a layer's configuration."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from keras2torch.emit.code import Raw, Value
from keras2torch.errors import LayerRefused, UnsupportedOption

_LARGEST = 1 << 31
_MOST_NUMBERS = 1 << 24
_FLOATS = frozenset({"float16", "bfloat16", "float32", "float64", "half", "double"})
_INTEGERS = frozenset({"int8", "int16", "int32", "int64", "uint8", "uint16", "uint32"})
_TORCH_HAS = frozenset({"int8", "int16", "int32", "int64", "uint8", "bool"})


def integer(value: Any, name: str, minimum: int = -_LARGEST, maximum: int = _LARGEST) -> int:
    """A whole number."""
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value.item()
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not minimum <= value <= maximum:
        raise _wrong(value, name, "an integer")
    return value


def integers(value: Any, name: str) -> tuple[int, ...]:
    """Whole numbers; a single one is a list of one."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    items = value if isinstance(value, list | tuple) else [value]
    return tuple(integer(item, name) for item in items)


def number(value: Any, name: str) -> float:
    """A finite number, whole or not, as a float."""
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise _wrong(value, name, "a number")
    return float(value)


def flag(value: Any, name: str) -> bool:
    """True or false; null is false."""
    if value is None:
        return False
    if not isinstance(value, bool):
        raise _wrong(value, name, "true or false")
    return value


def choice(value: Any, name: str, *among: str) -> str:
    """One of a few words, in any case."""
    if not isinstance(value, str) or value.lower() not in among:
        raise _wrong(value, name, f"one of {', '.join(among)}")
    return value.lower()


def must_be(value: Any, name: str, *allowed: Any) -> None:
    """Accept an argument only at values under which it changes nothing."""
    if not any(value == item and type(value) is type(item) for item in allowed):
        raise _wrong(value, name, f"one of {allowed}")


def axis_of(value: Any, rank: int, name: str = "axis") -> int:
    """One axis, counted from the front."""
    axis = integer(value, name)
    if not -rank <= axis < rank:
        raise UnsupportedOption(f"{name} {axis} of a tensor with {rank} axes", name)
    return axis % rank


def axes_of(value: Any, rank: int, name: str = "axis") -> tuple[int, ...]:
    """Axes counted from the front, sorted; None is all of them."""
    if value is None:
        return tuple(range(rank))
    axes = tuple(sorted(axis_of(axis, rank, name) for axis in integers(value, name)))
    if len(set(axes)) != len(axes):
        raise UnsupportedOption(f"{name} {list(axes)} names an axis twice", name)
    return axes


def dtype_of(value: Any, name: str = "dtype") -> str:
    """The name of a number type that a torch tensor can have."""
    if isinstance(value, str) and value in _FLOATS | _TORCH_HAS:
        return value
    raise _wrong(value, name, "a number type that torch has")


def is_float(dtype: str) -> bool:
    return dtype in _FLOATS or dtype.startswith(("mixed_", "infer", "_infer"))


def is_integer(dtype: str) -> bool:
    return dtype in _INTEGERS


def torch_type(dtype: str) -> Raw:
    """`torch.int32`. Floats have no type of their own: the whole module computes in the one it is loaded with."""
    return Raw(f"torch.{dtype_of(dtype)}")


def array_of(value: Any, name: str = "a constant") -> np.ndarray[Any, np.dtype[Any]]:
    """A number, nested lists of numbers, or an array, as an array of float64, int64 or bool."""
    if isinstance(value, Value):
        raise _wrong(value, name, "a constant")
    try:
        array = np.array(value)
    except (ValueError, OverflowError):
        raise _wrong(value, name, "numbers in equal rows") from None
    if array.dtype.kind not in "fiub" or array.size > _MOST_NUMBERS or array.ndim > 8 or not array.size:
        raise _wrong(value, name, "numbers")
    if array.dtype.kind == "b":
        return array
    return array.astype(np.float64 if array.dtype.kind == "f" else np.int64)


def has_tensor(value: Any) -> bool:
    """Whether a tensor stands anywhere in an argument."""
    if isinstance(value, list | tuple):
        return any(has_tensor(item) for item in value)
    return isinstance(value, Value)


def sequence(value: Any, name: str) -> list[Any]:
    """A list of anything."""
    if isinstance(value, np.ndarray):
        value = list(value)
    if not isinstance(value, list | tuple) or not value:
        raise LayerRefused(f"{name} is no list")
    return list(value)


def _wrong(value: Any, name: str, wanted: str) -> UnsupportedOption:
    shown = "a tensor" if isinstance(value, Value) else repr(value)[:60]
    return UnsupportedOption(f"argument {name} is {shown}, not {wanted}", name)
