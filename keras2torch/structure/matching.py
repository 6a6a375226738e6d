"""Whether two stretches of lines are one computation, numbers and weights aside."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from keras2torch.emit.code import Value
from keras2torch.structure.body import Line, Member, Number, readers, users_of

_MOST_INPUTS = 4
_MOST_OUTPUTS = 1


@dataclass(frozen=True)
class Occurrence:
    """Lines `start` to `stop` (exclusive). Occurrences of one `signature` are the same computation."""

    start: int
    stop: int
    inputs: tuple[Value, ...]
    """What it reads from outside, in the order in which it does."""
    outputs: tuple[Value, ...]
    """What is read outside, in the order in which it is computed, or what its last line computes before the others."""
    members: tuple[Member, ...]
    """Its attributes, in the order in which they are used."""
    signature: object


def occurrence(
    lines: Sequence[Line],
    start: int,
    stop: int,
    reading: Mapping[int, Sequence[int]],
    *,
    most_inputs: int = _MOST_INPUTS,
    most_outputs: int = _MOST_OUTPUTS,
    last_first: bool = False,
) -> Occurrence | None:
    """The stretch, or None where it takes or yields too much for a class.

    `reading`: see `body.readers`; `last_first`: whether the output of its last line is the first of its outputs.
    """
    return described(
        lines[start:stop],
        start,
        reading,
        most_inputs=most_inputs,
        most_outputs=most_outputs,
        last_first=last_first,
    )


def described(
    stretch: Sequence[Line],
    start: int,
    reading: Mapping[int, Sequence[int]],
    *,
    most_inputs: int = _MOST_INPUTS,
    most_outputs: int = _MOST_OUTPUTS,
    last_first: bool = False,
) -> Occurrence | None:
    """As `occurrence`, of the lines themselves, the first of which has the number `start`."""
    stop = start + len(stretch)
    inside: dict[int, int] = {}
    inputs: dict[Value, int] = {}
    members: dict[Member, int] = {}
    words: list[object] = []
    for line in stretch:
        words.append(line.pattern)
        for piece in line.pieces:
            match piece:
                case Value():
                    number = inside.get(id(piece))
                    if number is None:
                        number = -1 - inputs.setdefault(piece, len(inputs))
                    words.append(number)
                case Member():
                    seen = piece in members
                    words.append((members.setdefault(piece, len(members)), seen or piece.form))
                case Number():
                    words.append(Number)
                case _:
                    words.append(piece)
        for value in line.targets:
            inside[id(value)] = len(inside)
    outputs = tuple(
        value
        for line in ((stretch[-1], *stretch[:-1]) if last_first else stretch)
        for value in line.targets
        if any(not start <= reader < stop for reader in reading.get(id(value), ()))
    )
    if not 1 <= len(outputs) <= most_outputs or not 1 <= len(inputs) <= most_inputs or not members:
        return None
    words.append(tuple(inside[id(value)] for value in outputs))
    return Occurrence(start, stop, tuple(inputs), outputs, tuple(members), tuple(words))


def with_own_members(
    lines: Sequence[Line], found: Sequence[Occurrence], users: Mapping[int, set[int]]
) -> list[Occurrence]:
    """Those whose attributes no other line uses, except as the same attributes of another call of the same instance,
    which has the same numbers: where a size differs from call to call, no constructor can be given it.

    `users`: the lines that use each attribute, by its id.
    """
    covered: dict[tuple[int, ...], set[int]] = {}
    numbers: dict[tuple[int, ...], set[tuple[str, ...]]] = {}
    for each in found:
        instance = tuple(map(id, each.members))
        covered.setdefault(instance, set()).update(range(each.start, each.stop))
        texts = tuple(text for line in lines[each.start : each.stop] for text in line.numbers)
        numbers.setdefault(instance, set()).add(texts)

    def fits(each: Occurrence) -> bool:
        instance = tuple(map(id, each.members))
        return len(numbers[instance]) == 1 and all(
            users[id(member)] <= covered[instance] for member in each.members
        )

    return list(filter(fits, found))


def alike(
    lines: Sequence[Line],
    outputs: Sequence[Value],
    forms: Sequence[str],
    signature: object,
    taken: Iterable[Occurrence] = (),
) -> list[Occurrence]:
    """All stretches of that signature with one output, whose lines have those `forms`, apart from each other and from
    those `taken`.
    """
    reading, length = readers(lines, outputs), len(forms)
    own = [line.form for line in lines]
    free = [True] * len(lines)
    for each in taken:
        free[each.start : each.stop] = [False] * (each.stop - each.start)
    found: list[Occurrence] = []
    for start in range(len(lines) - length + 1):
        stop = start + length
        if (
            own[start] == forms[0]
            and own[start:stop] == forms
            and all(free[start:stop])
            and len({line.container for line in lines[start:stop]}) == 1
        ):
            same = occurrence(lines, start, stop, reading)
            if same is not None and same.signature == signature:
                found.append(same)
                free[start:stop] = [False] * length
    return with_own_members(lines, found, users_of(lines))
