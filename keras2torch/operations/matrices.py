"""Matrices along the last two axes: their triangles and diagonals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keras2torch.emit.code import Code, Value, call, method
from keras2torch.errors import UnsupportedOption
from keras2torch.operations._arguments import axis_of, choice, integer, must_be, number
from keras2torch.operations._registry import X, Y, example, operation
from keras2torch.operations._tensors import common_dtype, plain, tensor

if TYPE_CHECKING:
    from keras2torch.layers._call import LayerCall


@operation(
    tf="linalg.matrix_transpose(a: x, name='matrix_transpose', conjugate=False)",
    examples=[example((4, 3), x=X), example((5, 4, 3), x=X)],
)
def matrix_transpose(layer: LayerCall, x: Any, conjugate: Any) -> Value:
    """`mT`."""
    must_be(conjugate, "conjugate", False)
    source = plain(layer, x)
    shape = (*source.shape[:-2], source.shape[-1], source.shape[-2])
    return layer.value(Code((source, ".mT")), shape, dtype=source.dtype)


@operation(
    tf="linalg.band_part(input: x, num_lower: lower, num_upper: upper)",
    node="MatrixBandPart(x, lower, upper)",
    examples=[
        example((4, 3), x=X, lower=-1, upper=0),
        example((3, 4), x=X, lower=0, upper=-1),
        example((5, 5), x=X, lower=1, upper=2),
    ],
)
def band_part(layer: LayerCall, x: Any, lower: Any, upper: Any) -> Value:
    """`triu` of `tril`."""
    source = plain(layer, x)
    code = Code((source,))
    below, above = integer(lower, "num_lower"), integer(upper, "num_upper")
    if above >= 0:
        code = method(code, "tril", *([above] if above else []))
    if below >= 0:
        code = method(code, "triu", *([-below] if below else []))
    return layer.like(source, method(source, "clone") if code.parts == (source,) else code)


def _triangle(name: str, keras3: str) -> None:
    def function(layer: LayerCall, x: Any, k: Any) -> Value:
        source = plain(layer, x)
        diagonal = integer(k, "k")
        return layer.like(source, method(source, name, *([diagonal] if diagonal else [])))

    operation(
        keras3=f"numpy.{keras3}(x, *, k=0)",
        examples=[example((4, 3), x=X), example((3, 4), x=X, k=-1)],
        name=name,
        summary=f"`{name}`.",
    )(function)


_triangle("tril", "Tril")
_triangle("triu", "Triu")


@operation(
    tf=(
        "linalg.diag_part(input: x, name='diag_part', k: offset=0, padding_value: _padding=0, "
        "align: _align='RIGHT_LEFT')"
    ),
    keras3="numpy.Diagonal(x, *, offset=0, axis1=0, axis2=1)",
    examples=[
        example((4, 3), x=X, axis1=1, axis2=2),
        example((3, 4), x=X, offset=1, axis1=-2, axis2=-1),
    ],
)
def diagonal(
    layer: LayerCall,
    x: Any,
    offset: Any,
    axis1: Any = -2,
    axis2: Any = -1,
    _padding: Any = 0,
    _align: Any = "RIGHT_LEFT",
) -> Value:
    """`diagonal`."""
    number(_padding, "padding_value")  # of a single diagonal nothing is padded
    choice(_align, "align", "right_left", "left_right", "left_left", "right_right")
    source = plain(layer, x)
    first, second = axis_of(axis1, source.rank), axis_of(axis2, source.rank)
    shift = integer(offset, "offset")
    rows, columns = source.shape[first], source.shape[second]
    length = None
    if rows is not None and columns is not None:
        length = min(rows + min(shift, 0), columns - max(shift, 0))
    shape = (*(n for axis, n in enumerate(source.shape) if axis not in (first, second)), length)
    return layer.value(method(source, "diagonal", shift, first, second), shape, dtype=source.dtype)


@operation(
    tf="linalg.diag(diagonal: x, name='diag', k=0, num_rows: _rows=-1, num_cols: _columns=-1, padding_value: _fill=0)",
    examples=[example((4,), x=X), example((4, 3), x=X)],
)
def diag(layer: LayerCall, x: Any, k: Any, _rows: Any, _columns: Any, _fill: Any) -> Value:
    """`torch.diag_embed`."""
    for name, value, plain_value in (("k", k, 0), ("num_rows", _rows, -1), ("num_cols", _columns, -1)):
        must_be(value, name, plain_value)
    must_be(_fill, "padding_value", 0, 0.0)
    source = plain(layer, x)
    return layer.value(
        call("torch.diag_embed", source), (*source.shape, source.shape[-1]), dtype=source.dtype
    )


@operation(
    tf="linalg.trace(x)",
    examples=[example((4, 3), x=X), example((5, 4, 4), x=X)],
)
def trace(layer: LayerCall, x: Any) -> Value:
    """The sum of the diagonal."""
    source = plain(layer, x)
    code = method(method(source, "diagonal", dim1=-2, dim2=-1), "sum", -1)
    return layer.value(code, source.shape[:-2], dtype=source.dtype)


@operation(
    tf="linalg.cross(a: x, b: y)",
    keras3="numpy.Cross(x1: x, x2: y, *, axisa: _a=-1, axisb: _b=-1, axisc: _c=-1, axis: _axis=None)",
    examples=[example((4, 3), (4, 3), x=X, y=Y)],
)
def cross(layer: LayerCall, x: Any, y: Any, **axes: Any) -> Value:
    """`torch.linalg.cross`."""
    for name, value in axes.items():
        must_be(value, name.strip("_"), -1, None)
    left, right = plain(layer, x), plain(layer, y)
    if left.shape != right.shape or left.shape[-1] != 3:
        raise UnsupportedOption(f"a cross product of {left.shape} and {right.shape}", "b")
    return layer.value(
        call("torch.linalg.cross", left, right), left.shape, dtype=common_dtype(layer, [left, right])
    )


@operation(tf="linalg.det(input: x)", keras3="linalg.Det(x)", examples=[example((3, 3), x=X)])
def det(layer: LayerCall, x: Any) -> Value:
    """`torch.linalg.det`."""
    source = plain(layer, tensor(layer, x))
    return layer.value(call("torch.linalg.det", source), source.shape[:-2], dtype=source.dtype)
