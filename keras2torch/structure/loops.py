"""Runs of blocks that take or yield more than the running value: `for block in self.blocks: x = block(x, mask)`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from keras2torch.emit.code import Value
from keras2torch.structure.block import Block
from keras2torch.structure.body import Around, Line, Member, Piece, readers

LEAST_CALLS = 3
"""How many calls a loop is worth; two are as well read one by one."""

Moves = dict[int, int]
"""Which output of a call goes on to which argument of the next one, by their numbers."""


@dataclass(frozen=True)
class Run:
    """Lines that call blocks one after the other, and what goes on from each to the next."""

    lines: list[Line]
    moves: Moves

    def value_in(self, line: Line) -> Value:
        """The first value that goes through the run, as the line gets it."""
        return _arguments(line)[next(iter(self.moves.values()))]

    def value_out(self, line: Line) -> Value:
        """The same, as the line leaves it."""
        return line.targets[next(iter(self.moves))]

    def looped(self, container: Member) -> Line:
        """One line in their place, which calls all that the `container` holds."""
        first, last = self.lines[0], self.lines[-1]
        arguments = _arguments(first)
        pieces: list[Piece] = ["("]
        for number, value in enumerate(arguments):
            pieces += [", ", value] if number else [value]
        aside = [value for line in self.lines for n, value in enumerate(line.targets) if n not in self.moves]
        around = Around(
            container,
            starts=tuple(arguments[place] for place in self.moves.values()),
            asides=tuple(aside),
            results=tuple(number if number in self.moves else None for number in range(len(last.targets))),
        )
        carried = tuple(last.targets[number] for number in self.moves)
        return replace(first, targets=(*carried, *aside), pattern="", pieces=(*pieces, ")"), around=around)


def loop_runs(block: Block) -> Iterator[Run]:
    """Maximal runs of calls of instances that are called once, which plain `nn.Sequential` cannot hold."""
    reading = readers(block.lines, block.outputs)
    uses = Counter(id(piece) for line in block.lines for piece in line.pieces if isinstance(piece, Member))
    run: list[Line] = []
    moves: Moves = {}
    for line in block.lines:
        member = _called(line)
        fits = member is not None and uses[id(member)] == 1
        going = goes_on(run[-1], line, reading) if run and fits else None
        if going is not None and (len(run) == 1 or going == moves):
            moves = going
            run.append(line)
            continue
        if len(run) >= LEAST_CALLS:
            yield Run(run, moves)
        run = [line] if fits else []
    if len(run) >= LEAST_CALLS:
        yield Run(run, moves)


def goes_on(before: Line, line: Line, reading: Mapping[int, Sequence[int]]) -> Moves | None:
    """What goes on from one call of a block to the next, where they differ in nothing else; None if nothing may.

    `reading`: see `body.readers`. An output that the next call reads must be read there alone and once; one of two
    outputs may be for others.
    """
    if _called(before) is None or _called(line) is None or len(before.targets) != len(line.targets):
        return None
    had, given = _arguments(before), _arguments(line)
    if len(had) != len(given) or len(had) == len(before.targets) == 1:
        return None
    moves: Moves = {}
    for number, value in enumerate(before.targets):
        places = [place for place, each in enumerate(given) if each is value]
        if places:
            if len(places) > 1 or len(reading[id(value)]) > 1:
                return None
            moves[number] = places[0]
    asides = len(before.targets) - len(moves)
    same = [place for place in range(len(given)) if place not in moves.values()]
    kept = {id(had[place]) for place in same}
    if (
        not moves
        or asides > 1
        or (asides and len(before.targets) > 2)
        or any(had[place] is not given[place] for place in same)
        or any(id(had[place]) in kept for place in moves.values())
    ):
        return None
    return moves


def _called(line: Line) -> Member | None:
    """The instance of a block that the line calls on values, where it does nothing else."""
    match line.pieces:
        case (Member(block=Block()) as member, "(", *inner, ")"):
            if all(
                isinstance(piece, Value) if n % 2 == 0 else piece == ", " for n, piece in enumerate(inner)
            ):
                return member
    return None


def _arguments(line: Line) -> list[Value]:
    return [piece for piece in line.pieces if isinstance(piece, Value)]
