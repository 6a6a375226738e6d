"""Blocks that are the same but for the sum with what went in: one class, which is told whether to add.

A dropout before the sum (stochastic depth) goes with it: without the sum its rate is 0.
"""

from __future__ import annotations

from collections.abc import Sequence

from keras2torch.emit.code import Value
from keras2torch.structure.body import Line, Member, readers
from keras2torch.structure.matching import Occurrence, alike, occurrence


def without_sum(
    lines: Sequence[Line], outputs: Sequence[Value], found: Sequence[Occurrence]
) -> list[Occurrence]:
    """Stretches that do what those in `found` do, which end in a sum with their input, up to that sum or a dropout
    before it.
    """
    first = found[0]
    if not ends_in_sum(lines[first.stop - 1], first.inputs):
        return []
    reading = readers(lines, outputs)
    core = occurrence(lines, first.start, first.stop - 1 - drops(lines[first.stop - 2]), reading)
    if core is None or core.inputs != first.inputs:
        return []
    forms = [line.form for line in lines[core.start : core.stop]]
    return alike(lines, outputs, forms, core.signature, found)


def drops(line: Line) -> bool:
    """Whether a line is a dropout."""
    applied = line.applied()
    return applied is not None and is_dropout(applied[0])


def is_dropout(member: Member) -> bool:
    return member.construction.function.endswith("Dropout") and member.block is None


def ends_in_sum(line: Line, inputs: Sequence[Value]) -> bool:
    """Whether a line adds something to the one value that its block reads."""
    match line.pieces:
        case (Value() as one, " + ", Value() as other) if one is not other and len(inputs) == 1:
            return line.pattern == "{}" and inputs[0] in (one, other)
    return False
