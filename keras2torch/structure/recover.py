"""Flat program -> program with classes: what repeats becomes a class, nested models too, runs of them stages.

The lines of a body are put in depth-first order; then the stretches that save most lines as a class are replaced by
calls of instances of it, again and again, innermost nested model first. No step changes what is computed: each
replaces lines by a call of exactly those lines. Names of layers help to choose between stretches and to name things;
whether two stretches are the same is decided by their expressions alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from keras2torch.emit.code import Value, render
from keras2torch.emit.names import identifier, is_free_attribute
from keras2torch.emit.parts import with_needs
from keras2torch.program import Program
from keras2torch.structure.block import Block, fitting, fitting_shortcuts, make_block
from keras2torch.structure.body import Line, Member, Piece, bound_by, lines_of, readers, users_of
from keras2torch.structure.class_naming import name_classes
from keras2torch.structure.constants import name_constants
from keras2torch.structure.construction import parse_construction
from keras2torch.structure.containers import Containers, depth
from keras2torch.structure.joining import join_lines
from keras2torch.structure.matching import Occurrence, occurrence, with_own_members
from keras2torch.structure.naming import free_name, kind_of, shared_words, snake
from keras2torch.structure.order import depth_first
from keras2torch.structure.own_names import name_own
from keras2torch.structure.repeats import innermost_repeat, repeat_with_two_outputs
from keras2torch.structure.residual import without_sum
from keras2torch.structure.shortcuts import with_shortcut
from keras2torch.structure.stages import find_sequences, find_stages

_ANY = 1 << 30


@dataclass(frozen=True)
class Place:
    """Where a value of the flat program is to be seen: in the instance at `path`, where `block` binds `value`."""

    path: str
    block: Block
    value: Value


@dataclass(frozen=True)
class Structure:
    """The classes of a file, each behind those it uses; the last is the model's. And what became of the flat names."""

    blocks: tuple[Block, ...]
    attributes: Mapping[str, str]
    """Path of each attribute of the flat program."""
    places: Mapping[int, Place]
    """Where each value of the flat program is, by its id."""
    order: Mapping[int, int]
    """Which values, by their ids, are computed before which others."""
    constants: Mapping[str, str] = field(default_factory=dict)
    """Names of numbers that many attributes have in common."""

    def renamed(self, program: Program) -> Program:
        """The program with its weights and layers under the names that they have in the classes."""

        def path(name: str) -> str:
            attribute, dot, rest = name.partition(".")
            return self.attributes[attribute] + dot + rest

        return replace(
            program,
            state={path(name): weight for name, weight in program.state.items()},
            fused={layer: path(name) for layer, name in program.fused.items()},
            trained={path(name): answer for name, answer in program.trained.items()},
            records=[
                replace(record, torch_name=record.torch_name and path(record.torch_name))
                for record in program.records
            ],
        )


def flat(program: Program) -> Structure:
    """One class, every layer an attribute of it, in Keras's order."""
    members = _members(program)
    lines = lines_of(program.statements, program.inputs, members)
    main = Block(list(members.values()), lines, tuple(program.inputs), tuple(program.outputs), flat=True)
    main.values = bound_by(lines)
    return Structure((main,), *_resolved(main), _order(lines))


def recover(program: Program) -> Structure:
    """Find the structure of a flat program, which stays as it is."""
    members = _members(program)
    lines = lines_of(program.statements, program.inputs, members)
    containers = Containers(program.graph, lines)
    lines = depth_first(lines, program.outputs, containers)
    order = _order(lines)
    blocks: list[Block] = []
    while True:
        blocks += _collapse_repeats(lines, program.outputs)
        deepest = max(depth(line.container) for line in lines) if lines else 0
        if not deepest:
            break
        blocks += _collapse_containers(lines, program.outputs, containers, deepest)
    main = Block([], lines, tuple(program.inputs), tuple(program.outputs))
    main.members = list(dict.fromkeys(member for line in lines for member in line.members))
    main.members += _unused(members.values(), main.members)
    main.values = bound_by(lines)
    for block in (*blocks, main):
        find_stages(block)
        if not blocks:
            find_sequences(block)
        join_lines(block)
    parts = {part.name for part in with_needs(program.parts, program.own_parts)}
    name_classes(blocks, program.graph.name, parts)
    name_own(main, program.graph.name)
    _name_instances([*blocks, main])
    constants = name_constants([*blocks, main])
    return Structure((*blocks, main), *_resolved(main), order, constants)


def _order(lines: Sequence[Line]) -> dict[int, int]:
    return {id(value): place for place, value in enumerate(bound_by(lines))}


def _members(program: Program) -> dict[str, Member]:
    return {
        each.name: Member(
            each.name,
            parse_construction(render(each.code, lambda _: None), program.own_parts),
            flat=each.name,
        )
        for each in program.modules
    }


