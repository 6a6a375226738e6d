"""What a function computes, as a tree of TensorFlow's operations: to show, compare, translate, and keep as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from keras2torch.bytecode.refusal import NotRecognised

_LARGEST_TREE = 400
GETITEM = "__operators__.getitem"
BATCH_FLATTEN = "keras.backend.batch_flatten"
BATCH_DOT = "keras.backend.batch_dot"
INT_SHAPE = "keras.backend.int_shape"
KERAS_SYMBOLS = frozenset({BATCH_FLATTEN, BATCH_DOT, INT_SHAPE})
"""The symbols that are none of TensorFlow's: what they do depends on sizes and on how many axes there are."""
TOP_K = "math.top_k"
SEVERAL = frozenset({"split", "unstack", TOP_K, INT_SHAPE})
"""The symbols that yield several things."""
OPERATORS = {
    "+": "math.add",
    "-": "math.subtract",
    "*": "math.multiply",
    "/": "math.truediv",
    "//": "math.floordiv",
    "%": "math.floormod",
    "**": "math.pow",
    "@": "linalg.matmul",
    "<": "math.less",
    "<=": "math.less_equal",
    ">": "math.greater",
    ">=": "math.greater_equal",
}
"""Python's operators on tensors, under the names by which TensorFlow knows what they do."""

_BINDING = {
    "**": 7,
    "*": 5,
    "/": 5,
    "//": 5,
    "%": 5,
    "@": 5,
    "+": 4,
    "-": 4,
    "<": 1,
    "<=": 1,
    ">": 1,
    ">=": 1,
}
_SIGNS = {symbol: sign for sign, symbol in OPERATORS.items()}
_NEGATIVE = 6
_ATOM = 9


@dataclass(frozen=True)
class Input:
    """What the layer is called on: a tensor, or a list of them."""

    name: str = "x"


@dataclass(frozen=True)
class Slice:
    """`start:stop:step` of constants, or of sizes of tensors."""

    start: int | Apply | None
    stop: int | Apply | None
    step: int | Apply | None

    @property
    def bounds(self) -> tuple[int | Apply | None, ...]:
        return self.start, self.stop, self.step


@dataclass(frozen=True)
class Apply:
    """One operation. `symbol` is its name below `tf`; arguments are nodes, constants, or lists and tuples of them."""

    symbol: str
    arguments: tuple[Any, ...]
    options: tuple[tuple[str, Any], ...] = ()
    size: int = field(default=0, compare=False)

    def __post_init__(self) -> None:
        size = 1 + sum(_size(value) for value in (*self.arguments, *(value for _, value in self.options)))
        if size > _LARGEST_TREE:
            raise NotRecognised(f"comes to more than {_LARGEST_TREE} operations and constants")
        object.__setattr__(self, "size", size)


Node = Input | Apply


def _size(value: Any) -> int:
    if isinstance(value, Apply):
        return value.size
    if isinstance(value, Slice):
        return sum(_size(bound) for bound in value.bounds)
    if isinstance(value, list | tuple):
        return 1 + sum(_size(item) for item in value)
    return 1


def has_tensor(value: Any) -> bool:
    """Whether a value is a tensor or holds one."""
    if isinstance(value, list | tuple):
        return any(has_tensor(item) for item in value)
    return isinstance(value, Input | Apply)


# -------------------------------------------------------------------------------------------------- as text


def text(value: Any) -> str:
    """The expression as Python with TensorFlow would have it, in one line."""
    return _text(value)[0]


def _text(value: Any) -> tuple[str, int]:
    """An expression, and how strongly its outermost operator binds."""
    if isinstance(value, Input):
        return value.name, _ATOM
    if isinstance(value, Apply):
        return _apply_text(value)
    if isinstance(value, Slice):
        pieces = [_bound(value.start), _bound(value.stop)] + (
            [_bound(value.step)] if value.step is not None else []
        )
        return ":".join(pieces), 0
    if isinstance(value, list):
        return f"[{', '.join(text(item) for item in value)}]", _ATOM
    if isinstance(value, tuple):
        return f"({', '.join(text(item) for item in value)}{',' * (len(value) == 1)})", _ATOM
    if value is ...:
        return "...", _ATOM
    shown = repr(value)
    return shown, _NEGATIVE if shown.startswith("-") else _ATOM


def _apply_text(node: Apply) -> tuple[str, int]:
    sign = _SIGNS.get(node.symbol)
    if sign is not None and len(node.arguments) == 2 and not node.options:
        binding = _BINDING[sign]
        left, right = (_text(argument) for argument in node.arguments)
        # Powers group from the right, comparisons not at all.
        first = _bracketed(left, binding + (sign == "**" or binding == 1))
        return f"{first} {sign} {_bracketed(right, binding + (sign != '**'))}", binding
    if node.symbol == "math.negative" and len(node.arguments) == 1 and not node.options:
        return f"-{_bracketed(_text(node.arguments[0]), _NEGATIVE)}", _NEGATIVE
    if node.symbol == GETITEM:
        place = node.arguments[1]
        inside = ", ".join(text(item) for item in place) if isinstance(place, tuple) else text(place)
        if isinstance(place, tuple) and len(place) == 1:
            inside += ","
        return f"{_bracketed(_text(node.arguments[0]), _ATOM)}[{inside}]", _ATOM
    given = [text(argument) for argument in node.arguments]
    given += [f"{name}={text(option)}" for name, option in node.options]
    name = node.symbol if node.symbol in KERAS_SYMBOLS else f"tf.{node.symbol}"
    return f"{name}({', '.join(given)})", _ATOM


def _bracketed(shown: tuple[str, int], at_least: int) -> str:
    return shown[0] if shown[1] >= at_least else f"({shown[0]})"


def _bound(value: int | Apply | None) -> str:
    return "" if value is None else text(value)


# -------------------------------------------------------------------------------------------------- as JSON


def to_json(value: Any) -> Any:
    """Plain JSON: constants as they are, everything else as an object with one telling key."""
    if isinstance(value, Input):
        return {"input": value.name}
    if isinstance(value, Apply):
        return {
            "apply": value.symbol,
            "arguments": [to_json(argument) for argument in value.arguments],
            "options": {name: to_json(option) for name, option in value.options},
        }
    if isinstance(value, Slice):
        return {"slice": [to_json(bound) for bound in value.bounds]}
    if isinstance(value, list | tuple):
        return {"list" if isinstance(value, list) else "tuple": [to_json(item) for item in value]}
    return {"ellipsis": True} if value is ... else value


def from_json(value: Any) -> Any:
    """The inverse of `to_json`."""
    if not isinstance(value, Mapping):
        return value
    if "apply" in value:
        return Apply(
            value["apply"],
            tuple(from_json(argument) for argument in value["arguments"]),
            tuple((name, from_json(option)) for name, option in value["options"].items()),
        )
    if "input" in value:
        return Input(value["input"])
    if "slice" in value:
        return Slice(*(from_json(bound) for bound in value["slice"]))
    if "list" in value:
        return [from_json(item) for item in value["list"]]
    return tuple(from_json(item) for item in value["tuple"]) if "tuple" in value else ...
