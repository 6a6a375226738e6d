"""Functions that are modules too: `F.relu(self.conv(x))` as `nn.Conv2d(...)`, `nn.ReLU()`, for `nn.Sequential`."""

from __future__ import annotations

import ast

from keras2torch.emit.code import Value
from keras2torch.structure.body import Line, Member, Number
from keras2torch.structure.construction import parse_construction

_MODULES = {
    "F.celu": "nn.CELU",
    "F.elu": "nn.ELU",
    "F.gelu": "nn.GELU",
    "F.hardswish": "nn.Hardswish",
    "F.leaky_relu": "nn.LeakyReLU",
    "F.logsigmoid": "nn.LogSigmoid",
    "F.mish": "nn.Mish",
    "F.relu": "nn.ReLU",
    "F.relu6": "nn.ReLU6",
    "F.selu": "nn.SELU",
    "F.silu": "nn.SiLU",
    "F.softplus": "nn.Softplus",
    "F.softsign": "nn.Softsign",
    "torch.log_softmax": "nn.LogSoftmax",
    "torch.sigmoid": "nn.Sigmoid",
    "torch.softmax": "nn.Softmax",
    "torch.tanh": "nn.Tanh",
}
"""Modules of torch.nn that take after the function's first argument what the function takes."""
_PADS = {2: "nn.ZeroPad1d", 4: "nn.ZeroPad2d", 6: "nn.ZeroPad3d"}


def as_modules(line: Line) -> list[Member] | None:
    """The modules that, called one after the other, do what the line does to the one value it reads; else None."""
    if len(line.reads) != 1 or line.pattern != "{}":
        return None
    words: list[str] = []
    members: dict[str, Member] = {}
    for piece in line.pieces:
        match piece:
            case Value():
                words.append("_value_")
            case Member():
                words.append(f"_member_{len(members)}_")
                members[words[-1]] = piece
            case Number(text=text):
                words.append(text)
            case _:
                words.append(piece)
    source = "".join(words)
    if source.count("_value_") != 1:
        return None
    return _unwrapped(ast.parse(source, mode="eval").body, members)


def _unwrapped(node: ast.expr, members: dict[str, Member]) -> list[Member] | None:
    if isinstance(node, ast.Name) and node.id == "_value_":
        return []
    if not isinstance(node, ast.Call):
        return None
    function = ast.unparse(node.func)
    if function in members:
        inner = _unwrapped(node.args[0], members) if len(node.args) == 1 and not node.keywords else None
        return None if inner is None else [*inner, members[function]]
    if isinstance(node.func, ast.Attribute) and node.func.attr == "flatten":
        inner = _unwrapped(node.func.value, members)
        return None if inner is None or _texts(node.args) != ["1"] else [*inner, _made("nn.Flatten()")]
    if not node.args or not all(_is_constant(each) for each in (*node.args[1:], *_values(node))):
        return None
    inner, others = _unwrapped(node.args[0], members), _texts(node.args[1:])
    if inner is None:
        return None
    if function == "F.pad" and len(node.args) == 2 and not node.keywords:
        pad = ast.literal_eval(node.args[1])
        return [*inner, _made(f"{_PADS[len(pad)]}({others[0]})")] if len(pad) in _PADS else None
    if function not in _MODULES:
        return None
    others += [f"{keyword.arg}={ast.unparse(keyword.value)}" for keyword in node.keywords]
    return [*inner, _made(f"{_MODULES[function]}({', '.join(others)})")]


def _made(source: str) -> Member:
    return Member("", parse_construction(source, {}))


def _texts(nodes: list[ast.expr]) -> list[str]:
    return [ast.unparse(node) for node in nodes]


def _values(node: ast.Call) -> list[ast.expr]:
    return [keyword.value for keyword in node.keywords]


def _is_constant(node: ast.expr) -> bool:
    try:
        ast.literal_eval(node)
    except ValueError:
        return False
    return True


def is_activation(line: Line) -> bool:
    """Whether the line is nothing but an activation of one value."""
    first, *rest = line.pieces
    return (
        isinstance(first, str)
        and first.endswith("(")
        and first[:-1] in _MODULES
        and line.pattern == "{}"
        and isinstance(rest[0], Value)
        and not any(isinstance(piece, Value | Member) for piece in rest[1:])
    )
