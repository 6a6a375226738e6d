"""The registry of operations: what may stand in a graph beside layers, by all of its names.

An operation is one decorated function, whatever a library calls it: TensorFlow's public symbol (`math.reduce_mean`, in
a `TFOpLambda`), the operation of a graph node (`Mean`, in a `TensorFlowOpLayer`), or Keras 3's class (`numpy.Mean`).
Only what is listed here is ever converted, or handed to the reference.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Any

from keras2torch.operations._signature import Spelling, spellings

if TYPE_CHECKING:
    from keras2torch.emit.code import Value
    from keras2torch.layers._call import LayerCall

    Rule = Callable[..., Value | list[Value]]


class Dialect(StrEnum):
    """Whose names."""

    TF = "tf"
    KERAS3 = "keras.ops"
    NODE = "TensorFlow node"


@dataclass(frozen=True)
class Given:
    """In an example, the input tensor number `number`, behind a function where the operation asks for it: `softplus`
    makes its numbers positive, `softsign` puts them between -1 and 1; `shape` and `shape[1]` are sizes of it, which
    TensorFlow alone has as tensors.
    """

    number: int = 0
    behind: str = "linear"


X = Given(0)
Y = Given(1)
Z = Given(2)
POSITIVE = Given(0, "softplus")
UNIT = Given(0, "softsign")
SHAPE = Given(0, "shape")


@dataclass(frozen=True)
class Example:
    """One call, with our names of the arguments, that the tests build with every library that has the operation.

    `shapes` are the Keras input shapes without the batch axis, and `arguments` may hold `Given` inputs at any depth.
    """

    shapes: tuple[tuple[int | None, ...], ...]
    arguments: Mapping[str, Any]
    dtypes: tuple[str, ...] = ()
    """Of the inputs, where they are not floats."""
    only: tuple[Dialect, ...] = tuple(Dialect)
    """Where not every library can do it."""


def example(*shapes: tuple[int | None, ...], **arguments: Any) -> Example:
    """An `Example` in short: input shapes, then the arguments; `_dtypes` and `_only` set its other fields."""
    fields = {key[1:]: arguments.pop(key) for key in list(arguments) if key.startswith("_")}
    return Example(shapes, arguments, **fields)


@dataclass(frozen=True)
class Operation:
    """One meaning: the function that writes it, and what every library calls it."""

    name: str
    family: str
    function: Rule
    names: Mapping[Dialect, tuple[Spelling, ...]]
    examples: tuple[Example, ...] = field(repr=False)
    torch: str

    def write(self, layer: LayerCall, arguments: Mapping[str, Any]) -> list[Value]:
        """Translate one call, arguments by our names."""
        result = self.function(layer, **arguments)
        return result if isinstance(result, list) else [result]


_BY_NAME: dict[tuple[Dialect, str], tuple[Operation, Spelling]] = {}
_OPERATIONS: dict[str, Operation] = {}


def operation(
    *,
    tf: str | Sequence[str] = (),
    keras3: str | Sequence[str] = (),
    node: str | Sequence[str] = (),
    examples: Sequence[Example],
    name: str | None = None,
    summary: str | None = None,
) -> Callable[[Rule], Rule]:
    """Register the decorated function as the meaning of these spellings (see `_signature`).

    It is called with the `LayerCall` and the arguments by our names, each a `Value`, a constant, or a list of those.
    Raises `ValueError` at import for a name that is taken, an operation without an example or without a docstring.
    """
    texts = {
        dialect: [given] if isinstance(given, str) else list(given)
        for dialect, given in ((Dialect.TF, tf), (Dialect.KERAS3, keras3), (Dialect.NODE, node))
    }

    def register(function: Rule) -> Rule:
        names = {
            dialect: tuple(spelling for text in each for spelling in spellings(text))
            for dialect, each in texts.items()
        }
        own = name or function.__name__
        says = summary or (function.__doc__ or "").strip().splitlines()[0]
        if not examples or not says or own in _OPERATIONS:
            raise ValueError(f"the operation {own} has no example, no docstring, or a name that is taken")
        entry = Operation(own, function.__module__.rsplit(".", 1)[-1], function, names, tuple(examples), says)
        for dialect, each in names.items():
            for spelling in each:
                short = spelling.name.rsplit(".", 1)[-1] if dialect is Dialect.KERAS3 else spelling.name
                if (dialect, short) in _BY_NAME:
                    raise ValueError(f"{dialect} {short} is registered twice")
                _BY_NAME[dialect, short] = (entry, spelling)
        _OPERATIONS[own] = entry
        return function

    return register


@cache
def _load_families() -> None:
    package = importlib.import_module("keras2torch.operations")
    for module in pkgutil.iter_modules(package.__path__):
        if not module.name.startswith("_"):
            importlib.import_module(f"{package.__name__}.{module.name}")


def find(dialect: Dialect, name: str) -> tuple[Operation, Spelling] | None:
    """The operation that a library calls `name` (of Keras 3: its class), and how it is spelled there."""
    _load_families()
    return _BY_NAME.get((dialect, name))


def operations() -> list[Operation]:
    """Every operation once, by family, then by name."""
    _load_families()
    return sorted(_OPERATIONS.values(), key=lambda each: (each.family, each.name))


def names(dialect: Dialect) -> list[str]:
    """Every name that is understood in one dialect, sorted."""
    _load_families()
    return sorted(name for known, name in _BY_NAME if known is dialect)
