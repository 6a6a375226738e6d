"""The body of `forward`: statements in order, each tensor in a variable a reader can follow.

A chain lives in one variable; a new one is taken only while the old is still needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from keras2torch.emit.code import Statement, Value, render, values_in
from keras2torch.emit.names import Names, identifier

_POOL = ("x", "y", "z")
_MORE = ("u", "v", "w")
_LONG = 4
"""Over how many statements a value is kept that deserves a name: a skip connection."""
# What a reader looks for by name, wherever it stands in a chain.
_KEPT_NAMES = frozenset({"mask", "h", "c"})


@dataclass(frozen=True)
class Line:
    """One statement as text, and the value it binds."""

    text: str
    value: Value


@dataclass(frozen=True)
class Body:
    """The parameters of `forward`, its statements, and what it returns."""

    parameters: tuple[str, ...]
    lines: tuple[Line, ...]
    returns: str


def write_body(
    inputs: Sequence[Value],
    statements: Sequence[Statement],
    outputs: Sequence[Value],
    reserved: frozenset[str] = frozenset(),
    *,
    parameters: Sequence[str] | None = None,
    skips: bool = False,
) -> Body:
    """Name every value and render the statements; `reserved` are names of the file that a variable would hide.

    `parameters`: names for the inputs, which are then variables like others; without, each has the name of its layer
    and keeps it. `skips`: whether a value that is needed much later than at first has a name that says so.
    """
    scope = Names(reserved | frozenset((*_POOL, *_MORE)) | _KEPT_NAMES)
    variables: dict[int, str] = {}
    bound = {id(value) for value in inputs}
    bound |= {id(value) for statement in statements for value in (statement.value, *statement.also)}
    for number, value in enumerate(inputs):
        name = parameters[number] if parameters is not None else scope.unique(value.hint or "x", "x")
        variables[id(value)] = name
    names_of_inputs = tuple(variables[id(value)] for value in inputs)
    kept = set() if parameters is not None else set(names_of_inputs)
    reads = [list(values_in(statement.code, lambda value: id(value) in bound)) for statement in statements]
    last_read = {id(value): number for number, values in enumerate(reads) for value in values}
    last_read.update({id(value): len(statements) for value in outputs})
    first_read: dict[int, int] = {}
    for number, values in enumerate(reads):
        for value in values:
            first_read.setdefault(id(value), number)

    lines: list[Line] = []
    live = {id(value) for value in inputs}
    for number, statement in enumerate(statements):
        text = render(statement.code, lambda value: variables.get(id(value)) if id(value) in bound else None)
        dying = [value for value in reads[number] if last_read[id(value)] == number]
        live -= {id(value) for value in dying}
        in_use = {variables[key] for key in live} | kept
        names = []
        for value in (statement.value, *statement.also):
            free = [variables[id(v)] for v in dying if variables[id(v)] not in in_use]
            read = first_read.get(id(value), len(statements))
            named = skips and identifier(value.hint or "x", "x") not in _KEPT_NAMES
            if named and read < len(statements) and last_read[id(value)] - read > _LONG:
                name = scope.unique("skip")
            else:
                spare = [name for name in free if not name.startswith("skip")]
                name = _choose(value, spare, in_use, scope, (*_POOL, *_MORE) if skips else _POOL)
            variables[id(value)] = name
            names.append(name)
            in_use.add(name)
            if id(value) in last_read:
                live.add(id(value))
        lines.append(Line(f"{statement.pattern.format(*names)} = {text}", statement.value))
    results = [variables[id(value)] for value in outputs]
    return Body(names_of_inputs, tuple(lines), ", ".join(results) if len(results) != 1 else results[0])


def _choose(value: Value, free: Sequence[str], in_use: set[str], scope: Names, pool: Sequence[str]) -> str:
    """A variable for `value`; `free` are those whose value is read here for the last time."""
    wish = identifier(value.hint or "x", "x")
    if wish in _KEPT_NAMES:
        candidates = [wish, *(name for name in free if name.split("_")[0] == wish)]
    else:
        candidates = [*(name for name in free if name.split("_")[0] not in _KEPT_NAMES), *pool]
    return next((name for name in candidates if name not in in_use), None) or scope.unique(wish)