def _unused(members: Iterable[Member], used: Iterable[Member]) -> list[Member]:
    """Attributes that no line uses, which the weights have all the same."""
    found: set[int] = set()
    left = list(used)
    while left:
        member = left.pop()
        found.add(id(member))
        left += member.children
    return [member for member in members if id(member) not in found]


def _collapse_repeats(lines: list[Line], outputs: Sequence[Value]) -> Iterator[Block]:
    while found := innermost_repeat(lines, outputs) or repeat_with_two_outputs(lines, outputs):
        bare = fitting(lines, found, without_sum(lines, outputs, found))
        projected = [] if bare else fitting_shortcuts(lines, found, with_shortcut(lines, outputs, found))
        block, instances = make_block(lines, found, bare, projected)
        _replace(lines, zip((*found, *bare, *(each.whole for each in projected)), instances, strict=True))
        yield block


def _collapse_containers(
    lines: list[Line], outputs: Sequence[Value], containers: Containers, level: int
) -> list[Block]:
    """Make classes of the nested models at a depth; what is not in one stretch joins the lines round it."""
    reading, users = readers(lines, outputs), users_of(lines)
    groups: dict[object, list[Occurrence]] = {}
    for start, stop in _stretches(lines):
        place = lines[start].container
        alone = sum(line.container == place for line in lines) == stop - start > 1
        if depth(place) == level and alone:
            found = occurrence(lines, start, stop, reading, most_inputs=_ANY, most_outputs=_ANY)
            if found is not None:
                groups.setdefault(found.signature, []).append(found)
    blocks: list[Block] = []
    replaced: list[tuple[Occurrence, Member]] = []
    for group in groups.values():
        if own := with_own_members(lines, group, users):
            block, instances = make_block(lines, own)
            names = [lines[each.start].container[0].rpartition("/")[2] for each in own]
            block.nested = tuple(dict.fromkeys(names))
            for name, instance in zip(names, instances, strict=True):
                instance.layer = instance.layer or name
            blocks.append(block)
            replaced += zip(own, instances, strict=True)
    _replace(lines, replaced)
    for line in lines:
        if depth(line.container) == level:
            line.container = containers.outer(line.container)
    return blocks


def _stretches(lines: Sequence[Line]) -> Iterator[tuple[int, int]]:
    """Begin and end of each stretch of lines in one call of one nested model."""
    start = 0
    for number in range(1, len(lines) + 1):
        if number == len(lines) or lines[number].container != lines[start].container:
            yield start, number
            start = number


def _replace(lines: list[Line], found: Iterable[tuple[Occurrence, Member]]) -> None:
    """Put calls of the instances where their stretches stood."""
    for each, instance in sorted(found, key=lambda pair: pair[0].start, reverse=True):
        stretch = lines[each.start : each.stop]
        pieces: list[Piece] = [instance, "("]
        for number, value in enumerate(each.inputs):
            pieces += [", ", value] if number else [value]
        pattern = ", ".join(["{}"] * len(each.outputs))
        layer = _common_prefix([line.layer for line in stretch])
        lines[each.start : each.stop] = [
            Line(each.outputs, pattern, (*pieces, ")"), layer, container=stretch[0].container)
        ]


def _common_prefix(names: Sequence[str]) -> str:
    """The words with which all names begin."""
    words = [name.split("_") for name in names]
    return "_".join(words[0][: shared_words(words)])


def _name_instances(blocks: Sequence[Block]) -> None:
    """Names for attributes that are instances of blocks, in the bodies where they are not in a container."""
    for block in blocks:
        taken = {member.name.split(".")[0] for member in (*block.members, *block.containers) if member.name}
        unnamed = [member for member in block.members if not member.name]
        wishes = [_wish(member) for member in unnamed]
        for number, (member, wish) in enumerate(zip(unnamed, wishes, strict=True)):
            alone = wishes.count(wish) == 1 and wish not in taken
            member.name = free_name(wish if alone else f"{wish}{wishes[:number].count(wish) + 1}", taken)
            taken.add(member.name)


def _wish(member: Member) -> str:
    """The name of the nested model that it is, else what it is."""
    if member.block is None:
        return kind_of(member)
    name = identifier(member.layer, "")
    return name if member.layer and is_free_attribute(name) else snake(member.block.name)


def _resolved(main: Block) -> tuple[dict[str, str], dict[int, Place]]:
    attributes: dict[str, str] = {}
    places: dict[int, Place] = {}

    def walk(block: Block, instances: Sequence[Member], path: str) -> None:
        # What an instance lacks, the layers of a shortcut, comes last.
        for own, member in zip(block.members, instances, strict=False):
            here = f"{path}.{own.name}" if path else own.name
            if member.block is None:
                attributes[member.flat] = here
                continue
            walk(member.block, member.children, here)
            for call in member.calls:
                # Where a sum is left out, so are its values, which come last.
                for value, bound in zip(call, member.block.values, strict=False):
                    places.setdefault(id(value), Place(here, member.block, bound))

    walk(main, main.members, "")
    for value in main.values:
        places.setdefault(id(value), Place("", main, value))
    return attributes, places
