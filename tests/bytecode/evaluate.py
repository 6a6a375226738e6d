"""Keras's backend and TensorFlow's operations in numpy, independently of each other, for the functions of the tests."""

from collections.abc import Callable
from typing import Any

import numpy as np

from keras2torch.bytecode.tree import Apply, Input, Slice


class FakeBackend:
    """What `K` is for a function that is called."""

    @staticmethod
    def epsilon() -> float:
        return 1e-7

    @staticmethod
    def square(x: Any) -> Any:
        return x * x

    @staticmethod
    def maximum(x: Any, y: Any) -> Any:
        return np.where(x > y, x, y)

    @staticmethod
    def sqrt(x: Any) -> Any:
        return np.sqrt(np.clip(x, 0, np.inf))

    @staticmethod
    def mean(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        return x.mean(axis=axis, keepdims=keepdims)

    @staticmethod
    def sum(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        return x.sum(axis=tuple(axis) if isinstance(axis, list) else axis, keepdims=keepdims)

    @staticmethod
    def l2_normalize(x: Any, axis: Any = None) -> Any:
        return x / np.sqrt(np.maximum((x * x).sum(axis=axis, keepdims=True), 1e-12))


def _reduce(function: Callable[..., Any]) -> Callable[..., Any]:
    def reduce(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        return function(x, axis=tuple(axis) if isinstance(axis, list) else axis, keepdims=keepdims)

    return reduce


def _l2_normalize(x: Any, axis: Any) -> Any:
    return x / np.sqrt(np.maximum(np.square(x).sum(axis=axis, keepdims=True), 1e-12))


def _maximum(x: Any, y: Any) -> Any:
    return np.maximum(x, y)


OPERATIONS: dict[str, Callable[..., Any]] = {
    "__operators__.getitem": lambda x, place: x[place],
    "math.abs": np.abs,
    "math.add": np.add,
    "math.floordiv": np.floor_divide,
    "math.floormod": np.mod,
    "math.greater": np.greater,
    "math.l2_normalize": _l2_normalize,
    "math.maximum": _maximum,
    "math.multiply": np.multiply,
    "math.negative": np.negative,
    "math.pow": np.power,
    "math.reduce_mean": _reduce(np.mean),
    "math.reduce_sum": _reduce(np.sum),
    "math.sqrt": np.sqrt,
    "math.square": np.square,
    "math.subtract": np.subtract,
    "math.truediv": np.true_divide,
}


def evaluate(node: Any, x: Any) -> Any:
    """The value of a tree for the input `x`."""
    if isinstance(node, Input):
        return x
    if isinstance(node, Apply):
        arguments = [evaluate(argument, x) for argument in node.arguments]
        return OPERATIONS[node.symbol](*arguments, **{key: evaluate(value, x) for key, value in node.options})
    if isinstance(node, Slice):
        return slice(*(evaluate(bound, x) for bound in node.bounds))
    if isinstance(node, tuple | list):
        return type(node)(evaluate(item, x) for item in node)
    return node
