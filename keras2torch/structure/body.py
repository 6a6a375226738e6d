"""Statements and attributes in the form in which they can be compared, moved into a class, and written again.

A `Line` is a statement whose expression holds nothing but text, the values it reads, and the attributes it uses, as
objects: which name each of them gets is decided last.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from keras2torch.emit.code import Code, Loop, Statement, Value, render
from keras2torch.structure.construction import Construction

if TYPE_CHECKING:
    from keras2torch.structure.block import Block

_TOKEN = re.compile(
    r'(?P<text>"(?:[^"\\]|\\.)*")'
    r"|self\.(?P<attribute>[A-Za-z_]\w*)"
    r"|(?P<value>\x00\d+\x00)"
    r"|\x01(?P<pad>[^\x01]+)\x01"
    r"|(?P<word>[A-Za-z_]\w*)"
    r"|(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)"
)

_TUPLE = re.compile(r"\((?:\d+, )+\d+\)")

_INTEGER = re.compile(r"(?<![\w.])\d+(?![\w.])")
_LEAST_SERIES = 3


@dataclass(eq=False)
class Member:
    """What `__init__` sets: `self.<name> = <construction>`."""

    name: str
    """What it is called in its class; behind a dot, its place in the container that holds it."""
    construction: Construction
    layer: str = ""
    """Name of the Keras layer that it belongs to, if it is in the flat program."""
    flat: str = ""
    """Its name in the flat program, if it is there."""
    block: Block | None = None
    """The class it is an instance of, if that is one of ours."""
    children: Sequence[Member] = ()
    """Of an instance: what its attributes are, in the order of those of its class."""
    calls: list[tuple[Value, ...]] = field(default_factory=list)
    """Of an instance: for each call of it, what its lines bind, in the order of those of its class."""
    items: list[Member] = field(default_factory=list)
    """Of a container: what it holds."""
    condition: str = ""
    """The parameter without which `nn.Identity` stands in its place, if there is one."""

    @property
    def form(self) -> str:
        """What members that may be one attribute of a class have in common."""
        return f"{id(self.block) if self.block else ''}{self.construction.form}"

    @property
    def is_list(self) -> bool:
        """Of a container: whether it takes what it holds as a list."""
        return self.construction.function == "nn.ModuleList"

    @property
    def source(self) -> str:
        """The expression that makes it."""
        if self.items:
            inner = ", ".join(items_source(self.items))
            return f"{self.construction.function}({f'[{inner}]' if self.is_list else inner})"
        return self.construction.source(self.block.name if self.block else self.construction.function)


@dataclass(frozen=True)
class Number:
    """A number in a line, or all those of a padding; one in another line of the same form may differ."""

    text: str


Piece = str | Value | Member | Number


@dataclass(frozen=True)
class Around:
    """A loop over the instances that a container holds, round one line; see `emit.code.Loop`."""

    container: Member
    starts: tuple[Value, ...]
    asides: tuple[Value, ...]
    results: tuple[int | None, ...]


@dataclass(eq=False)
class Line:
    """`<targets> = <pieces>`. `pattern` shows where the targets stand in a tuple."""

    targets: tuple[Value, ...]
    pattern: str
    pieces: tuple[Piece, ...]
    layer: str
    """Path of the Keras layer that it belongs to."""
    call: int = 0
    """Which call of that layer."""
    container: tuple[str, int] = ("", 0)
    """Path of the nested model it stands in, and which call of that."""
    around: Around | None = None

    @property
    def reads(self) -> list[Value]:
        """The values it reads, each once, left to right."""
        return list(dict.fromkeys(piece for piece in self.pieces if isinstance(piece, Value)))

    @property
    def members(self) -> list[Member]:
        """The attributes it uses, in the order in which they compute: what stands in the brackets of a call first."""
        found = list(dict.fromkeys(piece for piece in self.pieces if isinstance(piece, Member)))
        return found if len(found) < 2 else list(dict.fromkeys(_in_order(self.pieces)))

    @property
    def numbers(self) -> list[str]:
        return [piece.text for piece in self.pieces if isinstance(piece, Number)]

    @property
    def form(self) -> str:
        """What lines of one form have in common: all but the numbers and which values and attributes they name."""
        words = [
            piece if isinstance(piece, str)
            else "\x00m" + piece.form if isinstance(piece, Member)
            else "\x00n" if isinstance(piece, Number)
            else "\x00v"
            for piece in self.pieces
        ]  # fmt: skip
        return self.pattern + "\x01".join(words)

    def applied(self) -> tuple[Member, Value] | None:
        """The attribute and the value, where the line does nothing but call one on one."""
        if len(self.targets) == 1 and self.pattern == "{}":
            match self.pieces:
                case (Member() as member, "(", Value() as value, ")"):
                    return member, value
        return None

    def statement(self) -> Statement:
        """The line as a statement, with the names that its attributes have by now."""
        parts: list[str | Value] = []
        for piece in self.pieces:
            match piece:
                case Member(name=name):
                    parts.append(f"self.{name}")
                case Number(text=text):
                    parts.append(text)
                case _:
                    parts.append(piece)
        value, *also = self.targets
        loop = None
        if (around := self.around) is not None:
            also = also[: len(around.starts) - 1]
            loop = Loop(around.container.name, around.starts, around.asides, around.results)
        return Statement(
            value, Code(tuple(parts)), self.pattern, also=tuple(also), layer=self.layer, loop=loop
        )


def lines_of(
    statements: Iterable[Statement], inputs: Sequence[Value], members: Mapping[str, Member]
) -> list[Line]:
    """`statements` as lines; values that are written in place are text from here on."""
    statements = list(statements)
    bound = {id(value) for value in inputs}
    bound |= {id(value) for each in statements for value in (each.value, *each.also)}
    found = []
    for each in statements:
        operands: list[Value] = []
        text = render(each.code, lambda value: _placeholder(value, operands) if id(value) in bound else None)  # noqa: B023
        text = _TUPLE.sub(lambda match: f"\x01{match[0]}\x01" if _is_padding(match) else match[0], text)
        pieces = tuple(_pieces(text, operands, members))
        for piece in pieces:
            if isinstance(piece, Member):
                piece.layer = piece.layer or each.layer.rpartition("/")[2]
        found.append(Line((each.value, *each.also), each.pattern, pieces, each.layer, call=each.call))
    return found


def _in_order(pieces: Sequence[Piece]) -> Iterator[Member]:
    """Attributes in the order in which their calls end; what is not called, where it stands."""
    depth = 0
    called: list[tuple[int, Member]] = []
    for piece, behind in zip(pieces, (*pieces[1:], ""), strict=True):
        if isinstance(piece, Member):
            called.append((depth, piece))
            if not (isinstance(behind, str) and behind.startswith("(")):
                yield called.pop()[1]
        elif isinstance(piece, str):
            for letter in piece:
                depth += (letter in "([{") - (letter in ")]}")
                while letter in ")]}" and called and called[-1][0] == depth:
                    yield called.pop()[1]
    yield from (member for _, member in called)


def _placeholder(value: Value, operands: list[Value]) -> str:
    operands.append(value)
    return f"\x00{len(operands) - 1}\x00"


def _is_padding(match: re.Match[str]) -> bool:
    """Whether a tuple is what `F.pad` gets."""
    before, depth = match.string[: match.start()], 0
    for place in range(len(before) - 1, -1, -1):
        depth += {")": 1, "(": -1}.get(before[place], 0)
        if depth < 0:
            return before.endswith("F.pad", 0, place)
    return False


def _pieces(text: str, operands: Sequence[Value], members: Mapping[str, Member]) -> Iterator[Piece]:
    plain = ""
    position = 0
    for match in _TOKEN.finditer(text):
        plain += text[position : match.start()]
        position = match.end()
        piece: Piece | None = None
        if match["attribute"] in members:
            piece = members[match["attribute"]]
        elif match["value"]:
            piece = operands[int(match["value"][1:-1])]
        elif match["pad"] or match["number"]:
            piece = Number(match["pad"] or match["number"])
        if piece is None:
            plain += match[0]
            continue
        if plain:
            yield plain
        plain = ""
        yield piece
    plain += text[position:]
    if plain:
        yield plain


def bound_by(lines: Iterable[Line]) -> tuple[Value, ...]:
    """All values that some lines bind, in order."""
    return tuple(value for line in lines for value in line.targets)


def readers(lines: Sequence[Line], outputs: Iterable[Value]) -> dict[int, list[int]]:
    """For each value, by its id, the numbers of the lines that read it; what leaves is read by line `len(lines)`."""
    found: dict[int, list[int]] = {}
    for number, line in enumerate(lines):
        for value in line.reads:
            found.setdefault(id(value), []).append(number)
    for value in outputs:
        found.setdefault(id(value), []).append(len(lines))
    return found


def users_of(lines: Sequence[Line]) -> dict[int, set[int]]:
    """For each attribute, by its id, the numbers of the lines that use it."""
    found: dict[int, set[int]] = {}
    for number, line in enumerate(lines):
        for member in line.members:
            found.setdefault(id(member), set()).add(number)
    return found


def items_source(items: Sequence[Member]) -> list[str]:
    """What a container holds; three and more that are equal, or whose numbers grow evenly, in one expression."""
    sources = [item.source for item in items]
    split = [
        (_INTEGER.sub("#", source), [int(text) for text in _INTEGER.findall(source)]) for source in sources
    ]
    found: list[str] = []
    start = 0
    while start < len(sources):
        stop, steps = _series(split, start)
        if stop - start >= _LEAST_SERIES:
            terms = map(_term, split[start][1], steps)
            source = _INTEGER.sub(lambda _, terms=terms: next(terms), sources[start])  # type: ignore[misc]
            found.append(f"*[{source} for {'i' if any(steps) else '_'} in range({stop - start})]")
            start = stop
        else:
            found.append(sources[start])
            start += 1
    return found


def _series(split: Sequence[tuple[str, list[int]]], start: int) -> tuple[int, list[int]]:
    """Where a series ends that begins at `start`, and by how much each of its numbers grows."""
    frame, first = split[start]
    if start + 1 == len(split) or split[start + 1][0] != frame:
        return start + 1, []
    steps = [after - before for before, after in zip(first, split[start + 1][1], strict=True)]
    if any(step < 0 for step in steps) or ('"' in frame and any(steps)):
        return start + 1, []
    stop = start + 2
    while stop < len(split) and split[stop] == (
        frame,
        [number + (stop - start) * step for number, step in zip(first, steps, strict=True)],
    ):
        stop += 1
    return stop, steps


def _term(first: int, step: int) -> str:
    if not step:
        return str(first)
    product = "i" if step == 1 else f"{step} * i"
    return f"{first} + {product}" if first else product
