"""Operations that stand in a graph beside layers: one function for each meaning, with every library's name of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from keras2torch.errors import LayerRefused
from keras2torch.operations._registry import Dialect, find, names, operations

if TYPE_CHECKING:
    from keras2torch.emit.code import Value
    from keras2torch.layers._call import LayerCall

__all__ = ["Dialect", "apply", "apply_all", "find", "names", "operations"]


def apply(layer: LayerCall, symbol: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Value:
    """What TensorFlow's public `symbol` ("math.multiply", without `tf.`) yields for these arguments.

    `args` and `kwargs`, by TensorFlow's names, hold `Value`s, constants (None, booleans, numbers, strings, arrays) and
    lists of those. Raises `LayerRefused` for a symbol or an argument that is not understood, or several results.
    """
    results = apply_all(layer, Dialect.TF, symbol, args, kwargs)
    if len(results) != 1:
        raise LayerRefused(f"{symbol} yields {len(results)} tensors")
    return results[0]


def apply_all(
    layer: LayerCall, dialect: Dialect, name: str, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> list[Value]:
    """Every tensor that the operation yields; `name` as `dialect` has it. Raises `LayerRefused`."""
    found = find(dialect, name)
    if found is None:
        raise LayerRefused(f"the operation {name} is not supported")
    known, spelling = found
    return known.write(layer, spelling.bind(args, kwargs))
