"""What the stack of `machine` holds, and what Python's operators and calls make of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial, reduce
from typing import Any, TypeVar

from keras2torch.bytecode.names import BUILTINS, CONSTANTS, FUNCTIONS, MODULES, call, full_name
from keras2torch.bytecode.numbers import Numbers, computed
from keras2torch.bytecode.refusal import NotRecognised
from keras2torch.bytecode.tree import GETITEM, INT_SHAPE, OPERATORS, TOP_K, Apply, Input, Slice, has_tensor

_LARGEST_NUMBER = 1e40
_MOST_ITEMS = 4096
_LONGEST_NAME = 200
_OF_TOP_K = ("values", "indices")

_Items = TypeVar("_Items")


@dataclass(frozen=True)
class Name:
    """A module, or something in one, by its full name."""

    full: str


@dataclass(frozen=True)
class Unknown:
    """A variable whose value the file does not hold: `why` completes "reads ..."."""

    why: str


@dataclass(frozen=True)
class Method:
    """A method of a tensor that says its shape, before it is called."""

    owner: Any
    name: str


def is_size(value: Any) -> bool:
    """Whether a value is the size of one axis."""
    return (
        isinstance(value, Apply)
        and value.symbol == GETITEM
        and _says_shape(value.arguments[0])
        and isinstance(value.arguments[1], int)
    )


def _says_shape(value: Any) -> bool:
    return isinstance(value, Apply) and value.symbol == INT_SHAPE


def is_tensor(value: Any) -> bool:
    return isinstance(value, Input | Apply)


def number_of(value: Any) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise NotRecognised(f"computes with {described(value)}")
    return value


def described(value: Any) -> str:
    if isinstance(value, Name):
        return value.full
    if isinstance(value, list | tuple):
        return "a list"
    return "a slice" if isinstance(value, Slice) else repr(value)[:40]


def bounded(items: _Items) -> _Items:
    """The same list or tuple, if it does not come to too much with all that is in it."""
    waiting: list[Any] = [items]
    for _ in range(_MOST_ITEMS):
        if not waiting:
            return items
        value = waiting.pop()
        if isinstance(value, list | tuple):
            if len(value) > _MOST_ITEMS:
                break
            waiting += value
    raise NotRecognised("builds too long a list")


def attribute_of(owner: Any, attribute: str) -> Any:
    if len(attribute) > _LONGEST_NAME:
        raise NotRecognised("uses an endless name")
    if isinstance(owner, Name):
        full = full_name(owner.full, attribute)
        if full in CONSTANTS:
            return CONSTANTS[full]
        if len(full) > _LONGEST_NAME:
            raise NotRecognised("uses an endless name")
        return Name(full)
    if is_tensor(owner):
        if attribute == "shape":
            return Apply(INT_SHAPE, (owner,))
        if attribute == "get_shape" or (attribute == "as_list" and _says_shape(owner)):
            return Method(owner, attribute)
        if attribute == "value" and is_size(owner):
            return owner  # TensorFlow 1 had an object for a size
        if isinstance(owner, Apply) and owner.symbol == TOP_K and attribute in _OF_TOP_K:
            return Apply(GETITEM, (owner, _OF_TOP_K.index(attribute)))
        raise NotRecognised(f"reads the attribute {attribute} of a tensor")
    raise NotRecognised(f"reads the attribute {attribute} of {described(owner)}")


def binary(sign: str, left: Any, right: Any) -> Any:
    if is_tensor(left) or is_tensor(right):
        if sign in ("==", "!="):
            raise NotRecognised(
                "compares tensors with == or !=, which TensorFlow 1 and 2 understand differently"
            )
        symbol = OPERATORS.get(sign)
        for value in (left, right):
            if isinstance(value, Name | Slice | str | None) or (has_tensor(value) and not is_tensor(value)):
                raise NotRecognised(f"computes with {described(value)}")
        if symbol is None:
            raise NotRecognised(f"uses the operator {sign} on a tensor")
        return Apply(symbol, (left, right))
    if isinstance(left, Numbers) or isinstance(right, Numbers):
        return computed(sign, left, right)
    if sign == "+" and isinstance(left, list | tuple) and type(left) is type(right):
        return bounded(type(left)([*left, *right]))
    return _arithmetic(sign, number_of(left), number_of(right))


def _arithmetic(sign: str, left: float, right: float) -> int | float:
    """Numbers as Python computes them, within bounds."""
    operator = _ARITHMETIC.get(sign)
    if operator is None:
        raise NotRecognised(f"uses the operator {sign} on numbers")
    if sign == "**" and (abs(right) > 64 or (left <= 0 and right != int(right))):
        raise NotRecognised("raises a number to a power that is out of bounds")
    try:
        result = operator(left, right)
    except (ArithmeticError, ValueError):
        raise NotRecognised("computes a number that is none") from None
    if not -_LARGEST_NUMBER < result < _LARGEST_NUMBER:
        raise NotRecognised("computes a number that is out of bounds")
    return result


_ARITHMETIC: Mapping[str, Callable[[float, float], int | float]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "//": lambda a, b: a // b,
    "%": lambda a, b: a % b,
    "**": lambda a, b: a**b,
}


def slice_of(start: Any, stop: Any, step: Any) -> Slice:
    for bound in (start, stop, step):
        whole = isinstance(bound, int | Apply) and not isinstance(bound, bool)
        if bound is not None and not whole:
            raise NotRecognised(f"takes a slice with the bound {described(bound)}")
    return Slice(start, stop, step)


def _whole(bound: int | Apply | None) -> int | None:
    if isinstance(bound, Apply):
        raise NotRecognised("takes a slice of a list to a place that a tensor says")
    return bound


def item_of(owner: Any, place: Any) -> Any:
    if isinstance(owner, list | tuple):
        if isinstance(place, Slice):
            start, stop, step = (_whole(bound) for bound in place.bounds)
            if step == 0:
                raise NotRecognised("takes a slice with step 0")
            return owner[start:stop:step]
        if isinstance(place, bool) or not isinstance(place, int) or not -len(owner) <= place < len(owner):
            raise NotRecognised(f"takes item {described(place)} of a list of {len(owner)}")
        return owner[place]
    if not is_tensor(owner):
        raise NotRecognised(f"takes an item of {described(owner)}")
    for item in place if isinstance(place, tuple) else (place,):
        plain = item is None or item is ... or isinstance(item, Slice)
        if not plain and (isinstance(item, bool) or not isinstance(item, int)):
            shown = "a tensor" if is_tensor(item) else described(item)
            raise NotRecognised(f"takes the item {shown} of a tensor")
    return Apply(GETITEM, (owner, place))


def call_value(function: Any, positional: list[Any], named: Mapping[str, Any]) -> Any:
    if isinstance(function, Method) and not positional and not named:
        return function.owner if function.name == "as_list" else Apply(INT_SHAPE, (function.owner,))
    if not isinstance(function, Name):
        raise NotRecognised("calls something that is no function of a module")
    for value in (*positional, *named.values()):
        if isinstance(value, Name):
            raise NotRecognised(f"hands {value.full} to {function.full}")
    if function.full in BUILTINS:
        return _call_builtin(function.full, positional, named)
    if function.full not in FUNCTIONS and function.full in MODULES.values():
        raise NotRecognised(f"calls the module {function.full}")
    return call(function.full, positional, named)


def _call_builtin(name: str, positional: list[Any], named: Mapping[str, Any]) -> Any:
    first = positional[0] if positional else None
    if name in ("max", "min") and not named and len(positional) > 1:
        positional = [positional]
        first = positional[0]
    if named or len(positional) != (2 if name == "pow" else 1):
        raise NotRecognised(f"calls {name} in an unusual way")
    if name == "pow":
        return binary("**", first, positional[1])
    if name == "abs" and is_tensor(first):
        return Apply("math.abs", (first,))
    if name == "int" and is_size(first):
        return first
    if name in ("list", "tuple", "len") and isinstance(first, list | tuple):
        return len(first) if name == "len" else list(first) if name == "list" else tuple(first)
    if name in ("max", "min", "sum") and isinstance(first, list | tuple) and first:
        if name == "sum":
            return reduce(partial(binary, "+"), first)
        return (max if name == "max" else min)(map(number_of, first))
    if name in ("abs", "float", "int"):
        try:
            number = number_of(first)
            return abs(number) if name == "abs" else float(number) if name == "float" else int(number)
        except (OverflowError, ValueError):
            raise NotRecognised(f"calls {name} on {first}") from None
    raise NotRecognised(f"calls {name} on {'a tensor' if has_tensor(first) else described(first)}")
