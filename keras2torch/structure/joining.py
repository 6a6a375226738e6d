"""`x = self.conv(x)`, `x = self.bn(x)`, `x = F.relu(x)` as `x = F.relu(self.bn(self.conv(x)))`, as one reads it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from keras2torch.structure.block import Block
from keras2torch.structure.body import Line, Member, Piece, readers
from keras2torch.structure.naming import kind_of
from keras2torch.structure.plain import is_activation


def join_lines(block: Block) -> None:
    """Write normalizations and activations round the module whose output they read, where nothing else does."""
    reading = readers(block.lines, block.outputs)
    uses = Counter(id(piece) for line in block.lines for piece in line.pieces if isinstance(piece, Member))
    number = 1
    while number < len(block.lines):
        before, line = block.lines[number - 1], block.lines[number]
        inner = _outermost(before)
        if (
            inner is not None
            and uses[id(inner)] == 1
            and line.reads == list(before.targets)
            and len(reading[id(before.targets[0])]) == 1
            and (is_activation(line) or _normalizes(line))
        ):
            value = before.targets[0]
            pieces: list[Piece] = [
                each for piece in line.pieces for each in (before.pieces if piece is value else (piece,))
            ]
            block.unbound[id(value)] = inner
            block.lines[number - 1 : number + 1] = [replace(line, pieces=tuple(pieces))]
        else:
            number += 1


def _outermost(line: Line) -> Member | None:
    """The attribute whose output the line binds, where it is one."""
    match line.pieces:
        case (Member() as member, "(", *_, ")") if line.pattern == "{}" and len(line.reads) == 1:
            return member if not member.items else None
    return None


def _normalizes(line: Line) -> bool:
    applied = line.applied()
    return applied is not None and kind_of(applied[0]) in ("bn", "norm")
