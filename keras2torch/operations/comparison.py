"""Comparisons, logic, and choices by them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keras2torch.emit.code import Code, Value, call, method, template
from keras2torch.errors import UnsupportedOption
from keras2torch.operations._arguments import axis_of, dtype_of, flag, integer, must_be, number
from keras2torch.operations._registry import X, Y, Z, example, operation
from keras2torch.operations._sizes import Sizes
from keras2torch.operations._tensors import cast as cast_tensor
from keras2torch.operations._tensors import common_dtype, constant_like, elementwise, floating, plain, tensor

if TYPE_CHECKING:
    from keras2torch.layers._call import LayerCall


def _comparison(name: str, sign: str, tf: str, keras3: str, node: str) -> None:
    def function(layer: LayerCall, x: Any, y: Any, incompatible_shape_error: Any = True) -> Value:
        # Shapes that do not broadcast are refused at any rate.
        flag(incompatible_shape_error, "incompatible_shape_error")
        return elementwise(layer, [x, y], lambda x, y: template(f"{{}} {sign} {{}}", x, y), dtype="bool")

    operation(
        tf=f"{tf}(x, y)",
        keras3=f"numpy.{keras3}(x1: x, x2: y)",
        node=f"{node}(x, y, *, incompatible_shape_error=True)"
        if sign[-1:] == "=" and sign[0] in "!="
        else f"{node}(x, y)",
        examples=[example((4, 3), (4, 3), x=X, y=Y), example((4,), x=X, y=5, _dtypes=("int32",))],
        name=name,
        summary=f"`x {sign} y`.",
    )(function)


_comparison("greater", ">", "math.greater|greater", "Greater", "Greater")
_comparison("greater_equal", ">=", "math.greater_equal|greater_equal", "GreaterEqual", "GreaterEqual")
_comparison("less", "<", "math.less|less", "Less", "Less")
_comparison("less_equal", "<=", "math.less_equal|less_equal", "LessEqual", "LessEqual")
_comparison("equal", "==", "math.equal|equal", "Equal", "Equal")
_comparison("not_equal", "!=", "math.not_equal|not_equal", "NotEqual", "NotEqual")


def _logic(name: str, sign: str, tf: str, keras3: str, node: str) -> None:
    def function(layer: LayerCall, x: Any, y: Any) -> Value:
        truths = [_truth(layer, each) for each in (x, y)]
        return elementwise(layer, truths, lambda x, y: template(f"{{}} {sign} {{}}", x, y), dtype="bool")

    operation(
        tf=f"{tf}(x, y)",
        keras3=f"numpy.{keras3}(x1: x, x2: y)",
        node=f"{node}(x, y)" if node else (),
        examples=[example((4,), (4,), x=X, y=Y, _dtypes=("bool", "bool"))],
        name=name,
        summary=f"`x {sign} y`.",
    )(function)


def _truth(layer: LayerCall, x: Any) -> Any:
    if isinstance(x, Value) and x.dtype != "bool":
        return layer.like(x, template("{} != 0", x), dtype="bool")
    return x


_logic("logical_and", "&", "math.logical_and|logical_and", "LogicalAnd", "LogicalAnd")
_logic("logical_or", "|", "math.logical_or|logical_or", "LogicalOr", "LogicalOr")
_logic("logical_xor", "^", "math.logical_xor", "LogicalXor", "")


@operation(
    tf="math.logical_not|logical_not(x)",
    keras3="numpy.LogicalNot(x)",
    node="LogicalNot(x)",
    examples=[example((4,), x=X, _dtypes=("bool",))],
)
def logical_not(layer: LayerCall, x: Any) -> Value:
    """`~x`."""
    source = _truth(layer, tensor(layer, x))
    return layer.like(source, template("~{}", source), dtype="bool")


@operation(
    tf="where|compat.v2.where(condition, x=None, y=None)",
    keras3="numpy.Where(condition, x1: x=None, x2: y=None)",
    node="SelectV2(condition, x, y)",
    examples=[
        example((4,), (4,), (4,), condition=X, x=Y, y=Z, _dtypes=("bool", "float32", "float32")),
        example((4,), (4,), condition=X, x=Y, y=0.5, _dtypes=("bool", "float32")),
        example((1,), (4,), condition=X, x=-1.5, y=Y, _dtypes=("bool", "float32")),
        example((4,), condition=X, x=1.0, y=-1.0, _dtypes=("bool",)),
    ],
)
def where(layer: LayerCall, condition: Any, x: Any, y: Any) -> Value:
    """`torch.where`."""
    if x is None or y is None:
        raise UnsupportedOption(
            "where without two tensors to choose from yields as many rows as are true", "x"
        )
    return _chosen(layer, condition, x, y)


def _chosen(layer: LayerCall, condition: Any, x: Any, y: Any) -> Value:
    chosen_by = _truth(layer, condition)
    if not any(isinstance(each, Value) for each in (x, y)):
        # Of two numbers torch makes its own default type.
        x = constant_like(layer, x, floating(layer, tensor(layer, chosen_by)))
    return elementwise(
        layer,
        [chosen_by, x, y],
        lambda condition, x, y: call("torch.where", condition, x, y),
        dtype=common_dtype(layer, [x, y]),
    )


@operation(
    tf="compat.v1.where(condition, x=None, y=None)",
    node="Select(condition, x, y)",
    examples=[example((4,), (4,), (4,), condition=X, x=Y, y=Z, _dtypes=("bool", "float32", "float32"))],
)
def select(layer: LayerCall, condition: Any, x: Any, y: Any) -> Value:
    """`torch.where`, of tensors of one shape."""
    shapes = {len(each.shape) for each in (condition, x, y) if isinstance(each, Value)}
    if len(shapes) != 1:
        raise UnsupportedOption("select by a vector of rows", "condition")
    return _chosen(layer, condition, x, y)


@operation(
    tf="cast(x, dtype)",
    keras3="core.Cast(x, *, dtype)",
    node="Cast(x, *, DstT: dtype, SrcT: _source=None, Truncate: _truncate=False)",
    examples=[
        example((4,), x=X, dtype="int32"),
        example((4,), x=X, dtype="float32", _dtypes=("bool",)),
        example((4,), x=X, dtype="float32", _dtypes=("int32",)),
    ],
)
def cast(layer: LayerCall, x: Any, dtype: Any, _source: Any = None, _truncate: Any = False) -> Value:
    """`to`; among floats nothing, since a module computes in one type."""
    must_be(_truncate, "Truncate", False)
    wanted = dtype_of(dtype)
    if isinstance(x, Sizes) and wanted in ("int32", "int64"):
        return x
    return cast_tensor(layer, tensor(layer, x), wanted)


@operation(
    tf="one_hot(indices: x, depth: classes, on_value: on=None, off_value: off=None, axis=None, dtype=None)",
    keras3="nn.OneHot(x, *, num_classes: classes, axis=-1, dtype=None, sparse=False)",
    node="OneHot(x, classes, on, off, *, axis=-1)",
    examples=[example((4,), x=X, classes=11, on=1.0, off=0.0, axis=-1, _dtypes=("int32",))],
)
def one_hot(
    layer: LayerCall,
    x: Any,
    classes: Any,
    axis: Any,
    dtype: Any = None,
    on: Any = None,
    off: Any = None,
    sparse: Any = False,
) -> Value:
    """`ids == arange`: a row of zeros for an id that is out of range."""
    must_be(sparse, "sparse", False)
    if (
        number(1 if on is None else on, "on_value") != 1
        or number(0 if off is None else off, "off_value") != 0
    ):
        raise UnsupportedOption("other values than 1 and 0", "on_value")
    ids = plain(layer, x)
    if axis is not None and axis_of(axis, ids.rank + 1) != ids.rank:
        raise UnsupportedOption(f"one_hot along axis {axis}, not the last", "axis")
    count = integer(classes, "depth", minimum=1)
    places = call("torch.arange", count, device=Code((ids, ".device")))
    truths = layer.value(
        template("{} == {}", method(ids, "unsqueeze", -1), places), (*ids.shape, count), dtype="bool"
    )
    return cast_tensor(layer, truths, "float32" if dtype is None else dtype_of(dtype))
