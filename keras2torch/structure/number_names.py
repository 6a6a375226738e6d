"""What the numbers in a line are: `F.leaky_relu(x, 0.1)` holds a `negative_slope`."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from keras2torch.emit.code import Value
from keras2torch.emit.names import is_free_attribute
from keras2torch.structure.body import Line, Member, Number

_BY_POSITION = {
    "F.celu": ("alpha",),
    "F.elu": ("alpha",),
    "F.hardtanh": ("lowest", "highest"),
    "F.leaky_relu": ("negative_slope",),
    "F.pad": ("pad",),
    "F.softplus": ("beta", "threshold"),
    "F.threshold": ("threshold", "value"),
    "torch.clamp": ("lowest", "highest"),
    "torch.pow": ("exponent",),
}
"""Arguments of functions behind the tensor."""
_OPERANDS: dict[type[ast.operator], str] = {
    ast.Add: "offset",
    ast.Sub: "offset",
    ast.Mult: "scale",
    ast.Div: "divisor",
    ast.Pow: "exponent",
}
_KEYWORDS = {"min": "lowest", "max": "highest", "p": "dropout"}
_OTHERS = "size"


def number_names(line: Line) -> list[str]:
    """A name for each number of the line, in their order: what it is an argument or an operand of."""
    words, count = [], 0
    for piece in line.pieces:
        match piece:
            case Number():
                words.append(f"_number_{count}")
                count += 1
            case Value():
                words.append("_value")
            case Member():
                words.append("_member")
            case _:
                words.append(piece)
    if not count:
        return []
    found = dict(_named(ast.parse("".join(words), mode="eval").body, _OTHERS))
    return [found.get(f"_number_{number}", _OTHERS) for number in range(count)]


def _named(node: ast.AST, name: str) -> Iterator[tuple[str, str]]:
    """Each number in `node` with its name; `name` is what a number is called that `node` itself is."""
    match node:
        case ast.Name(id=word):
            yield word, name if is_free_attribute(name) else _OTHERS
        case ast.Call():
            yield from _named(node.func, _OTHERS)
            names = ("", *_BY_POSITION.get(ast.unparse(node.func), ()))
            for place, argument in enumerate(node.args):
                yield from _named(argument, names[place] if place < len(names) else _OTHERS)
            for keyword in node.keywords:
                wish = keyword.arg or _OTHERS
                yield from _named(keyword.value, _KEYWORDS.get(wish, wish))
        case ast.BinOp():
            wish = _OPERANDS.get(type(node.op), _OTHERS)
            yield from _named(node.left, wish)
            yield from _named(node.right, wish)
        case ast.Slice():
            for part, wish in ((node.lower, "start"), (node.upper, "stop"), (node.step, "step")):
                if part is not None:
                    yield from _named(part, wish)
        case ast.Tuple() | ast.List() | ast.UnaryOp():
            for inner in ast.iter_child_nodes(node):
                yield from _named(inner, name)
        case _:
            for inner in ast.iter_child_nodes(node):
                yield from _named(inner, _OTHERS)
