"""Which stretch of lines, written once as a class, saves most.

A stretch may become a class if nothing outside reads what it computes on the way, and if its attributes are its own.
The most promising stretches (`windows`) are compared exactly (`matching`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from keras2torch.emit.code import Value
from keras2torch.structure.block import Block
from keras2torch.structure.body import Line, Member, readers, users_of
from keras2torch.structure.loops import goes_on
from keras2torch.structure.matching import Occurrence, alike, occurrence, with_own_members
from keras2torch.structure.plain import as_modules
from keras2torch.structure.windows import SHORTEST, Candidate, Windows

_LEAST_SAVING = 4.0
_LEAST_SAVING_OF_A_CHAIN = 12.0
"""Of a straight chain of plain layers, which `nn.Sequential` writes as well."""
_LEAST_SAVING_OF_TWO_OUTPUTS = 8.0
"""Of a stretch with two outputs, which is harder to read."""

_LEAST_JOINS_WITHIN, _LEAST_CHAINS_WITHIN = 2, 3
"""How often a stretch stands in another that is better understood by it: one that joins branches, a straight one."""


@dataclass(frozen=True)
class Repeat:
    """Stretches of one structure, and how many lines a class of it saves."""

    occurrences: tuple[Occurrence, ...]
    saving: float


def best_repeat(lines: Sequence[Line], outputs: Sequence[Value], aside: int = 0) -> Repeat | None:
    """The stretches that save most lines as one class, or None where no class is worth its lines.

    `aside`: how many values they yield beside what their last lines compute.
    """
    if len(lines) < 2 * SHORTEST:
        return None
    straight = not any(len(line.reads) > 1 or any(each.block for each in line.members) for line in lines)
    reading, users = readers(lines, outputs), users_of(lines)
    staged = _staged(lines, reading)
    windows = Windows(lines, reading)
    best: Repeat | None = None
    for candidate in sorted(windows.candidates(aside), key=lambda each: (-each.bound, each.length)):
        if best is not None and candidate.bound <= best.saving:
            break
        for group in _groups(lines, candidate, reading, users, staged, aside):
            saving = windows.saving(candidate.length, np.array([each.start for each in group]))
            first = group[0]
            plain = all(as_modules(line) is not None for line in lines[first.start : first.stop])
            worth = saving >= (_LEAST_SAVING_OF_A_CHAIN if plain else _LEAST_SAVING) and not (
                plain and straight
            )
            if worth and (best is None or saving > best.saving):
                best = Repeat(tuple(group), saving)
    return best


def repeat_with_two_outputs(lines: Sequence[Line], outputs: Sequence[Value]) -> list[Occurrence]:
    """As `best_repeat`, of stretches that yield a value beside that of their last line: a skip connection, a state."""
    best = best_repeat(lines, outputs, aside=1)
    return list(best.occurrences) if best is not None and best.saving >= _LEAST_SAVING_OF_TWO_OUTPUTS else []


def innermost_repeat(lines: Sequence[Line], outputs: Sequence[Value]) -> list[Occurrence]:
    """As `best_repeat`; but where the best stretch holds one stretch several times, all of those instead."""
    best = best_repeat(lines, outputs)
    if best is None:
        return []
    first = best.occurrences[0]
    stretch = lines[first.start : first.stop]
    inner = best_repeat(stretch, first.outputs)
    if inner is not None:
        within = stretch[inner.occurrences[0].start : inner.occurrences[0].stop]
        joins = any(len(line.reads) > 1 for line in within)
        least = _LEAST_JOINS_WITHIN if joins else _LEAST_CHAINS_WITHIN
        found = alike(lines, outputs, [line.form for line in within], inner.occurrences[0].signature)
        if len(inner.occurrences) >= least and len(found) >= least:
            return found
    return list(best.occurrences)


def _groups(
    lines: Sequence[Line],
    candidate: Candidate,
    reading: Mapping[int, Sequence[int]],
    users: Mapping[int, set[int]],
    staged: Sequence[bool],
    aside: int,
) -> Iterator[list[Occurrence]]:
    """The stretches by their exact structure; of those that overlap the earlier ones."""
    groups: dict[object, list[Occurrence]] = {}
    for start in candidate.starts.tolist():
        stop = start + candidate.length
        cuts = any(staged[start:stop]) or all(_applies_block(line) for line in lines[start:stop])
        found = (
            occurrence(lines, start, stop, reading, most_outputs=1 + aside, last_first=True)
            if not cuts
            else None
        )
        if found is not None:
            group = groups.setdefault(found.signature, [])
            if not group or group[-1].stop <= found.start:
                group.append(found)
    owning = (with_own_members(lines, group, users) for group in groups.values() if len(group) > 1)
    return (group for group in owning if len(group) > 1)


def _applies_block(line: Line) -> bool:
    """Whether the line is one of those that stages are made of."""
    applied = line.applied()
    return applied is not None and applied[0].block is not None


def _staged(lines: Sequence[Line], reading: Mapping[int, Sequence[int]]) -> list[bool]:
    """Which lines stand in a run of blocks of one class that join branches: a stage, which no class should cut."""
    found = [False] * len(lines)
    for number in range(1, len(lines)):
        before, after = lines[number - 1], lines[number]
        if _are_of_one_class(before, after) and (
            (before.applied() and after.applied()) or goes_on(before, after, reading) is not None
        ):
            found[number - 1] = found[number] = True
    return found


def _are_of_one_class(before: Line, after: Line) -> bool:
    match before.pieces, after.pieces:
        case (Member(block=Block() as one), "(", *_), (Member(block=Block() as other), "(", *_):
            return one is other and one.joins
    return False
