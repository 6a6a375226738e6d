"""Which values of a body deserve a name of their own: inputs, outputs, and what is kept for much later."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from keras2torch.emit.code import Statement, Value
from keras2torch.emit.names import Names, identifier, is_default_name, says_nothing

POOL = ("x", "y", "z")
VARIABLES = (*POOL, "u", "v", "w")
"""What tensors are called that nothing else is to be said of."""
_LONG = 4
"""Over how many statements a value is kept that deserves a name: a skip connection."""
_LATER = 2
"""Over how many statements a value waits that is a shortcut."""
STATES = frozenset({"h", "c"})
"""Of recurrent layers: each with the batch along its second axis."""
KEPT_NAMES = frozenset({"mask"}) | STATES
"""What a reader looks for by name, wherever it stands in a chain."""


def input_names(
    inputs: Sequence[Value],
    statements: Sequence[Statement],
    reads: Sequence[Sequence[Value]],
    scope: Names,
    *,
    plain: bool,
) -> list[str]:
    """What the layers are called; a name that variables have too is one of them."""
    if plain:
        return [scope.unique(value.hint or "x", "x") for value in inputs]
    if len(inputs) == 1:
        hint = inputs[0].hint or "input"
        readers = [statement for statement, read in zip(statements, reads, strict=True) if inputs[0] in read]
        # Keras calls the input of a list of layers after the first of them.
        after_layer = any(hint == f"{each.layer.rpartition('/')[2]}_input" for each in readers)
        if says_nothing(hint) or after_layer:
            return ["x" if len(readers) == 1 else scope.unique("inputs")]
    names: list[str] = []
    for value in inputs:
        wish = identifier(value.hint or "x", "x")
        free = wish in VARIABLES and wish not in names
        names.append(wish if free else scope.unique(wish, "x"))
    return names


def skip_names(
    statements: Sequence[Statement], reads: Sequence[Sequence[Value]], outputs: Sequence[Value]
) -> dict[int, str]:
    """Names for values that are needed much later than at first, and for those that others of their kind read."""
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    for number, values in enumerate(reads):
        for value in values:
            first.setdefault(id(value), number)
            last[id(value)] = number
    last.update({id(value): len(statements) for value in outputs if id(value) in first})
    kept = [
        value
        for statement in statements
        if statement.loop is None
        for value in (statement.value, *statement.also)
        if last.get(id(value), 0) > first.get(id(value), 0) and not _is_kept(value)
    ]
    long = {id(value) for value in kept if last[id(value)] - first[id(value)] > _LONG}
    joined = {_form(statements[last[key]]) for key in long if last[key] < len(statements)}
    found = [
        value
        for value in kept
        if id(value) in long
        or (last[id(value)] < len(statements) and _form(statements[last[id(value)]]) in joined)
    ]
    if len(found) == 1:
        return {id(found[0]): "skip"}
    return {id(value): f"skip{number}" for number, value in enumerate(found, 1)}


def _form(statement: Statement) -> str:
    """What statements have in common that do the same: their text without numbers."""
    return re.sub(
        r"\d+", "", "".join(part if isinstance(part, str) else "." for part in statement.code.parts)
    )


def shortcut_name(statements: Sequence[Statement], reads: Sequence[Sequence[Value]]) -> dict[int, str]:
    """The name of the one value that is only added to what takes several statements more than it does."""
    bound = {id(statement.value): number for number, statement in enumerate(statements)}
    counts = Counter(id(value) for values in reads for value in values)
    found = set()
    for number, statement in enumerate(statements):
        match statement.code.parts:
            case (Value() as one, " + ", Value() as other):
                found |= {
                    id(value)
                    for value in (one, other)
                    if counts[id(value)] == 1 and number - bound.get(id(value), number) > _LATER
                }
    return {found.pop(): "shortcut"} if len(found) == 1 else {}


def output_names(outputs: Sequence[Value]) -> dict[int, str]:
    """Of several outputs, those whose layers somebody named."""
    hints = {id(value): value.hint for value in outputs if value.hint and not _is_kept(value)}
    if len(outputs) == 1:
        return {}
    return {key: identifier(hint) for key, hint in hints.items() if not is_default_name(hint)}


def _is_kept(value: Value) -> bool:
    return identifier(value.hint or "x", "x") in KEPT_NAMES
