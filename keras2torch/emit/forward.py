"""The body of `forward`: statements in order, each tensor in a variable a reader can follow.

A chain lives in one variable; a new one is taken only while the old is still needed.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from keras2torch.emit.code import Loop, Statement, Value, render, values_in
from keras2torch.emit.names import Names, identifier
from keras2torch.emit.wishes import (
    KEPT_NAMES,
    POOL,
    VARIABLES,
    input_names,
    output_names,
    shortcut_name,
    skip_names,
)


@dataclass(frozen=True)
class Line:
    """One statement as text, the value it binds, and how many loops it stands in."""

    text: str
    value: Value | None
    depth: int = 0


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
    plain: bool = False,
    named_outputs: bool = False,
    overwritable: Collection[int] = (),
) -> Body:
    """Name every value and render the statements; `reserved` are names of the file that a variable would hide.

    `parameters`: names for the inputs, which are then variables like others; without, each has the name of its layer
    and keeps it, but a single one that nobody named is `x`, or `inputs` if several statements read it. What is needed
    much later than at first is a `skip`. `named_outputs`: whether each of several outputs has the name of its layer.
    `overwritable`: values, by their ids, that the sum which reads them may overwrite if it goes on under their name.
    `plain`: nothing of this, only names of layers and variables as they are free.
    """
    scope = Names(reserved | frozenset(VARIABLES) | KEPT_NAMES)
    variables: dict[int, str] = {}
    bound = {id(value) for value in inputs}
    bound |= {id(value) for statement in statements for value in _bound_by(statement)}
    reads = [list(values_in(statement.code, lambda value: id(value) in bound)) for statement in statements]
    given = (
        list(parameters)
        if parameters is not None
        else input_names(inputs, statements, reads, scope, plain=plain)
    )
    variables.update(zip(map(id, inputs), given, strict=True))
    kept = {name for name in given if name not in VARIABLES} if parameters is None else set()
    last_read = {id(value): number for number, values in enumerate(reads) for value in values}
    last_read.update({id(value): len(statements) for value in outputs})
    wishes = {} if plain else shortcut_name(statements, reads) | skip_names(statements, reads, outputs)
    wishes |= output_names(outputs) if named_outputs and not plain else {}

    lines: list[Line] = []
    # An output that is called as variables are has that name for itself.
    own = {wish for wish in wishes.values() if wish in VARIABLES and wish not in given}
    named: set[str] = set()
    live = {id(value) for value in inputs}
    loops = _Loops(scope, variables)
    for number, statement in enumerate(statements):
        dying = [value for value in reads[number] if last_read[id(value)] == number]
        live -= {id(value) for value in dying}
        in_use = {variables[key] for key in live} | kept
        if statement.loop is not None:
            lines += loops.lines(statement, statement.loop, dying, in_use | named | own)
            written = (statement.value, *statement.also, *statement.loop.asides)
            live |= {id(value) for value in written if id(value) in last_read}
            continue
        text = render(statement.code, lambda value: variables.get(id(value)) if id(value) in bound else None)
        text = loops.spelled(text)
        names = []
        for value in (statement.value, *statement.also):
            if id(value) in wishes:
                wish = wishes[id(value)]
                name = wish if wish in own - named else scope.unique(wish)
                named.add(name)
            else:
                free = [variables[id(v)] for v in dying]
                spare = [name for name in free if name not in in_use | named and name.isidentifier()]
                name = _choose(value, spare, in_use | own, scope, POOL if plain else VARIABLES)
            variables[id(value)] = name
            names.append(name)
            in_use.add(name)
            if id(value) in last_read:
                live.add(id(value))
        left = statement.pattern.format(*names)
        term = _other_term(statement, left, variables, overwritable)
        lines.append(Line(f"{left} += {term}" if term else f"{left} = {text}", statement.value))
    results = [variables[id(value)] for value in outputs]
    return Body(tuple(given), tuple(lines), ", ".join(results) if len(results) != 1 else results[0])


def _other_term(
    statement: Statement, name: str, variables: Mapping[int, str], overwritable: Collection[int]
) -> str | None:
    """What is added to the variable `name`, where the statement is a sum that may overwrite it."""
    match statement.code.parts:
        case (Value() as one, " + ", Value() as other):
            for kept, added in ((one, other), (other, one)):
                if id(kept) in overwritable and variables[id(kept)] == name:
                    term = variables[id(added)]
                    return term if term.isidentifier() else None
    return None


def _bound_by(statement: Statement) -> tuple[Value, ...]:
    asides = statement.loop.asides if statement.loop is not None else ()
    return (statement.value, *statement.also, *asides)


class _Loops:
    """Writes loops: what goes on stays in its variable, what is put aside goes into a list."""

    def __init__(self, scope: Names, variables: dict[int, str]) -> None:
        self._scope, self._variables = scope, variables
        self._lists: dict[str, int] = {}

    def lines(
        self, statement: Statement, loop: Loop, dying: Sequence[Value], in_use: set[str]
    ) -> Iterator[Line]:
        """The lines of a loop. `dying`: values read here for the last time; `in_use`: names of those that are not."""
        variables = self._variables
        used = in_use | {variables[id(value)] for value in statement.code.values()}
        values = (statement.value, *statement.also)
        entered: dict[int, str] = {}
        for value, start in zip(values, loop.starts, strict=True):
            had = variables[id(start)]
            name = had
            if had in in_use or start not in dying or not had.isidentifier():
                name = _choose(value, (), used, self._scope, VARIABLES)
                yield Line(f"{name} = {had}", None)
            used.add(name)
            entered[id(start)] = name
        code = render(statement.code, lambda value: entered.get(id(value)) or variables[id(value)])
        for value, start in zip(values, loop.starts, strict=True):
            variables[id(value)] = entered[id(start)]
        item, aside, many = self._scope.unique("block"), "", ""
        if loop.asides:
            aside, many = self._scope.unique("skip"), self._scope.unique("skips")
            self._lists[many] = len(loop.asides)
            variables.update({id(value): f"{many}[{n}]" for n, value in enumerate(loop.asides)})
            yield Line(f"{many} = []", None)
        yield Line(f"for {item} in self.{loop.over}:", None)
        left = (variables[id(value)] for value in values)
        names = [aside if number is None else next(left) for number in loop.results]
        yield Line(f"{', '.join(names)} = {item}{code}", statement.value, 1)
        if loop.asides:
            yield Line(f"{many}.append({aside})", None, 1)

    def spelled(self, text: str) -> str:
        """An expression in which whole lists stand for all that was put into them."""
        for name, length in self._lists.items():
            items = [f"{name}[{number}]" for number in range(length)]
            text = text.replace(", ".join(items), f"*{name}")
            more = rf"(?<![^(]){re.escape(' + '.join(items))}"
            text = re.sub(rf"{more}(?= \+ )", f"sum({name})", text)
            # So that what the sum starts from is a tensor.
            text = re.sub(rf"{more}(?![^)])", f"sum({name}[1:], {name}[0])", text)
        return text


def _choose(value: Value, free: Sequence[str], in_use: set[str], scope: Names, pool: Sequence[str]) -> str:
    """A variable for `value`; `free` are those whose value is read here for the last time."""
    wish = identifier(value.hint or "x", "x")
    if wish in KEPT_NAMES:
        candidates = [wish, *(name for name in free if name.split("_")[0] == wish)]
    else:
        candidates = [*(name for name in free if name.split("_")[0] not in KEPT_NAMES), *pool]
    return next((name for name in candidates if name not in in_use), None) or scope.unique(wish)
