"""From a function as Keras stores it to the expression that it computes."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from keras2torch.bytecode.marshalled import Code, read_code
from keras2torch.bytecode.opcodes import DIALECTS, NotThisDialect
from keras2torch.bytecode.refusal import NotRecognised
from keras2torch.bytecode.steps import run
from keras2torch.bytecode.tree import Apply, Input, Node, text
from keras2torch.bytecode.values import Unknown, bounded

_LARGEST_TEXT = 1 << 17
_GIVEN_BY_KERAS = frozenset({"mask", "training"})
"""Parameters that Keras fills in itself when it calls the function."""


@dataclass(frozen=True)
class StoredFunction:
    """What a file holds of a function: its marshalled code as text, and the values that came with it."""

    code: str
    defaults: Any = None
    closure: Any = None


@dataclass(frozen=True)
class Recognised:
    """A function that was read: its name, the Pythons that may have compiled it, and what it computes."""

    name: str
    pythons: tuple[str, ...]
    tree: Node

    @property
    def text(self) -> str:
        return text(self.tree)


def stored_function(value: Any, kind: Any = None) -> StoredFunction:
    """The function that an option holds; `kind` is what stands under `function_type` or its like.

    Keras 1 and 2 write `[code, defaults, closure]`, Keras 3 that or its parts in an object. Raises `NotRecognised`
    for a function that is kept by its name only.
    """
    if isinstance(value, Mapping) and value.get("class_name") in ("__lambda__", "function"):
        value = value.get("config")
    if isinstance(value, Mapping):
        if "code" in value:
            return _stored(value["code"], value.get("defaults"), value.get("closure"))
        value = value.get("value")  # where it is no Lambda's
    if isinstance(value, str) and kind != "lambda":
        raise NotRecognised(f"is {value[:60]!r}, of which the file holds nothing but the name")
    if isinstance(value, list | tuple) and len(value) == 3 and kind in (None, "lambda"):
        return _stored(*value)
    raise NotRecognised("is stored in a way that is not known")


def _stored(code: Any, defaults: Any, closure: Any) -> StoredFunction:
    if not isinstance(code, str):
        raise NotRecognised("has no bytecode")
    return StoredFunction(code, defaults, closure)


def recognise(stored: StoredFunction, arguments: Mapping[str, Any] | None = None) -> Recognised:
    """What `function(inputs, **arguments)` computes. Raises `NotRecognised`."""
    readings = [
        _read(code, stored, arguments if arguments is not None else {})
        for code in read_code(_decode(stored.code))
    ]
    found = [reading for reading in readings if isinstance(reading, Recognised)]
    refusals = [reading for reading in readings if not isinstance(reading, Recognised)]
    if not found:
        raise refusals[0]
    if len(readings) > 1:
        raise NotRecognised("may be of several versions of Python")
    return found[0]


def _read(code: Code, stored: StoredFunction, arguments: Mapping[str, Any]) -> Recognised | NotRecognised:
    """One reading, in every dialect that writes this layout; they must not contradict each other."""
    results: dict[str, Any] = {}
    refusals: list[NotRecognised] = []
    try:
        variables = _parameters(code, stored.defaults, arguments)
        closure = _closure(code, stored.closure)
    except NotRecognised as refusal:
        return _named(code, refusal)
    for dialect in DIALECTS[code.layout]:
        try:
            results[dialect.name] = run(code, dialect, variables, closure)
        except NotThisDialect as refusal:
            refusals.append(refusal)
        except NotRecognised as refusal:
            refusals.insert(0, refusal)
    sure = [refusal for refusal in refusals if not isinstance(refusal, NotThisDialect)]
    if sure or not results:
        return _named(code, refusals[0])
    first, *others = results.values()
    if any(other != first for other in others):
        return NotRecognised("means different things in different versions of Python")
    if not isinstance(first, Input | Apply):
        return _named(
            code,
            NotRecognised(
                "returns several values" if isinstance(first, list | tuple) else "returns no tensor"
            ),
        )
    return Recognised(code.name, tuple(results), first)


def _named(code: Code, refusal: NotRecognised) -> NotRecognised:
    return NotRecognised(f"{code.name[:60]} {refusal.why}")


def _decode(code: str) -> bytes:
    """Base64 since Keras 2.1.2; before, the bytes as characters, as they come out of Python's raw_unicode_escape."""
    if len(code) > _LARGEST_TEXT:
        raise NotRecognised(f"is {len(code)} characters of bytecode")
    if code[:1] in ("c", "\xe3"):
        return code.encode("raw_unicode_escape", "replace")
    try:
        return base64.b64decode("".join(code.split()), validate=True)
    except (binascii.Error, ValueError):
        raise NotRecognised("is stored as text that is no bytecode") from None


def _parameters(code: Code, defaults: Any, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The variables that are set when the function starts."""
    names = code.variables[: code.arguments + code.keyword_only]
    if not code.arguments:
        raise NotRecognised("takes no argument")
    values = list(_items(defaults))
    if len(values) > code.arguments:
        raise NotRecognised("has more defaults than arguments")
    with_default = names[code.arguments - len(values) : code.arguments]
    variables: dict[str, Any] = {name: Unknown(f"its argument {name}, which has no value") for name in names}
    variables.update(zip(with_default, map(_plain, values), strict=True))
    for name, value in arguments.items():
        if name not in names[1:]:
            raise NotRecognised(f"is given an argument {name[:40]} that it does not have")
        variables[name] = _plain(value)
    for name in _GIVEN_BY_KERAS.intersection(names[1:]):
        variables[name] = Unknown(f"its argument {name}, which Keras sets")
    variables[names[0]] = Input(_shown(names[0]))
    return variables


def _closure(code: Code, values: Any) -> dict[str, Any]:
    items = _items(values)
    if len(items) != len(code.free):
        raise NotRecognised("has variables of the function around it whose values are not in the file")
    return dict(zip(code.free, map(_plain, items), strict=True))


def _items(values: Any) -> list[Any]:
    if values is None:
        return []
    if isinstance(values, Mapping) and values.get("class_name") == "__tuple__":
        values = values.get("items")
    if not isinstance(values, list | tuple):
        raise NotRecognised("has values that are no list")
    return list(values)


def _plain(value: Any) -> Any:
    """A constant out of the configuration; what is none stays unknown, which matters only where it is read."""
    try:
        return bounded(_plainly(value))
    except NotRecognised as refusal:
        return Unknown(f"a value that {refusal.why}")


def _plainly(value: Any, depth: int = 0) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if depth > 8:
        raise NotRecognised("is nested too deeply")
    if isinstance(value, Mapping) and value.get("class_name") == "__tuple__":
        return tuple(_plainly(item, depth + 1) for item in _items(value))
    if isinstance(value, Mapping) and value.get("type") == "ndarray" and isinstance(value.get("value"), list):
        return _plainly(value["value"], depth + 1)
    if isinstance(value, list | tuple):
        return [_plainly(item, depth + 1) for item in value]
    raise NotRecognised("is no number, text or list")


def _shown(name: str) -> str:
    """An argument's name where it can stand in a formula; every text in a file may be anything."""
    return name if name.isidentifier() and name.isascii() and len(name) <= 20 else "x"
