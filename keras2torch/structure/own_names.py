"""Names of the model's own attributes: those of Keras's layers, as one writes them in Python."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from keras2torch.emit.names import identifier, is_default_name
from keras2torch.structure.block import Block
from keras2torch.structure.body import Member
from keras2torch.structure.naming import free_name, kind_of, snake


def name_own(main: Block, model: str) -> None:
    """Names for the attributes of `main` that are layers of Keras's and stand in no container.

    A layer that nobody named is called by what it is and its number among such (`conv2d_17` may be `conv2`), the parts
    of one by its kind (`bidirectional_38_forward` may be `bidirectional_forward`); another keeps its name, in lower
    case and without that of the `model` in front.
    """
    taken = {container.name for container in main.containers}
    plain = [member for member in main.members if member.name and "." not in member.name]
    kinds = [kind_of(member) if _is_unnamed(member) else "" for member in plain]
    counts, seen = Counter(kinds), Counter[str]()
    wishes = {}
    for member, kind in zip(plain, kinds, strict=True):
        seen[kind] += 1
        wishes[id(member)] = f"{kind}{seen[kind] if counts[kind] > 1 else ''}" if kind else snake(member.name)
    wishes |= _parts_of_unnamed(plain)
    short = Counter(wish.removeprefix(f"{snake(model)}_") for wish in wishes.values())
    # Names that somebody gave come first.
    for member in sorted(plain, key=_is_unnamed):
        wish = wishes[id(member)]
        shorter = wish.removeprefix(f"{snake(model)}_")
        member.name = free_name(shorter if shorter[0].isalpha() and short[shorter] == 1 else wish, taken)
        taken.add(member.name)


def _parts_of_unnamed(members: Sequence[Member]) -> dict[int, str]:
    """Names for attributes of which several are one layer that nobody named."""
    layers: dict[str, list[str]] = {}
    found = [
        member
        for member in members
        if is_default_name(member.layer) and member.flat.startswith(f"{identifier(member.layer)}_")
    ]
    for member in found:
        alike = layers.setdefault(re.sub(r"_\d+$", "", member.layer), [])
        if member.layer not in alike:
            alike.append(member.layer)
    wishes = {}
    for member in found:
        kind = re.sub(r"_\d+$", "", member.layer)
        number = str(layers[kind].index(member.layer) + 1) if len(layers[kind]) > 1 else ""
        wishes[id(member)] = f"{kind}{number}{member.flat.removeprefix(identifier(member.layer))}"
    return wishes


def _is_unnamed(member: Member) -> bool:
    return is_default_name(member.layer) and member.flat == identifier(member.layer)
