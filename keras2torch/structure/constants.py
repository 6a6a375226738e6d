"""Numbers that many layers of a net have in common, such as the epsilon of its normalizations, under one name."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from keras2torch.structure.block import Block
from keras2torch.structure.body import Member
from keras2torch.structure.construction import Argument

_KINDS = (
    (re.compile(r"(nn\.|Frozen|Masked|Shifting)BatchNorm\dd?"), "BN"),
    (re.compile(r"nn\.LayerNorm"), "LN"),
    (re.compile(r"nn\.GroupNorm"), "GN"),
)
_ARGUMENTS = ("eps", "momentum")
_OFTEN = 3
"""How often a number stands in the file that has a name there."""


def name_constants(blocks: Sequence[Block]) -> dict[str, str]:
    """Puts names in the places of such numbers; the names, with what each stands for, in the order of first use.

    Only the number that is there most often gets the name, so that another stands out.
    """
    counts: dict[str, Counter[str]] = {}
    for _, argument, name in _places(blocks):
        counts.setdefault(name, Counter())[argument.text] += 1
    most = {name: count.most_common(1)[0] for name, count in counts.items()}
    found: dict[str, str] = {}
    for member, argument, name in list(_places(blocks)):
        text, times = most[name]
        if argument.text == text and times >= _OFTEN:
            found[name] = text
            own = member.construction
            arguments = (
                replace(each, text=name) if each.name == argument.name else each for each in own.arguments
            )
            member.construction = replace(own, arguments=tuple(arguments))
    return found


def _places(blocks: Sequence[Block]) -> Iterator[tuple[Member, Argument, str]]:
    """Each number that may have a name, and which."""
    for block in blocks:
        members = [*block.members, *(item for container in block.containers for item in container.items)]
        for member in dict.fromkeys(members):
            kind = next((kind for form, kind in _KINDS if form.fullmatch(member.construction.function)), None)
            for argument in member.construction.arguments if kind else ():
                is_number = re.fullmatch(r"[\d.]+(e-?\d+)?", argument.text) is not None
                if argument.name in _ARGUMENTS and is_number and argument.text != argument.default:
                    yield member, argument, f"{kind}_{argument.name.upper()}"
