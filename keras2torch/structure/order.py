"""Puts the lines of a body in depth-first order: each branch is finished before the next one begins.

Keras lists layers by their distance from the output, which interleaves the branches of a block. In depth-first order
a block is a stretch of lines, and equal blocks are equal stretches.
"""

from __future__ import annotations

from collections.abc import Sequence

from keras2torch.emit.code import Value
from keras2torch.structure.body import Line


def depth_first(lines: Sequence[Line], outputs: Sequence[Value]) -> list[Line]:
    """The same lines, each behind those it reads, first operand first; what no output needs comes last."""
    writer = {id(value): line for line in lines for value in line.targets}
    done: dict[int, Line] = {}
    roots = [writer[id(value)] for value in outputs if id(value) in writer]
    for root in (*roots, *lines):
        stack = [root]
        while stack:
            line = stack[-1]
            missing = [
                writer[id(value)]
                for value in line.reads
                if id(value) in writer and id(writer[id(value)]) not in done
            ]
            if missing and id(line) not in done:
                stack.append(missing[0])
            else:
                done[id(stack.pop())] = line
    return list(done.values())
