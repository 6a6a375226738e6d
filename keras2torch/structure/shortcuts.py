"""Blocks that are the same but for what they add to: their input, or what a few layers make of it.

That is one class whose `shortcut` is those layers where it is told to project, and `nn.Identity` where not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from keras2torch.emit.code import Value
from keras2torch.structure.body import Line, Member, bound_by, readers, users_of
from keras2torch.structure.construction import Construction
from keras2torch.structure.matching import Occurrence, described, with_own_members
from keras2torch.structure.parameters import Site

if TYPE_CHECKING:
    from keras2torch.structure.block import Block

PROJECTS = "project"
"""The parameter that says whether a block has layers in its shortcut."""
SHORTCUT = "shortcut"

Table = tuple[list[Site], list[list[str]], list[tuple[Member, ...]]]
"""The places of literals, what stands there in each stretch, and the attributes of each."""


@dataclass(frozen=True)
class Projected:
    """A stretch whose first lines are the `shortcut`, and whose others, the `core`, would be an occurrence of the class
    if they added to the input.
    """

    whole: Occurrence
    core: Occurrence
    shortcut: tuple[Line, ...]

    @property
    def members(self) -> list[Member]:
        """The layers of the shortcut."""
        return [member for line in self.shortcut for member in line.members]


def with_shortcut(
    lines: Sequence[Line], outputs: Sequence[Value], found: Sequence[Occurrence]
) -> list[Projected]:
    """Stretches that do what those in `found` do, but add to what some plain layers make of their input.

    The layers of the shortcut are calls of modules one after the other; all have those of the first that is found.
    """
    first = found[0]
    length = first.stop - first.start
    adding = _adding_line(lines[first.start : first.stop], first.inputs)
    if adding is None:
        return []
    reading, users = readers(lines, outputs), users_of(lines)
    own = [line.form for line in lines]
    forms = own[first.start : first.stop]
    free = [True] * len(lines)
    for each in found:
        free[each.start : each.stop] = [False] * length
    made: list[Projected] = []
    for start in range(len(lines) - length + 1):
        if own[start] == forms[0] and own[start : start + length] == forms:
            one = _projected(lines, start, adding, first, reading)
            if one is not None and all(free[one.whole.start : one.whole.stop]):
                made.append(one)
    alike = [one for one in made if one.whole.signature == made[0].whole.signature]
    owning = {id(each) for each in with_own_members(lines, [one.whole for one in alike], users)}
    return [one for one in alike if id(one.whole) in owning]


def with_shortcuts(lines: Sequence[Line], table: Table, projected: Sequence[Projected]) -> Table | None:
    """The table of some stretches with the `projected` ones behind them, and the places of their shortcuts behind the
    others. What no layer has in a stretch without is what stands elsewhere in it where both are the same in all that
    have them; None where there is no such place.
    """
    sites, rows, members = table
    literals = [
        [each for member in one.members for each in member.construction.literals()] for one in projected
    ]
    own = [
        [each.text for member in one.core.members for each in member.construction.literals()]
        + [text for line in lines[one.core.start : one.core.stop] for text in line.numbers]
        for one in projected
    ]
    functions = [
        member.construction.function
        for member in projected[0].members
        for _ in member.construction.literals()
    ]
    added = [
        Site(each.name, function, each.default) for each, function in zip(literals[0], functions, strict=True)
    ]
    sources: list[int | str] = []
    for place, site in enumerate(added):
        column = [each[place].text for each in literals]
        like = [n for n, _ in enumerate(sites) if [row[n] for row in own] == column]
        # A stride is like a stride rather than like a width that happens to be as large.
        like.sort(key=lambda n: sites[n].name != site.name)
        varied = [n for n in like if sites[n].name == site.name or len(set(column)) > 1]
        if not varied and len(set(column)) > 1:
            return None
        sources.append(varied[0] if varied else column[0])
    imitated = [[row[each] if isinstance(each, int) else each for each in sources] for row in rows]
    return (
        [*sites, *added],
        [
            *([*row, *more] for row, more in zip(rows, imitated, strict=True)),
            *([*row, *(each.text for each in more)] for row, more in zip(own, literals, strict=True)),
        ],
        [*members, *(one.whole.members for one in projected)],
    )


def add_shortcut(block: Block, projected: Projected, texts: Sequence[str]) -> None:
    """Give the class, made of the core of the stretch, the shortcut; `texts` are what its literals become."""
    left = iter(texts)
    items = []
    for member in projected.members:
        wanted = [next(left) for _ in member.construction.literals()]
        items.append(Member("", member.construction.with_texts(wanted), block=member.block))
    called = items[0]
    if len(items) > 1:
        for number, item in enumerate(items):
            item.name = f"{SHORTCUT}.{number}"
        called = Member("", Construction("nn.Sequential"), items=items)
        block.containers.append(called)
    called.name, called.condition = SHORTCUT, PROJECTS
    block.members += items
    (given,) = block.inputs
    block.shortcut = projected.shortcut[-1].targets[0]
    block.lines.insert(0, replace(projected.shortcut[-1], pieces=(called, "(", given, ")")))
    for line, item in zip(projected.shortcut, items, strict=True):
        block.unbound[id(line.targets[0])] = item
    block.values += bound_by(projected.shortcut)


def _projected(
    lines: Sequence[Line], start: int, adding: int, first: Occurrence, reading: Mapping[int, Sequence[int]]
) -> Projected | None:
    """The stretch whose core starts there, if that is like the `first` but for what its line `adding` adds to."""
    stop = start + first.stop - first.start
    line = lines[start + adding]
    inside = {id(value) for each in lines[start:stop] for value in each.targets}
    outside = [value for value in line.reads if id(value) not in inside]
    if len(outside) != 1:
        return None
    (value,) = outside
    shortcut: list[Line] = []
    before = start
    while before > 0:
        applied = lines[before - 1].applied()
        if applied is None or lines[before - 1].targets != (value,) or len(reading[id(value)]) != 1:
            break
        before -= 1
        shortcut.insert(0, lines[before])
        value = applied[1]
        if value in lines[start].reads:
            break
    if not shortcut or len({each.container for each in lines[before:stop]}) != 1:
        return None
    pieces = tuple(value if piece is outside[0] else piece for piece in line.pieces)
    imagined = [*lines[start:stop]]
    imagined[adding] = replace(line, pieces=pieces)
    core = described(imagined, start, reading)
    if core is None or core.signature != first.signature or core.inputs != (value,):
        return None
    signature = (core.signature, tuple(each.form for each in shortcut))
    members = (*core.members, *(member for each in shortcut for member in each.members))
    if len(set(members)) != len(members):
        return None
    whole = Occurrence(before, stop, core.inputs, core.outputs, members, signature)
    return Projected(whole, core, tuple(shortcut))


def _adding_line(stretch: Sequence[Line], inputs: Sequence[Value]) -> int | None:
    """The one line of a stretch that adds something to its only input."""
    found = [
        number
        for number, line in enumerate(stretch)
        if len(inputs) == 1 and _adds(line) and inputs[0] in line.reads and len(line.reads) == 2
    ]
    return found[0] if len(found) == 1 else None


def _adds(line: Line) -> bool:
    match line.pieces:
        case (Value(), " + ", Value()):
            return line.pattern == "{}"
    return False
