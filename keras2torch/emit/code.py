"""Pieces of source: a `Value` is a tensor of the emitted `forward`, `Code` an expression over values.

Rules build expressions, never strings with variable names in them: which variable holds a tensor is decided once, for
the whole body, when it is rendered. Every literal goes through `literal`, so no text of a model file can become code.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from keras2torch.emit.order import FeatureOrder
from keras2torch.graph.model import Shape


@dataclass(frozen=True)
class Raw:
    """A constant of the emitted language, such as `torch.float32`: written by a rule, never taken from a file."""

    text: str


@dataclass(frozen=True)
class Code:
    """An expression: text with values in between. `atomic` says it can be an operand without parentheses."""

    parts: tuple[str | Value, ...]
    atomic: bool = True

    def values(self) -> Iterator[Value]:
        return (part for part in self.parts if isinstance(part, Value))


@dataclass(eq=False)
class Value:
    """A tensor in the emitted module.

    `shape` and `dtype` are Keras's view of it. Torch axis i holds Keras axis `axes[i]`. `order` is set where the last
    axis is a flattened one whose elements stand in another order than Keras's. `mask` is the boolean tensor (N, T)
    that Keras would carry along with it.
    """

    shape: Shape
    dtype: str
    axes: tuple[int, ...]
    code: Code | None = None
    order: FeatureOrder | None = None
    mask: Value | None = field(default=None, repr=False)
    mask_spent: bool = False
    """Keras 3 only: whether `mask` is gone while the model runs, so that only layers whose call names it have it."""
    valid_first: tuple[Value, Value] | None = field(default=None, repr=False)
    """The same sequence with its valid steps in front (the others mean nothing there), and the mask that tells them."""
    unpadded: tuple[Value, tuple[int, ...]] | None = field(default=None, repr=False)
    """Of a tensor (N, C, spatial...) with zeros round it: the tensor without, and how many are at both ends of each
    spatial axis."""
    hint: str | None = None
    """A name to use if the value needs a variable of its own."""

    @property
    def rank(self) -> int:
        return len(self.shape)

    @property
    def keras_layout(self) -> bool:
        """Whether torch sees the very axes that Keras sees, in the same order of elements."""
        return self.order is None and self.axes == tuple(range(self.rank))

    def torch_axis(self, keras_axis: int) -> int:
        """Where Keras's axis (0 is the batch; negative counts from the end) stands in the torch tensor."""
        return self.axes.index(keras_axis % self.rank)

    @property
    def torch_shape(self) -> Shape:
        return tuple(self.shape[axis] for axis in self.axes)


@dataclass(frozen=True)
class Loop:
    """`for block in self.<over>:` round a statement that calls `block`: its code begins behind that name."""

    over: str
    starts: tuple[Value, ...]
    """What it goes on from, one value for each that the statement binds; its code speaks of these."""
    asides: tuple[Value, ...]
    """What it puts aside, one value a round, in order."""
    results: tuple[int | None, ...]
    """Which of the values each output of a block goes on as; None if it is put aside."""


@dataclass(eq=False)
class Statement:
    """`target = code` in the emitted forward. `pattern` shows where the values stand in a tuple target."""

    value: Value
    code: Code
    pattern: str = "{}"
    optional: bool = False
    """Dropped when nothing reads it (masks are computed where they arise, but few models use them)."""
    also: tuple[Value, ...] = ()
    """Values beside `value` that a tuple target binds, in the pattern's order."""
    layer: str = ""
    """Path of the Keras layer whose rule wrote it."""
    call: int = 0
    """Which call of that layer it belongs to."""
    loop: Loop | None = None


@dataclass
class ModuleDecl:
    """`self.<name> = <code>` in the emitted `__init__`."""

    name: str
    code: Code


def literal(value: Any) -> str:
    """Python source of a constant: numbers, strings, booleans, None and tuples of them; nothing else gets through."""
    if isinstance(value, Raw):
        return value.text
    if value is None or isinstance(value, bool | str):
        return repr(value) if not isinstance(value, str) else '"' + value.translate(_ESCAPES) + '"'
    if isinstance(value, int):
        return repr(int(value))
    if isinstance(value, float):
        if not math.isfinite(value):
            return f'float("{value}")'
        return _short_float(value)
    if isinstance(value, tuple | list):
        inner = ", ".join(literal(item) for item in value)
        if isinstance(value, list):
            return f"[{inner}]"
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    raise TypeError(f"{type(value).__name__} has no literal form")


