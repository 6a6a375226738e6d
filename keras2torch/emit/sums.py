"""Lets a sum overwrite one of its terms, as people write `x += shortcut` where a block joins its shortcut.

That is a large tensor less to allocate and to fill a block, as in `in_place`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from keras2torch.emit.code import Value
from keras2torch.emit.in_place import YIELDS_ITS_OWN
from keras2torch.structure.body import Line, Member


def overwritable(lines: Sequence[Line], outputs: Sequence[Value]) -> frozenset[int]:
    """Of the values that `lines` bind, by their ids: those that a sum, which alone reads them, may overwrite.

    Only where all terms have one shape whatever the sizes given, so that nothing is broadcast; and not the sum that
    ends the lines, which reads better returned.
    """
    reads = Counter(id(value) for line in lines for value in line.reads)
    reads.update(id(value) for value in outputs)
    own = {id(line.targets[0]) for line in lines if _yields_its_own(line)}
    found = set()
    for line in lines[:-1]:
        match line.pieces:
            case (Value() as one, " + ", Value() as other) if one is not other and line.pattern == "{}":
                if _alike(one, other) and _alike(one, line.targets[0]):
                    found |= {
                        id(value) for value in (one, other) if id(value) in own and reads[id(value)] == 1
                    }
    return frozenset(found)


def _yields_its_own(line: Line) -> bool:
    match line.pieces:
        case (Member(block=None, condition="", items=[]) as member, "(", *_):
            return (
                line.pattern == "{}"
                and line.around is None
                and YIELDS_ITS_OWN.match(member.construction.function) is not None
            )
    return False


def _alike(one: Value, other: Value) -> bool:
    sizes = one.torch_shape[1:]
    return (
        sizes == other.torch_shape[1:] and None not in sizes and len(sizes) > 1 and one.dtype == other.dtype
    )
