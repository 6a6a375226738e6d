"""What may occur in a `model.py`, held against every one before it is written.

Rules write source from templates and escaped literals, so nothing of a model file can become code. This does not rely
on that: the text is parsed again and must consist of the statements, imports, names and calls listed here. What is
missing from a list is a defect of ours; whoever adds a rule that writes something new adds it here, where it is seen.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Collection, Iterator

HUB_MIXIN = "PyTorchModelHubMixin"
"""A base class that the model may have beside `nn.Module`, where it was asked for; nothing else may speak of it."""
HUB_IMPORT = f"from huggingface_hub import {HUB_MIXIN}"
_IMPORTS = frozenset(
    {
        HUB_IMPORT,
        "from __future__ import annotations",
        "from collections.abc import Callable",
        "from pathlib import Path",
        "from safetensors.torch import load_file",
        "from torch import nn",
        "import torch",
        "import torch.nn.functional as F",
    }
)
_MODULES = frozenset({"torch", "nn", "F", "Callable"})
_TO_LOAD = frozenset({"Model", "Path", "load_file"})
"""What only `load_model` may speak of."""
_DUNDER = ("__init__", "__file__")
_STATEMENTS = (
    ast.Expr, ast.ClassDef, ast.FunctionDef, ast.arguments, ast.arg,
    ast.Assign, ast.Return, ast.With, ast.withitem,
)  # fmt: skip
_EXPRESSIONS = (
    ast.Attribute, ast.BinOp, ast.BoolOp, ast.Call, ast.Compare, ast.Constant, ast.IfExp, ast.Lambda, ast.List,
    ast.Name, ast.Slice, ast.Starred, ast.Subscript, ast.Tuple, ast.UnaryOp, ast.keyword,
    ast.operator, ast.boolop, ast.cmpop, ast.unaryop, ast.expr_context,
)  # fmt: skip
_IN_PARTS = (
    ast.AnnAssign, ast.AugAssign, ast.Dict, ast.For, ast.FormattedValue, ast.GeneratorExp, ast.If, ast.JoinedStr,
    ast.ListComp, ast.Raise, ast.comprehension,
)  # fmt: skip
"""What parts are written with beside that: loops and conditions, which no rule writes."""
_BUILTINS = frozenset(
    {
        "NotImplementedError", "ValueError", "abs", "bool", "enumerate", "float", "int", "isinstance", "len", "list",
        "max", "min", "ord", "range", "str", "sum", "super", "tuple", "zip", "__file__",
    }
)  # fmt: skip
_TORCH = frozenset(
    {
        "Tensor", "abs", "acos", "acosh", "addcmul", "all", "amax", "amin", "any", "arange", "argmax", "argmin",
        "argsort", "as_tensor", "asin", "asinh", "atan", "atan2", "atanh", "baddbmm", "bernoulli", "bitwise_and",
        "bitwise_or", "bmm", "bool", "broadcast_to", "bucketize", "cat", "ceil", "celu", "chunk", "clamp", "clip",
        "clone", "cos",
        "cosh", "count_nonzero", "cross", "cummax", "cumprod", "cumsum", "device", "diag_embed", "diagonal", "diff",
        "digamma", "div", "dot", "dtype", "einsum", "empty", "empty_like", "eq", "erf", "erfc", "erfinv", "exp", "exp2",
        "expm1", "eye", "fft", "finfo", "flatten", "flip", "float32", "float64", "floor", "fmod", "full", "full_like",
        "gather", "ge", "gt", "heaviside", "hypot", "iinfo", "index_select", "inf", "int16", "int32", "int64", "int8",
        "isclose", "isfinite", "isinf", "isnan", "kron", "le", "lerp", "lgamma", "linalg", "linspace", "log", "log10",
        "log1p", "log2", "log_softmax", "logaddexp", "logical_and", "logical_not", "logical_or", "logical_xor",
        "logsumexp", "lt", "masked_fill", "matmul", "max", "maximum", "mean", "meshgrid", "min", "minimum", "mm",
        "moveaxis", "movedim", "mul", "multinomial", "nan", "nan_to_num", "narrow", "ne", "neg", "nn", "norm", "normal",
        "ones", "ones_like", "outer", "permute", "pi", "polar", "pow", "prod", "rand", "rand_like", "randint", "randn",
        "randn_like", "randperm", "real", "reciprocal", "relu", "remainder", "repeat_interleave", "reshape", "roll",
        "rot90", "round",
        "rsqrt", "scatter", "scatter_add", "searchsorted", "select", "selu", "sgn", "sigmoid", "sign", "sin",
        "sinc", "sinh", "softmax", "sort", "special", "split", "sqrt", "square", "squeeze", "stack", "std", "stft",
        "sub", "sum", "take_along_dim", "tan", "tanh", "tensor", "tensordot", "tile", "topk", "transpose", "tril",
        "triu", "trunc", "uint8", "unbind", "unflatten", "unsqueeze", "uint16", "uint32", "float16", "bfloat16", "half",
        "double", "var", "var_mean",
        "view_as_complex",
        "view_as_real", "where", "window", "xlogy", "zeros", "zeros_like",
    }
)  # fmt: skip
"""Of the module torch. The submodules among them have mathematics in them and nothing else."""
_FUNCTION = r"[a-z]\w*(?<!_)"
_MEMBERS = {
    root: re.compile(pattern)
    for root, pattern in {
        "F": _FUNCTION,
        "nn": r"[A-Z]\w*|functional|init|utils",
        "nn.functional": _FUNCTION,
        "nn.init": r"[a-z]\w*_",
        "nn.utils": "parametrizations",
        "nn.utils.parametrizations": _FUNCTION,
        "super()": "__init__",
        "torch.fft": _FUNCTION,
        "torch.linalg": _FUNCTION,
        "torch.nn": r"[A-Z]\w*|functional",
        "torch.nn.functional": _FUNCTION,
        "torch.special": _FUNCTION,
    }.items()
}
"""What may be asked of other modules."""
_METHODS = frozenset(
    {
        "abs", "all", "amax", "amin", "any", "append", "argmax", "argmin", "argsort", "bool", "ceil", "chunk", "clamp",
        "clone", "contiguous", "cos", "cumprod", "cumsum", "detach", "device", "diagonal", "dim", "double", "dtype",
        "eval", "exp", "expand", "expand_as", "flatten", "flip", "float", "floor", "fmod", "gather", "imag",
        "index_select", "int", "is_floating_point", "load_state_dict", "log", "logsumexp", "long", "masked_fill",
        "max", "mean", "min", "movedim", "mul", "narrow", "new_empty", "new_full", "new_ones",
        "new_tensor", "new_zeros", "norm", "permute", "pow",
        "prod", "real", "relu", "remainder", "repeat", "repeat_interleave", "reshape", "reshape_as", "roll", "round",
        "rsqrt", "scatter", "scatter_add", "select", "shape", "sigmoid", "sign", "sin", "size", "softmax", "sort",
        "split", "sqrt", "square", "squeeze", "std", "sub", "sum", "swapaxes", "t", "tanh", "tile", "to", "topk",
        "transpose", "tril", "triu", "trunc", "type_as", "unbind", "unflatten", "unfold", "unsqueeze", "var", "view",
        "weight", "with_name", "with_weights", "mT", "T", "logits", "bias",
    }
)  # fmt: skip
"""Of values, and the few of `load_model`."""
_FREEZING = re.compile(r"self(\.[A-Za-z]\w*|\[\d+\])*\.requires_grad_\((True|False)\)")
"""The one statement that may speak of what modules of `self` hold, see `freezing`."""


class ForbiddenSource(Exception):
    """The emitted source holds what no rule may write; nothing has been written."""


def check_source(
    text: str,
    *,
    parts: Collection[str],
    blocks: Collection[str] = (),
    own_parts: Collection[str],
    class_name: str,
    constants: Collection[str] = (),
) -> None:
    """That `text`, the whole of a `model.py`, holds only what may occur in one. Raises `ForbiddenSource`.

    `parts` names the definitions in front of the classes, `blocks` the classes that the model's uses; `own_parts`
    those parts that come from files of the caller, which may hold anything; `constants` the numbers that have names.
    """
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise ForbiddenSource(f"the emitted source is no Python: {error}") from error
    definitions = [node for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)]
    if [node.name for node in definitions] != [*parts, *blocks, class_name, "load_model"]:
        raise ForbiddenSource("the emitted source defines other things than it should")
    own = [node for node in definitions if node.name in own_parts]
    known = _BUILTINS | _MODULES | {*parts, *blocks, *constants}
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            if ast.unparse(node) not in _IMPORTS and not own:
                raise _forbidden(node)
        elif isinstance(node, ast.ClassDef | ast.FunctionDef):
            if node not in own:
                here = known | _bound(node) | (_TO_LOAD if node.name == "load_model" else frozenset())
                _check(node, here, in_part=node.name in parts)
        elif (
            not _is_text(node)
            and not _is_constant(node, constants)
            and ast.unparse(node) != f"Model = {class_name}"
        ):
            raise _forbidden(node)


def _is_constant(node: ast.stmt, names: Collection[str]) -> bool:
    """Whether it gives a number one of the `names`."""
    match node:
        case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=int() | float())):
            return name in names and re.fullmatch(r"[A-Z]+_[A-Z]+", name) is not None
    return False


def _is_text(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _bound(definition: ast.AST) -> frozenset[str]:
    """Every name that a definition itself gives a meaning."""
    found = set()
    for node in ast.walk(definition):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.arg):
            found.add(node.arg)
        elif isinstance(node, ast.FunctionDef):
            found.add(node.name)
    return frozenset(found)


def _check(definition: ast.ClassDef | ast.FunctionDef, known: Collection[str], *, in_part: bool) -> None:
    hidden = {name for name in _bound(definition) if name in vars(builtins) or name in _MODULES | _TO_LOAD}
    if hidden and not in_part:
        raise ForbiddenSource(f"the emitted source gives {min(hidden)!r} another meaning")
    kinds = (*_STATEMENTS, *_EXPRESSIONS, *(_IN_PARTS if in_part else ()))
    freezing = {
        id(part)
        for node in ast.walk(definition)
        if isinstance(node, ast.Expr) and _FREEZING.fullmatch(ast.unparse(node))
        for part in ast.walk(node)
    }
    bases = definition.bases if isinstance(definition, ast.ClassDef) else []
    known_by_place = freezing | {id(base) for base in bases if ast.unparse(base) == HUB_MIXIN}
    special = set() if in_part else {*_series(definition), *_loops(definition), *_sums(definition)}
    for node in ast.walk(definition):
        if id(node) in known_by_place:
            continue
        if (not isinstance(node, kinds) and node not in special) or not all(map(_is_plain, _names(node))):
            raise _forbidden(node)
        if isinstance(node, ast.Expr) and not isinstance(node.value, ast.Call) and not _is_text(node):
            raise _forbidden(node)
        if isinstance(node, ast.Name) and node.id not in known:
            raise _forbidden(node)
        if isinstance(node, ast.Attribute):
            _check_attribute(node, in_part=in_part)


def _series(definition: ast.ClassDef | ast.FunctionDef) -> Iterator[ast.AST]:
    """Of each `[... for i in range(3)]` in an `__init__`, what no other place may have."""
    for method in definition.body:
        if not (isinstance(method, ast.FunctionDef) and method.name == "__init__"):
            continue
        for node in ast.walk(method):
            if isinstance(node, ast.ListComp) and len(node.generators) == 1:
                (each,) = node.generators
                if re.fullmatch(r"for [i_] in range\([0-9]+\)", ast.unparse(each).strip()):
                    yield from (node, each)


def _loops(definition: ast.ClassDef | ast.FunctionDef) -> Iterator[ast.For]:
    """Of a `forward`: each `for block in self.blocks:` whose body calls the block, and puts aside what it yields."""
    for method in definition.body:
        if not (isinstance(method, ast.FunctionDef) and method.name == "forward"):
            continue
        for node in method.body:
            match node:
                case ast.For(
                    target=ast.Name(id=name),
                    iter=ast.Attribute(value=ast.Name(id="self")),
                    body=[ast.Assign(value=ast.Call(func=ast.Name(id=called))), *more],
                    orelse=[],
                ) if name == called and all(_appends(each) for each in more):
                    yield node


def _sums(definition: ast.AST) -> Iterator[ast.AugAssign]:
    """Each `x += y` of two variables."""
    for node in ast.walk(definition):
        match node:
            case ast.AugAssign(target=ast.Name(), op=ast.Add(), value=ast.Name()):
                yield node


def _appends(node: ast.stmt) -> bool:
    return re.fullmatch(r"\w+\.append\(\w+\)", ast.unparse(node)) is not None


def _names(node: ast.AST) -> Iterator[str]:
    for key in ("id", "arg", "name", "attr"):
        name = getattr(node, key, None)
        if name is not None:
            yield name


def _is_plain(name: str) -> bool:
    return name.isascii() and name.isidentifier() and (not name.startswith("__") or name in _DUNDER)


def _dotted(node: ast.expr) -> str:
    """`torch.nn` of the expression that is just that; nothing for values."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        above = _dotted(node.value)
        return f"{above}.{node.attr}" if above else ""
    return "super()" if isinstance(node, ast.Call) and _dotted(node.func) == "super" else ""


def _check_attribute(node: ast.Attribute, *, in_part: bool) -> None:
    root, name = _dotted(node.value), node.attr
    if root == "torch":
        allowed = name in _TORCH
    elif root in _MEMBERS:
        allowed = _MEMBERS[root].fullmatch(name) is not None
    elif root == "self" or in_part:
        allowed = not name.startswith("__")
    else:
        allowed = name in _METHODS
    if not isinstance(node.ctx, ast.Load) and root != "self":
        allowed = False
    if not allowed:
        raise _forbidden(node)


def _forbidden(node: ast.AST) -> ForbiddenSource:
    shown = " ".join(ast.unparse(node).split())[:80]
    return ForbiddenSource(
        f"emitted source may not hold the {type(node).__name__} {shown!r} (emit/allowed.py)"
    )