class _Escapes(dict[int, str]):
    def __missing__(self, point: int) -> str:
        char = chr(point)
        if char in '"\\':
            return "\\" + char
        if char.isascii() and char.isprintable():
            return char
        return f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"


_ESCAPES = _Escapes()


def _short_float(value: float) -> str:
    # 0.0010000000474974513 is what float32(0.001) looks like in a config; both spell the same stored number only if
    # the reference sees the same text, so floats are never shortened, only 1e-05 is written as people write it.
    text = repr(float(value))
    mantissa, _, exponent = text.partition("e")
    return f"{mantissa}e{int(exponent)}" if exponent else text


Argument = Any
"""A `Value`, a `Code`, or a constant that `literal` admits."""


def operand(value: Argument) -> Code:
    if isinstance(value, Code):
        return value if value.atomic else Code(("(", *value.parts, ")"))
    if isinstance(value, Value):
        return Code((value,))
    return Code((literal(value),))


def expression(value: Argument) -> Code:
    return value if isinstance(value, Code) else operand(value)


def call(function: str, *args: Argument, **kwargs: Argument) -> Code:
    """`function(args, key=value)`."""
    parts: list[str | Value] = [function, "("]
    for position, (key, value) in enumerate([*((None, arg) for arg in args), *kwargs.items()]):
        if position:
            parts.append(", ")
        if key:
            parts.append(f"{key}=")
        parts.extend(expression(value).parts)
    return Code((*parts, ")"))


def method(value: Argument, name: str, *args: Argument, **kwargs: Argument) -> Code:
    """`value.name(args)`."""
    inner = call(f".{name}", *args, **kwargs)
    return Code((*operand(value).parts, *inner.parts))


def template(text: str, *values: Argument) -> Code:
    """An operator expression: each `{}` in `text` is replaced by an operand. Not atomic."""
    pieces = text.split("{}")
    if len(pieces) != len(values) + 1:
        raise ValueError(f"{text!r} has {len(pieces) - 1} places for {len(values)} values")
    parts: list[str | Value] = [pieces[0]]
    for value, piece in zip(values, pieces[1:], strict=True):
        parts.extend(operand(value).parts)
        parts.append(piece)
    return Code(tuple(part for part in parts if part != ""), atomic=False)


def index(value: Argument, text: str) -> Code:
    """`value[text]`."""
    return Code((*operand(value).parts, f"[{text}]"))


def render(code: Code, name_of: Callable[[Value], str | None]) -> str:
    """The text of an expression. `name_of` gives a value's variable, or None to write its expression in place."""
    out: list[str] = []
    for part in code.parts:
        if isinstance(part, str):
            out.append(part)
            continue
        name = name_of(part)
        if name is not None:
            out.append(name)
            continue
        if part.code is None:
            raise AssertionError("a value without a variable and without an expression")
        inner = render(part.code, name_of)
        alone = len(code.parts) == 1
        out.append(inner if part.code.atomic or alone else _parenthesised(inner, code, part))
    return "".join(out)


def _parenthesised(inner: str, code: Code, part: Value) -> str:
    # Between brackets and commas an expression needs no parentheses; beside an operator or a dot it does.
    position = code.parts.index(part)
    before = code.parts[position - 1] if position else ""
    after = code.parts[position + 1] if position + 1 < len(code.parts) else ""
    opens = isinstance(before, str) and before.endswith(("(", ", ", "=", "["))
    closes = isinstance(after, str) and after.startswith((")", ", ", "]"))
    return inner if opens and closes else f"({inner})"


def values_in(code: Code, bound: Callable[[Value], bool]) -> Iterator[Value]:
    """The variables an expression reads, looking through values that are written in place."""
    for value in code.values():
        if bound(value) or value.code is None:
            yield value
        else:
            yield from values_in(value.code, bound)
