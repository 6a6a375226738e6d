"""Sizes of axes as numbers: what `tf.shape` yields, and what becomes of it until it is a shape again.

TensorFlow computes with them as with any tensor; in PyTorch they are Python integers, so they are kept as expressions
here, and become a tensor only where somebody reads them as one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from keras2torch.emit.code import Code, Value, call, expression, template

if TYPE_CHECKING:
    from keras2torch.layers._call import LayerCall

Size = int | Code
"""A number, or the expression of one that only the running model knows."""


@dataclass(eq=False)
class Sizes(Value):
    """A vector of sizes, or a single one (rank 0); `numbers` are its elements."""

    numbers: tuple[Size, ...] = ()


def sizes(layer: LayerCall, numbers: Sequence[Size], *, single: bool = False) -> Sizes:
    """Sizes as a value, computed as a tensor only if somebody reads it."""
    code = call("torch.tensor", numbers_code(numbers[:1], single=True) if single else numbers_code(numbers))
    shape = () if single else (len(numbers),)
    value = Sizes(shape, "int32", tuple(range(len(shape))), code, hint="sizes", numbers=tuple(numbers))
    layer.bind(value, optional=True)
    return value


def extent(value: Value, axis: int) -> Size:
    """The size of one Keras axis."""
    known = value.shape[axis]
    return Code((value, f".shape[{value.torch_axis(axis)}]")) if known is None else known


def as_sizes(value: Any) -> list[Size] | None:
    """The numbers of an argument that says a shape, or None if some tensor in it is no size."""
    if isinstance(value, Sizes):
        return list(value.numbers)
    if isinstance(value, np.ndarray):
        value = value.tolist()
    items = value if isinstance(value, list | tuple) else [value]
    found: list[Size] = []
    for item in items:
        if isinstance(item, Sizes) and not item.rank:
            found.append(item.numbers[0])
        elif isinstance(item, int) and not isinstance(item, bool):
            found.append(item)
        elif item is None:
            found.append(-1)
        else:
            return None
    return found


def numbers_code(numbers: Sequence[Size], *, single: bool = False) -> Code:
    """`(a, b)`, or `a` alone."""
    if single:
        return expression(numbers[0])
    parts: list[str | Value] = ["("]
    for position, each in enumerate(numbers):
        parts += [", "] if position else []
        parts += expression(each).parts
    return Code((*parts, ",)" if len(numbers) == 1 else ")"))


def combined(layer: LayerCall, sign: str, x: Any, y: Any) -> Sizes | None:
    """`x + y`, `-`, `*` or `//` of sizes, element by element, or None where one of them is something else."""
    if not isinstance(x, Sizes) and not isinstance(y, Sizes):
        return None
    left, right = as_sizes(x), as_sizes(y)
    if left is None or right is None:
        return None
    single = all(not isinstance(each, list | tuple) and getattr(each, "rank", 0) == 0 for each in (x, y))
    length = max(len(left), len(right))
    if not {len(left), len(right)} <= {1, length}:
        return None
    pairs = zip(left * (length // len(left)), right * (length // len(right)), strict=True)
    numbers = [_combine(sign, a, b) for a, b in pairs]
    return None if None in numbers else sizes(layer, [n for n in numbers if n is not None], single=single)


def _combine(sign: str, a: Size, b: Size) -> Size | None:
    if isinstance(a, int) and isinstance(b, int):
        if sign == "//":
            return a // b if b else None
        return {"+": a + b, "-": a - b, "*": a * b}[sign]
    return template(f"{{}} {sign} {{}}", a, b)
