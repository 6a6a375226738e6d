"""A class of the emitted file, made of stretches of lines that are one computation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from keras2torch.emit.code import Value
from keras2torch.structure.body import Line, Member, Number, Piece
from keras2torch.structure.construction import Argument, Construction
from keras2torch.structure.matching import Occurrence
from keras2torch.structure.naming import member_names
from keras2torch.structure.parameters import Parameter, Site, parameters_of

_BY_POSITION = 3
"""How many arguments of a constructor a reader can tell apart without their names."""


@dataclass(eq=False)
class Block:
    """A class: what its `__init__` takes and sets, and what its `forward` does.

    Lines and values are those of the first stretch, which stands for all.
    """

    members: list[Member]
    lines: list[Line]
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    parameters: list[Parameter] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    """Parameters that `forward` needs: attributes of the same name."""
    layers: tuple[str, ...] = ()
    """The names of the Keras layers of the first stretch."""
    name: str = ""
    container: str = ""
    """The nested Keras model that it is, if it is one."""
    containers: list[Member] = field(default_factory=list)
    """`nn.Sequential` and the like among its attributes, which hold some of its members."""
    flat: bool = False
    """Whether its lines stand as Keras lists them."""
    values: tuple[Value, ...] = ()
    """All that its lines bound before some became one, in order."""
    unbound: dict[int, Member] = field(default_factory=dict)
    """Values, by id, that have no variable: what the attribute yields when it is called."""

    @property
    def joins(self) -> bool:
        """Whether its lines are more than one straight chain."""
        return any(len(line.reads) > 1 for line in self.lines)


def make_block(lines: Sequence[Line], found: Sequence[Occurrence]) -> tuple[Block, list[Member]]:
    """The class of some stretches of `lines`, and for each of these the attribute that is an instance of it."""
    first = found[0]
    stretches = [list(lines[each.start : each.stop]) for each in found]
    sites = [
        Site(argument.name, member.construction.function, argument.default)
        for member in first.members
        for argument in member.construction.literals()
    ] + [Site("size", "", None) for line in stretches[0] for _ in line.numbers]
    rows = [
        [argument.text for member in each.members for argument in member.construction.literals()]
        + [number for line in stretch for number in line.numbers]
        for each, stretch in zip(found, stretches, strict=True)
    ]
    parameters, texts = parameters_of(sites, rows)
    in_members = sum(len(member.construction.literals()) for member in first.members)
    own, left = [], iter(texts[:in_members])
    for member in first.members:
        wanted = [next(left) for _ in member.construction.literals()]
        own.append(Member("", member.construction.with_texts(wanted), block=member.block))
    layers = [[member.layer for member in each.members] for each in found]
    names = member_names(own, layers, reserved={each.name for each in parameters})
    for member, name in zip(own, names, strict=True):
        member.name = name
    block = Block(own, [], first.inputs, first.outputs, parameters)
    block.lines, block.kept = _template(stretches[0], first.members, own, texts[in_members:], parameters)
    block.values = tuple(value for line in block.lines for value in line.targets)
    block.layers = tuple(line.layer for line in stretches[0])
    required = sum(each.default is None for each in parameters)
    instances: dict[tuple[int, ...], Member] = {}
    result = []
    for number, (each, stretch) in enumerate(zip(found, stretches, strict=True)):
        arguments = tuple(
            Argument(
                parameter.name,
                parameter.column[number],
                parameter.default is None and (place < _BY_POSITION or required <= _BY_POSITION),
                literal=True,
                default=parameter.default,
            )
            for place, parameter in enumerate(parameters)
        )
        key = tuple(id(member) for member in each.members)
        instance = instances.setdefault(
            key, Member("", Construction("", arguments), block=block, children=each.members)
        )
        instance.calls.append([value for line in stretch for value in line.targets])
        result.append(instance)
    return block, result


def _template(
    stretch: Sequence[Line],
    members: Sequence[Member],
    own: Sequence[Member],
    texts: Sequence[str],
    parameters: Sequence[Parameter],
) -> tuple[list[Line], list[str]]:
    """The lines with the attributes of the class, and the parameters that they need."""
    replaced = dict(zip(members, own, strict=True))
    names = {each.name for each in parameters}
    left = iter(texts)
    kept: dict[str, None] = {}
    lines = []
    for line in stretch:
        pieces: list[Piece] = []
        for piece in line.pieces:
            match piece:
                case Member():
                    pieces.append(replaced[piece])
                case Number():
                    text = next(left)
                    word = next((name for name in names if name in text.replace("(", " ").split()), None)
                    if word is not None:
                        kept[word] = None
                        text = text.replace(word, f"self.{word}")
                        text = f"({text})" if " " in text else text
                    pieces.append(text if word is not None else Number(text))
                case _:
                    pieces.append(piece)
        lines.append(replace(line, pieces=tuple(pieces)))
    return lines, list(kept)
