"""A class of the emitted file, made of stretches of lines that are one computation."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

from keras2torch.emit.code import Value
from keras2torch.structure.body import Line, Member, Number, Piece, bound_by
from keras2torch.structure.construction import Argument, Construction
from keras2torch.structure.matching import Occurrence
from keras2torch.structure.naming import member_names
from keras2torch.structure.number_names import number_names
from keras2torch.structure.parameters import Parameter, Site, arguments_of
from keras2torch.structure.shortcuts import PROJECTS, SHORTCUT, Projected, Table, add_shortcut, with_shortcuts

_WORD = re.compile(r"[A-Za-z_]\w*")
_RESIDUAL = "residual"
_IDLE = {"p": "0.0", "rate": "0.0"}
"""With which arguments a dropout does nothing."""
_MORE_TO_PROJECT = 2
"""How many parameters more a class may ask for that projects: the width of what goes in, and a stride."""
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
    computed: dict[str, str] = field(default_factory=dict)
    """Names that `__init__` gives to what it computes of its parameters."""
    kept: list[str] = field(default_factory=list)
    """Parameters and computed numbers that `forward` needs: attributes of the same name."""
    name: str = ""
    nested: tuple[str, ...] = ()
    """The names of the nested Keras models that it is, if it is one."""
    containers: list[Member] = field(default_factory=list)
    """`nn.Sequential` and the like among its attributes, which hold some of its members."""
    flat: bool = False
    """Whether its lines stand as Keras lists them."""
    values: tuple[Value, ...] = ()
    """All that its lines bound before some became one, in order."""
    unbound: dict[int, Member] = field(default_factory=dict)
    """Values, by id, that have no variable: what the attribute yields when it is called."""
    shortcut: Value | None = None
    """What it adds to, where that is its input in some instances and made of that in others."""

    @property
    def joins(self) -> bool:
        """Whether its lines are more than one straight chain."""
        return any(len(line.reads) > 1 for line in self.lines)


def make_block(
    lines: Sequence[Line],
    found: Sequence[Occurrence],
    bare: Sequence[Occurrence] = (),
    projected: Sequence[Projected] = (),
) -> tuple[Block, list[Member]]:
    """The class of some stretches of `lines`, and for each of these the attribute that is an instance of it.

    `bare`: stretches that lack the sum with which those in `found` end; `projected`: stretches with layers in their
    shortcut. The instances of these come behind the others.
    """
    first, whole, in_core = found[0], len(found), 0
    table = _table(lines, found, bare)
    sites, rows, members = table
    if projected:
        first = projected[0].core
        in_core = len(sites)
        sites, rows, members = with_shortcuts(lines, table, projected) or table
    found = [*found, *bare, *(each.core for each in projected)]
    stretches = [list(lines[each.start : each.stop]) for each in found]
    arguments = arguments_of(sites, rows)
    parameters, texts = arguments.parameters, arguments.texts
    if bare:
        column = tuple("True" if number < whole else "False" for number in range(len(found)))
        parameters.append(Parameter(_RESIDUAL, "bool", column, "True"))
    if projected:
        column = tuple("True" if number >= whole else "False" for number in range(len(found)))
        parameters.append(Parameter(PROJECTS, "bool", column, "False"))
    in_members = sum(len(member.construction.literals()) for member in first.members)
    own, left = [], iter(texts[:in_members])
    for member in first.members:
        wanted = [next(left) for _ in member.construction.literals()]
        own.append(Member("", member.construction.with_texts(wanted), block=member.block))
    known = {*(each.name for each in parameters), *arguments.computed}
    layers = [[member.layer for member in each.members] for each in (found[:whole] if bare else found)]
    names = member_names(own, layers, reserved=known | {SHORTCUT} if projected else known)
    for member, name in zip(own, names, strict=True):
        member.name = name
    block = Block(own, [], first.inputs, first.outputs, parameters)
    block.computed = arguments.computed
    template = lines[first.start : first.stop]
    block.lines, block.kept = _template(template, first.members, own, texts[in_members:], known)
    if bare:
        block.lines[-1] = _told_whether_to_add(block.lines[-1], first.inputs[0])
        block.kept.append(_RESIDUAL)
    block.values = bound_by(block.lines)
    if projected:
        add_shortcut(block, projected[0], texts[in_core:])
    required = sum(each.default is None for each in parameters)
    instances: dict[tuple[int, ...], Member] = {}
    result = []
    for number, (each, stretch) in enumerate(zip(found, stretches, strict=True)):
        given = tuple(
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
            key, Member("", Construction("", given), block=block, children=members[number])
        )
        shortcut = projected[number - whole].shortcut if projected and number >= whole else ()
        instance.calls.append(bound_by((*stretch, *shortcut)))
        result.append(instance)
    return block, result


def fitting(
    lines: Sequence[Line], found: Sequence[Occurrence], bare: Sequence[Occurrence]
) -> list[Occurrence]:
    """Those of the `bare` stretches that ask for one parameter more at most, as where channels become others."""

    def count(more: Sequence[Occurrence]) -> int:
        sites, rows, _ = _table(lines, found, more)
        return len(arguments_of(sites, rows).parameters)

    least = count(())
    return [each for each in bare if count([each]) <= least + 1]


def fitting_shortcuts(
    lines: Sequence[Line], found: Sequence[Occurrence], projected: Sequence[Projected]
) -> list[Projected]:
    """The `projected` stretches where a class that has their shortcuts asks for few parameters more, else none."""
    table = _table(lines, found, ())
    wider = with_shortcuts(lines, table, projected) if projected else None
    if wider is None:
        return []
    least, most = (len(arguments_of(sites, rows).parameters) for sites, rows, _ in (table, wider))
    return list(projected) if most <= least + _MORE_TO_PROJECT else []


def _table(lines: Sequence[Line], found: Sequence[Occurrence], bare: Sequence[Occurrence]) -> Table:
    """The places of literals, what stands there in each stretch, and the attributes of each."""
    first = found[0]
    sites = [
        Site(argument.name, member.construction.function, argument.default)
        for member in first.members
        for argument in member.construction.literals()
    ] + [Site(name, "", None) for line in lines[first.start : first.stop] for name in number_names(line)]
    # Where the sum is missing, the dropout before it may be too.
    idle = first.members[len(bare[0].members) :] if bare else ()
    members = [each.members for each in found] + [(*each.members, *idle) for each in bare]
    rows = [
        [
            _IDLE.get(argument.name, argument.text) if member in missing else argument.text
            for member in own
            for argument in member.construction.literals()
        ]
        + [text for line in lines[each.start : each.stop] for text in line.numbers]
        for each, own, missing in zip(
            [*found, *bare], members, [()] * len(found) + [idle] * len(bare), strict=True
        )
    ]
    return sites, rows, members


def _told_whether_to_add(line: Line, given: Value) -> Line:
    (kept,) = [value for value in line.reads if value is not given]
    return replace(line, pieces=(*line.pieces, f" if self.{_RESIDUAL} else ", kept))


def _template(
    stretch: Sequence[Line],
    members: Sequence[Member],
    own: Sequence[Member],
    texts: Sequence[str],
    names: Collection[str],
) -> tuple[list[Line], list[str]]:
    """The lines with the attributes of the class, and which of the `names` they need."""
    replaced = dict(zip(members, own, strict=True))
    left = iter(texts)
    kept: dict[str, None] = {}
    lines = []
    for line in stretch:
        pieces: list[Piece] = []
        for place, piece in enumerate(line.pieces):
            match piece:
                case Member():
                    pieces.append(replaced[piece])
                case Number():
                    text = next(left)
                    words = [word for word in _WORD.findall(text) if word in names]
                    if words:
                        kept |= dict.fromkeys(words)
                        text = _WORD.sub(
                            lambda word: f"self.{word[0]}" if word[0] in names else word[0], text
                        )
                        text = f"({text})" if " " in text and not _alone(line.pieces, place) else text
                    pieces.append(text if words else Number(text))
                case _:
                    pieces.append(piece)
        lines.append(replace(line, pieces=tuple(pieces)))
    return lines, list(kept)


def _alone(pieces: Sequence[Piece], place: int) -> bool:
    """Whether what stands there is an argument or an element by itself."""
    before, behind = pieces[max(place - 1, 0)], pieces[min(place + 1, len(pieces) - 1)]
    return (
        isinstance(before, str)
        and before.endswith(("(", ", ", "="))
        and isinstance(behind, str)
        and behind.startswith((")", ","))
    )
