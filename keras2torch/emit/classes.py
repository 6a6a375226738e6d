"""The text of a class: its `__init__` and its `forward`, and on which line each value is bound."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from keras2torch.emit.code import Value
from keras2torch.emit.forward import write_body
from keras2torch.emit.names import numbered
from keras2torch.emit.sums import overwritable
from keras2torch.emit.wishes import STATES
from keras2torch.emit.wrap import WIDTH, wrapped
from keras2torch.graph.model import Shape
from keras2torch.structure.block import Block
from keras2torch.structure.body import Member, items_source

_INPUT_NAMES = ("x", "y", "z")
_FEW = 3
"""How many outputs the annotation of a `forward` counts."""


@dataclass(frozen=True)
class ClassText:
    """A class as lines of text; `bound`: which of them, from 0, binds a value, by its id."""

    lines: tuple[str, ...]
    bound: Mapping[int, int]
    parameters: tuple[str, ...]


def write_class(
    name: str,
    block: Block,
    reserved: frozenset[str],
    *,
    bases: Sequence[str] = ("nn.Module",),
    last: Sequence[str] | None = None,
) -> ClassText:
    """`last` is given for the model itself, whose inputs have names and whose lines tell shapes: statements behind the
    others of its `__init__`.
    """
    whole = last is not None
    out = [f"class {name}({', '.join(bases)}):"]
    declared = _declared(block)
    if declared or block.parameters:
        out += [*_init_head(block), "        super().__init__()"]
        out += [f"        {computed} = {expression}" for computed, expression in block.computed.items()]
        out += [f"        self.{kept} = {kept}" for kept in block.kept]
        for member in declared:
            out += _declaration(member)
        out += [f"        {line}" for line in last or ()]
        out.append("")
    statements = [line.statement() for line in block.lines]
    names = None if whole else _input_names(block.inputs)
    body = write_body(
        block.inputs,
        statements,
        block.outputs,
        reserved,
        parameters=names,
        plain=block.flat,
        named_outputs=whole or bool(block.nested),
        overwritable=overwritable(block.lines, block.outputs),
    )
    parameters = ", ".join(f"{parameter}: torch.Tensor" for parameter in body.parameters)
    returns = _returned(len(block.outputs))
    out += wrapped(f"    def forward(self, {parameters}) -> {returns}:")
    bound: dict[int, int] = {}
    shape: Shape | None = block.inputs[0].torch_shape if block.inputs else None
    # A statement that takes a tuple apart yields more than what it binds.
    last_line = body.lines[-1] if body.lines and not block.flat else None
    alone = bool(statements) and statements[-1].pattern == "{}" and statements[-1].loop is None
    returned = last_line if last_line and alone and block.outputs == (last_line.value,) else None
    for line in body.lines:
        comment = ""
        if (value := line.value) is not None:
            bound[id(value)] = len(out)
            told = value.dtype != "bool" and value.hint not in STATES
            if whole and told and value.torch_shape != shape:
                shape = value.torch_shape
                comment = f"  # {_shape_text(shape)}"
        text = f"        {'    ' * line.depth}{line.text}"
        if line is returned:
            text = f"        return {line.text.partition(' = ')[2]}"
        out += [text + comment] if len(text + comment) <= WIDTH else wrapped(text)
    if returned is None:
        out.append(f"        return {body.returns}")
    return ClassText(tuple(out), bound, body.parameters)


def _returned(outputs: int) -> str:
    if outputs == 1:
        return "torch.Tensor"
    words = ["torch.Tensor"] * outputs if 1 < outputs <= _FEW else ["torch.Tensor", "..."]
    return f"tuple[{', '.join(words)}]"


def _declared(block: Block) -> list[Member]:
    """What `__init__` sets, containers where the first of their items would stand."""
    holder = {id(item): container for container in block.containers for item in container.items}
    return list(dict.fromkeys(holder.get(id(member), member) for member in _all(block)))


def _all(block: Block) -> list[Member]:
    made = [item for container in block.containers for item in container.items]
    return [*block.members, *(item for item in made if not any(item is each for each in block.members))]


def _init_head(block: Block) -> list[str]:
    if not block.parameters:
        return ["    def __init__(self) -> None:"]
    words = [
        f"{each.name}: {each.annotation}" + (f" = {each.default}" if each.default is not None else "")
        for each in block.parameters
    ]
    return wrapped(f"    def __init__(self, {', '.join(words)}) -> None:")


def _declaration(member: Member) -> list[str]:
    if member.condition:
        return _conditional(member)
    if not member.items:
        return wrapped(f"        self.{member.name} = {member.source}")
    function, sources = member.construction.function, items_source(member.items)
    if member.is_list and len(sources) == 1:
        return wrapped(f"        self.{member.name} = {function}({sources[0].removeprefix('*')})")
    line = f"        self.{member.name} = {function}({', '.join(sources)})"
    if len(sources) == 1 and len(line) <= WIDTH:
        return [line]
    items = [piece for item in sources for piece in _item(item)]
    if member.is_list:
        items = ["            [", *(f"    {item}" for item in items), "            ]"]
    return [f"        self.{member.name} = {function}(", *items, "        )"]


def _conditional(member: Member) -> list[str]:
    """What stands there where the constructor is told so, else `nn.Identity`."""
    choice = f" if {member.condition} else nn.Identity()"
    whole = f"        self.{member.name} = {member.source}{choice}"
    inner = f"            {member.source}{choice}"
    if not member.items and len(whole) <= WIDTH:
        return [whole]
    if not member.items and len(inner) <= WIDTH:
        return [f"        self.{member.name} = (", inner, "        )"]
    made = wrapped(f"            {member.source}")
    if member.items:
        items = [f"    {line}" for item in items_source(member.items) for line in _item(item)]
        made = [f"            {member.construction.function}(", *items, "            )"]
    choices = [f"            if {member.condition}", "            else nn.Identity()"]
    return [f"        self.{member.name} = (", *made, *choices, "        )"]


def _item(source: str) -> list[str]:
    line = f"            {source},"
    series = re.fullmatch(r"\*\[(.*) (for \w+ in range\(\d+\))\]", source)
    if len(line) <= WIDTH or series is None:
        return wrapped(line)
    return [
        "            *[",
        *wrapped(f"                {series[1]}"),
        f"                {series[2]}",
        "            ],",
    ]


def _input_names(inputs: Sequence[Value]) -> list[str]:
    """`x` and so on; masks are called that."""
    names: list[str] = []
    for value in inputs:
        wish = "mask" if value.dtype == "bool" else next((n for n in _INPUT_NAMES if n not in names), "w")
        names.append(numbered(wish, lambda name: name not in names))
    return names


def _shape_text(shape: Shape) -> str:
    inner = ", ".join("?" if n is None else str(n) for n in shape[1:])
    return f"({inner}{',' if len(shape) == 2 else ''})"
