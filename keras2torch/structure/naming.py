"""Names for attributes of the classes that are found: by the layers they come from, else by what they are."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence, Set
from itertools import takewhile

from keras2torch.emit.names import identifier, is_default_name, is_free_attribute, numbered
from keras2torch.structure.body import Member

_KINDS = (
    (re.compile(r"nn\.Conv\dd"), "conv"),
    (re.compile(r"nn\.ConvTranspose\dd"), "conv_transpose"),
    (re.compile(r"(nn\.|Frozen|Masked|Shifting)BatchNorm\dd"), "bn"),
    (re.compile(r"nn\.(Layer|Group|RMS)Norm"), "norm"),
    (re.compile(r"nn\.Linear"), "linear"),
    (re.compile(r"nn\.\w*Dropout\w*"), "dropout"),
    (re.compile(r"nn\.(Max|Avg|AdaptiveAvg|AdaptiveMax)Pool\dd"), "pool"),
    (re.compile(r"nn\.MultiheadAttention|MultiHeadAttention"), "attention"),
    (re.compile(r"nn\.Buffer|nn\.Parameter"), "constant"),
)


def member_names(
    members: Sequence[Member], layers: Sequence[Sequence[str]], reserved: Set[str] = frozenset()
) -> list[str]:
    """A name for each attribute of a class: its place in the names of its layers if that is the same everywhere.

    `layers`: for each instance, the names of the layers that its attributes belong to. Instances of blocks among the
    attributes get no name: they take theirs from their class, which has none yet.
    """
    suffixes = [_suffixes(names) for names in layers]
    alike = {place for place, found in enumerate(zip(*suffixes, strict=True)) if len(set(found)) == 1}
    taken = set(reserved)
    given: dict[int, str] = {}
    for place, (member, name) in enumerate(zip(members, suffixes[0], strict=True)):
        says = is_free_attribute(name) and not is_default_name(name) and name not in taken
        if member.block is None and place in alike and says and suffixes[0].count(name) == 1:
            given[place] = name
            taken.add(name)
    wishes = [kind_of(member) for member in members]
    many = Counter(wish for place, wish in enumerate(wishes) if place not in given)
    counts: Counter[str] = Counter()
    names = []
    for place, (wish, member) in enumerate(zip(wishes, members, strict=True)):
        if place in given or member.block is not None:
            names.append(given.get(place, ""))
            continue
        counts[wish] += 1
        names.append(free_name(f"{wish}{counts[wish]}" if many[wish] > 1 else wish, taken))
        taken.add(names[-1])
    return names


def free_name(wish: str, taken: Collection[str]) -> str:
    """`wish` as an identifier, with a number behind it where an attribute must not be called so."""
    # What is no identifier would not become one by any number.
    return numbered(identifier(wish), lambda name: name not in taken and is_free_attribute(name), "_")


def _suffixes(names: Sequence[str]) -> list[str]:
    """Each name without the words with which all begin; `1_conv` is `conv1`."""
    words = [name.split("_") for name in names]
    common = min(shared_words(words), min(map(len, words)) - 1) if len(names) > 1 else 0
    found = []
    for each in words:
        rest = each[common:]
        while len(rest) > 1 and rest[0].isdigit():
            rest = [*rest[1:-1], rest[-1] + rest[0]] if not rest[-1][-1].isdigit() else [*rest[1:], rest[0]]
        found.append("_".join(rest).lower())
    return found


def shared_words(names: Sequence[Sequence[str]]) -> int:
    """With how many words all names begin."""
    return sum(1 for _ in takewhile(lambda words: len(set(words)) == 1, zip(*names, strict=False)))


def kind_of(member: Member) -> str:
    """What an attribute is called that has no better name."""
    function = member.construction.function
    for pattern, kind in _KINDS:
        if pattern.fullmatch(function):
            return "depthwise" if kind == "conv" and is_depthwise(member) else kind
    return snake(function.rsplit(".", 1)[-1]) or "block"


def is_depthwise(member: Member) -> bool:
    arguments = {each.name: each.text for each in member.construction.arguments}
    return arguments.get("groups", "1") not in ("1", None) and arguments.get("groups") == arguments.get(
        "in_channels"
    )


def snake(name: str) -> str:
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    return identifier(spaced, "block").lower()
