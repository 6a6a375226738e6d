"""Products that sum over axes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from keras2torch.emit.code import Argument, Value, call, method, template
from keras2torch.errors import LayerRefused, UnsupportedOption
from keras2torch.graph.model import Shape
from keras2torch.operations._arguments import axes_of, flag, integer, integers, must_be, sequence
from keras2torch.operations._registry import Dialect, X, Y, example, operation
from keras2torch.operations._tensors import broadcast_shape, common_dtype, plain

if TYPE_CHECKING:
    from keras2torch.layers._call import LayerCall

_WEIGHT = [[0.5, -1.0], [2.0, 0.25], [-0.75, 1.5]]
_NOT_TF = (Dialect.KERAS3, Dialect.NODE)
"""tf_keras saves only the first of arguments that have no names: a file with `tf.einsum` lacks its tensors."""
_EQUATION = re.compile(r"[a-zA-Z.]{0,20}(,[a-zA-Z.]{0,20}){0,7}(->[a-zA-Z.]{0,20})?")


@operation(
    tf=(
        "linalg.matmul|matmul(a: x, b: y, transpose_a: turn_x=False, transpose_b: turn_y=False, "
        "adjoint_a: _adjoint_x=False, adjoint_b: _adjoint_y=False, a_is_sparse: _a=False, b_is_sparse: _b=False, "
        "output_type: _type=None, grad_a: _ga=False, grad_b: _gb=False)"
    ),
    keras3="numpy.Matmul(x1: x, x2: y)",
    node="MatMul(x, y, *, transpose_a: turn_x=False, transpose_b: turn_y=False, grad_a: _ga=False, grad_b: _gb=False)",
    examples=[
        example((4, 3), (3, 5), x=X, y=Y, _only=(Dialect.TF, Dialect.KERAS3)),
        example((4, 3), (5, 3), x=X, y=Y, turn_y=True, _only=(Dialect.TF,)),
        example((3, 4), (3, 5), x=X, y=Y, turn_x=True, _only=(Dialect.TF,)),
        example((3,), x=X, y=_WEIGHT, turn_x=False, turn_y=False, _only=(Dialect.TF, Dialect.KERAS3)),
        example((5, 4, 3), (5, 3, 2), x=X, y=Y, _only=(Dialect.TF, Dialect.KERAS3)),
    ],
)
def matmul(
    layer: LayerCall,
    x: Any,
    y: Any,
    turn_x: Any = False,
    turn_y: Any = False,
    _adjoint_x: Any = False,
    _adjoint_y: Any = False,
    **rest: Any,
) -> Value:
    """`@`."""
    for name, value in rest.items():
        must_be(value, name.strip("_"), False, None)
    return _product(
        layer, x, y, _either(turn_x, _adjoint_x, "transpose_a"), _either(turn_y, _adjoint_y, "transpose_b")
    )


def _either(transpose: Any, adjoint: Any, name: str) -> bool:
    # Of real numbers an adjoint is a transpose; TensorFlow refuses both at once.
    return flag(transpose, name) or flag(adjoint, name)


def _product(layer: LayerCall, x: Any, y: Any, turn_x: bool, turn_y: bool) -> Value:
    left, right = plain(layer, x, "a"), plain(layer, y, "b")
    left = _turned(layer, left) if turn_x else left
    right = _turned(layer, right) if turn_y else right
    if min(left.rank, right.rank) < 2:
        raise UnsupportedOption(f"a product of {left.shape} and {right.shape}", "b")
    _check_equal(left.shape[-1], right.shape[-2])
    batch = broadcast_shape([left.shape[:-2], right.shape[:-2]]) if left.rank + right.rank > 4 else ()
    shape = (*batch, left.shape[-2], right.shape[-1])
    return layer.value(template("{} @ {}", left, right), shape, dtype=common_dtype(layer, [left, right]))


def _turned(layer: LayerCall, value: Value) -> Value:
    shape = (*value.shape[:-2], value.shape[-1], value.shape[-2])
    code = method(value, "transpose", -2, -1)
    return layer.value(code, shape, dtype=value.dtype)


def _check_equal(first: int | None, second: int | None) -> None:
    if None not in (first, second) and first != second:
        raise LayerRefused(f"a sum over {first} and {second} elements")


@operation(
    node=(
        "BatchMatMul|BatchMatMulV2(x, y, *, adj_x: adjoint_x=False, adj_y: adjoint_y=False, "
        "grad_x: _ga=False, grad_y: _gb=False)"
    ),
    examples=[
        example((4, 3), (3, 5), x=X, y=Y),
        example((4, 3), (5, 3), x=X, y=Y, adjoint_y=True),
        example((5, 3, 4), (5, 3, 2), x=X, y=Y, adjoint_x=True),
    ],
)
def batch_matmul(
    layer: LayerCall, x: Any, y: Any, adjoint_x: Any, adjoint_y: Any, _ga: Any, _gb: Any
) -> Value:
    """`@`."""
    must_be(_ga, "grad_x", False)
    must_be(_gb, "grad_y", False)
    return _product(layer, x, y, flag(adjoint_x, "adj_x"), flag(adjoint_y, "adj_y"))


@operation(
    tf=(
        "linalg.matvec(a: x, b: y, transpose_a: turn_x=False, adjoint_a: _adjoint_x=False, a_is_sparse: _a=False, "
        "b_is_sparse: _b=False)"
    ),
    examples=[
        example((4, 3), (3,), x=X, y=Y),
        example((3, 4), (3,), x=X, y=Y, turn_x=True),
    ],
)
def matvec(layer: LayerCall, x: Any, y: Any, turn_x: Any, _adjoint_x: Any, _a: Any, _b: Any) -> Value:
    """`@` with a vector a sample."""
    must_be(_a, "a_is_sparse", False)
    must_be(_b, "b_is_sparse", False)
    vector = plain(layer, y, "b")
    column = layer.value(method(vector, "unsqueeze", -1), (*vector.shape, 1), dtype=vector.dtype)
    product = _product(layer, x, column, _either(turn_x, _adjoint_x, "transpose_a"), False)
    return layer.value(method(product, "squeeze", -1), product.shape[:-1], dtype=product.dtype)


@operation(
    tf="einsum(equation, *inputs: xs)",
    keras3="numpy.Einsum(*operands: xs, subscripts: equation)",
    node="Einsum(*xs, equation)",
    examples=[
        example((4, 3), (5, 3), equation="bij,bkj->bik", xs=[X, Y], _only=_NOT_TF),
        example((4, 3), equation="bij->bji", xs=[X], _only=_NOT_TF),
        example((5, 4, 3), (5, 4, 3), equation="...ij,...ij->...i", xs=[X, Y], _only=_NOT_TF),
        example((4, 3), (4, 3), equation="bij,bij->b", xs=[X, Y], _only=_NOT_TF),
    ],
)
def einsum(layer: LayerCall, equation: Any, xs: Any) -> Value:
    """`torch.einsum`."""
    if not isinstance(equation, str) or not _EQUATION.fullmatch(equation.replace(" ", "")):
        raise UnsupportedOption(f"the equation {str(equation)[:60]!r}", "equation")
    equation = equation.replace(" ", "")
    values = [plain(layer, each) for each in sequence(xs, "inputs")]
    inputs, arrow, output = equation.partition("->")
    terms = inputs.split(",")
    if len(terms) != len(values):
        raise LayerRefused(f"the equation {equation!r} of {len(values)} tensors")
    extents: dict[str, int | None] = {}
    dots: list[Shape] = []
    for term, value in zip(terms, values, strict=True):
        letters = term.replace("...", "")
        spread = value.rank - len(letters)
        if "." in letters or spread < 0 or (spread and "..." not in term):
            raise LayerRefused(f"the equation {equation!r} of tensors of shape {value.shape}")
        at = term.index("...") if "..." in term else len(letters)
        dots.append(value.shape[at : at + spread])
        for letter, extent in zip(letters, (*value.shape[:at], *value.shape[at + spread :]), strict=True):
            known = extents.get(letter)
            _check_equal(known, extent)
            extents[letter] = extent if known is None else known
    middle = broadcast_shape(dots) if any(dots) else ()
    if not arrow:
        joined = inputs.replace(",", "").replace("...", "")
        output = "..." * bool(middle) + "".join(sorted(c for c in set(joined) if joined.count(c) == 1))
    head, ellipsis, tail = output.partition("...")
    if not set(head + tail) <= extents.keys() or (middle and not ellipsis):
        raise LayerRefused(f"the equation {equation!r}")
    shape = (*(extents[c] for c in head), *middle, *(extents[c] for c in tail))
    code = call("torch.einsum", f"{inputs}->{output}", *values)
    return layer.value(code, shape, dtype=common_dtype(layer, values))


@operation(
    tf="tensordot|linalg.tensordot(a: x, b: y, axes)",
    keras3="numpy.Tensordot(x1: x, x2: y, *, axes=2)",
    examples=[
        example((4, 3), x=X, y=_WEIGHT, axes=1),
        example((4, 3), x=X, y=_WEIGHT, axes=[[2], [0]]),
    ],
)
def tensordot(layer: LayerCall, x: Any, y: Any, axes: Any) -> Value:
    """`torch.tensordot`."""
    left, right = plain(layer, x, "a"), plain(layer, y, "b")
    pair = axes if isinstance(axes, list) and len(axes) == 2 else None
    dims: Argument
    if pair is None:
        count = integer(axes, "axes", 0, min(left.rank, right.rank))
        first, second = list(range(left.rank - count, left.rank)), list(range(count))
        dims = count
    else:
        first = [axes_of(each, left.rank)[0] for each in integers(pair[0], "axes")]
        second = [axes_of(each, right.rank)[0] for each in integers(pair[1], "axes")]
        dims = (first, second)
    if len(first) != len(second):
        raise UnsupportedOption(f"axes {axes!r}", "axes")
    for a, b in zip(first, second, strict=True):
        _check_equal(left.shape[a], right.shape[b])
    shape = (
        *(n for axis, n in enumerate(left.shape) if axis not in first),
        *(n for axis, n in enumerate(right.shape) if axis not in second),
    )
    return layer.value(
        call("torch.tensordot", left, right, dims=dims), shape, dtype=common_dtype(layer, [left, right])
    )


@operation(
    keras3="numpy.Dot(x1: x, x2: y)",
    examples=[example((4, 3), x=X, y=_WEIGHT)],
)
def dot(layer: LayerCall, x: Any, y: Any) -> Value:
    """`@` with a matrix."""
    left, right = plain(layer, x), plain(layer, y)
    if right.rank != 2 or left.rank < 2:
        raise UnsupportedOption(f"dot of {left.shape} and {right.shape}", "x2")
    _check_equal(left.shape[-1], right.shape[0])
    shape = (*left.shape[:-1], right.shape[1])
    return layer.value(template("{} @ {}", left, right), shape, dtype=common_dtype(layer, [left, right]))
