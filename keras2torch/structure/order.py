"""Puts the lines of a body in depth-first order: each branch is finished before the next one begins.

Keras lists layers by their distance from the output, which interleaves the branches of a block. In depth-first order
a block is a stretch of lines, and equal blocks are equal stretches. A call of a nested model stays together too. What
many blocks read comes before all of them (`contexts`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Sequence

from keras2torch.emit.code import Value
from keras2torch.structure.body import Line
from keras2torch.structure.containers import Containers, depth
from keras2torch.structure.contexts import contexts_first


def depth_first(
    lines: Sequence[Line], outputs: Sequence[Value], containers: Containers, level: int = 0
) -> list[Line]:
    """The same lines, each behind those it reads, first operand first; what no output needs comes last.

    `level`: how deep the nested model stands whose lines these are; 0 for those of the whole model.
    """

    def unit_of(line: Line) -> Hashable:
        place = line.container
        if depth(place) <= level:
            return id(line)
        while depth(place) > level + 1:
            place = containers.outer(place)
        return place

    units: dict[Hashable, list[Line]] = {}
    for line in lines:
        units.setdefault(unit_of(line), []).append(line)
    writer = {id(value): unit_of(line) for line in lines for value in line.targets}
    roots = [writer[id(value)] for value in outputs if id(value) in writer]
    found: list[Line] = []
    needs = {unit: _needs(own, writer, unit) for unit, own in units.items()}
    ordered = _in_order([*roots, *units], needs.__getitem__)
    number = {unit: place for place, unit in enumerate(ordered)}
    numbers = contexts_first(
        [[number[each] for each in needs[unit]] for unit in ordered],
        Counter(number[root] for root in roots),
    )
    for unit in map(ordered.__getitem__, numbers):
        own = units[unit]
        if isinstance(unit, int):
            found += own
        else:
            leaving = _read_elsewhere(own, lines, outputs)
            found += depth_first(own, leaving, containers, level + 1)
    return found


def _in_order(
    roots: Sequence[Hashable], needs: Callable[[Hashable], Sequence[Hashable]]
) -> Sequence[Hashable]:
    done: dict[Hashable, None] = {}
    for root in roots:
        stack = [root]
        while stack:
            missing = next((each for each in needs(stack[-1]) if each not in done), None)
            if missing is None or stack[-1] in done:
                done[stack.pop()] = None
            else:
                stack.append(missing)
    return list(done)


def _needs(lines: Sequence[Line], writer: dict[int, Hashable], own: Hashable) -> list[Hashable]:
    """What must stand before these lines, in the order in which they read it."""
    found = (writer[id(value)] for line in lines for value in line.reads if id(value) in writer)
    return [each for each in dict.fromkeys(found) if each != own]


def _read_elsewhere(own: Sequence[Line], lines: Sequence[Line], outputs: Sequence[Value]) -> list[Value]:
    """What some lines compute that others read, or that leaves."""
    inside = {id(line) for line in own}
    read = {id(value) for line in lines if id(line) not in inside for value in line.reads}
    read |= {id(value) for value in outputs}
    return [value for line in own for value in line.targets if id(value) in read]
