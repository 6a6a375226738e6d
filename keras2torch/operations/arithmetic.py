"""Arithmetic between tensors and numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from keras2torch.emit.code import Argument, Code, Value, call, template
from keras2torch.operations._arguments import is_float, must_be, sequence
from keras2torch.operations._registry import POSITIVE, Given, X, Y, example, operation
from keras2torch.operations._sizes import combined
from keras2torch.operations._tensors import elementwise, scalar

if TYPE_CHECKING:
    from keras2torch.layers._call import LayerCall

Write = Callable[[Argument, Argument], Code]

_LONG = [[float(3 * i + j) - 4.5 for j in range(3)] for i in range(4)]
_TENSORS = example((4, 3), (4, 3), x=X, y=Y)
_NUMBER = example((4, 3), x=X, y=1.5)
_NUMBER_FIRST = example((4, 3), x=1.5, y=X)
_CHANNELS = example((5, 4, 3), x=X, y=[0.5, -1.25, 2.0])
_BROADCAST = example((5, 4, 3), (1, 4, 1), x=X, y=Y)
_DIVISOR = example((4, 3), (4, 3), x=X, y=Given(1, "softplus"))
_WHOLE = example((4,), x=X, y=3, _dtypes=("int32",))


@operation(
    tf="math.add|add|__operators__.add(x, y)",
    keras3="numpy.Add(x1: x, x2: y)",
    node="Add|AddV2(x, y)",
    examples=[_TENSORS, _NUMBER, _NUMBER_FIRST, _CHANNELS, _BROADCAST, example((4, 3), x=X, y=_LONG)],
)
def add(layer: LayerCall, x: Any, y: Any) -> Value:
    """`x + y`."""
    return combined(layer, "+", x, y) or elementwise(layer, [x, y], _sign("+"))


def _sign(sign: str) -> Write:
    return lambda x, y: template(f"{{}} {sign} {{}}", x, y)


@operation(
    tf="nn.bias_add(value: x, bias: y, data_format=None)",
    node="BiasAdd(x, y, *, data_format='NHWC')",
    examples=[example((5, 4, 3), x=X, y=[0.5, -1.25, 2.0])],
)
def bias_add(layer: LayerCall, x: Any, y: Any, data_format: Any) -> Value:
    """`x + y`, along the last axis."""
    must_be(data_format, "data_format", None, "NHWC", "N...C")
    return elementwise(layer, [x, y], _sign("+"))


@operation(
    tf="math.subtract|subtract(x, y)",
    keras3="numpy.Subtract(x1: x, x2: y)",
    node="Sub(x, y)",
    examples=[_TENSORS, _NUMBER, _NUMBER_FIRST, _CHANNELS],
)
def subtract(layer: LayerCall, x: Any, y: Any) -> Value:
    """`x - y`."""
    return combined(layer, "-", x, y) or elementwise(layer, [x, y], _sign("-"))


@operation(
    tf="math.multiply|multiply(x, y)",
    keras3="numpy.Multiply(x1: x, x2: y)",
    node="Mul(x, y)",
    examples=[_TENSORS, _NUMBER, _NUMBER_FIRST, _CHANNELS, _WHOLE],
)
def multiply(layer: LayerCall, x: Any, y: Any) -> Value:
    """`x * y`."""
    return combined(layer, "*", x, y) or elementwise(layer, [x, y], _sign("*"))


@operation(
    tf=["math.truediv|truediv|math.divide|divide(x, y)"],
    keras3=["numpy.Divide|numpy.TrueDivide(x1: x, x2: y)"],
    node="RealDiv(x, y)",
    examples=[_DIVISOR, _NUMBER, example((4, 3), x=1.5, y=POSITIVE), _CHANNELS],
)
def divide(layer: LayerCall, x: Any, y: Any) -> Value:
    """`x / y`, as floats."""
    # torch divides integers as floats too, in the module's own type.
    return elementwise(layer, [x, y], _sign("/"), dtype="float32")


@operation(
    tf="math.scalar_mul|scalar_mul|compat.v1.math.scalar_mul(scalar: y, x)",
    examples=[example((4, 3), x=X, y=1.5)],
)
def scalar_mul(layer: LayerCall, x: Any, y: Any) -> Value:
    """`x * y` of a tensor and a number."""
    return elementwise(layer, [y, x], _sign("*"))


@operation(tf="compat.v1.div(x, y)", examples=[_DIVISOR, _NUMBER, _WHOLE])
def old_divide(layer: LayerCall, x: Any, y: Any) -> Value:
    """`x / y`, of whole numbers rounded down, as Python 2 divided."""
    whole = not any(isinstance(each, Value) and is_float(each.dtype) for each in (x, y))
    if whole:
        return elementwise(layer, [x, y], _sign("//"))
    return elementwise(layer, [x, y], _sign("/"), dtype="float32")


@operation(
    tf=["math.floordiv|compat.v1.floor_div(x, y)"],
    keras3="numpy.FloorDivide(x1: x, x2: y)",
    node="FloorDiv(x, y)",
    examples=[_NUMBER, _WHOLE],
)
def floor_divide(layer: LayerCall, x: Any, y: Any) -> Value:
    """`x // y`, rounded down."""
    found = combined(layer, "//", x, y)
    if found is not None:
        return found
    if any(isinstance(each, Value) and is_float(each.dtype) for each in (x, y)):
        return elementwise(layer, [x, y], lambda x, y: call("torch.floor", template("{} / {}", x, y)))
    return elementwise(layer, [x, y], _sign("//"))


@operation(
    tf="math.floormod|math.mod(x, y)",
    keras3="numpy.Mod(x1: x, x2: y)",
    node="FloorMod(x, y)",
    examples=[_NUMBER, _WHOLE],
)
def modulo(layer: LayerCall, x: Any, y: Any) -> Value:
    """`torch.remainder`: the sign is the divisor's."""
    return elementwise(layer, [x, y], lambda x, y: call("torch.remainder", x, y))


@operation(
    tf="math.pow|pow(x, y)",
    keras3="numpy.Power(x1: x, x2: y)",
    node="Pow(x, y)",
    examples=[example((4, 3), x=X, y=2.0), example((4, 3), x=POSITIVE, y=-0.5), example((4, 3), x=1.5, y=X)],
)
def power(layer: LayerCall, x: Any, y: Any) -> Value:
    """`x ** y`."""
    if scalar(x) is not None:
        return elementwise(layer, [x, y], lambda x, y: call("torch.pow", x, y))
    return elementwise(layer, [x, y], _sign("**"))


@operation(tf="math.squared_difference(x, y)", node="SquaredDifference(x, y)", examples=[_TENSORS, _NUMBER])
def squared_difference(layer: LayerCall, x: Any, y: Any) -> Value:
    """`(x - y) ** 2`."""
    return elementwise(layer, [x, y], lambda x, y: template("{} ** 2", template("{} - {}", x, y)))


def _bound(name: str, x: Any, y: Any, layer: LayerCall) -> Value:
    """The larger or smaller of two; of a tensor and a number a clamp."""
    if scalar(x) is not None:
        x, y = y, x
    if scalar(y) is not None:
        side = "min" if name == "torch.maximum" else "max"
        return elementwise(layer, [x, y], lambda x, y: call("torch.clamp", x, **{side: y}))
    return elementwise(layer, [x, y], lambda x, y: call(name, x, y))


@operation(
    tf="math.maximum|maximum(x, y)",
    keras3="numpy.Maximum(x1: x, x2: y)",
    node="Maximum(x, y)",
    examples=[_TENSORS, _NUMBER, _NUMBER_FIRST, _CHANNELS],
)
def maximum(layer: LayerCall, x: Any, y: Any) -> Value:
    """`torch.maximum`, or `torch.clamp` from below."""
    return _bound("torch.maximum", x, y, layer)


@operation(
    tf="math.minimum|minimum(x, y)",
    keras3="numpy.Minimum(x1: x, x2: y)",
    node="Minimum(x, y)",
    examples=[_TENSORS, _NUMBER],
)
def minimum(layer: LayerCall, x: Any, y: Any) -> Value:
    """`torch.minimum`, or `torch.clamp` from above."""
    return _bound("torch.minimum", x, y, layer)


@operation(
    tf="math.divide_no_nan(x, y)",
    keras3="numpy.DivideNoNan(x1: x, x2: y)",
    node="DivNoNan(x, y)",
    examples=[_TENSORS],
)
def divide_no_nan(layer: LayerCall, x: Any, y: Any) -> Value:
    """`x / y`, and 0 where `y` is."""
    y = layer.bind(y) if isinstance(y, Value) else y
    return elementwise(
        layer,
        [x, y],
        lambda x, y: call("torch.where", template("{} == 0", y), 0.0, template("{} / {}", x, y)),
    )


@operation(
    tf=[
        "math.add_n|add_n(inputs: [xs])",
        "math.accumulate_n(inputs: [xs], shape=None, tensor_dtype: dtype=None)",
    ],
    node="AddN(*xs)",
    examples=[example((4, 3), (4, 3), (4, 3), xs=[X, Y, Given(2)])],
)
def add_n(layer: LayerCall, xs: Any, shape: Any = None, dtype: Any = None) -> Value:
    """The sum of all."""
    must_be(shape, "shape", None)
    must_be(dtype, "tensor_dtype", None)
    values = sequence(xs, "inputs")
    return elementwise(layer, values, lambda *each: template(" + ".join(["{}"] * len(each)), *each))


@operation(
    tf="math.multiply_no_nan(x, y)",
    node="MulNoNan(x, y)",
    examples=[_TENSORS],
)
def multiply_no_nan(layer: LayerCall, x: Any, y: Any) -> Value:
    """`x * y`, and 0 where `y` is, even of what is infinite."""
    y = layer.bind(y) if isinstance(y, Value) else y
    return elementwise(
        layer,
        [x, y],
        lambda x, y: call("torch.where", template("{} == 0", y), 0.0, template("{} * {}", x, y)),
    )


@operation(
    tf="math.xlogy(x, y)",
    node="Xlogy(x, y)",
    examples=[_DIVISOR],
)
def xlogy(layer: LayerCall, x: Any, y: Any) -> Value:
    """`torch.xlogy`."""
    return elementwise(layer, [x, y], lambda x, y: call("torch.xlogy", x, y))


@operation(
    tf="math.atan2|atan2(y, x)",
    keras3="numpy.Arctan2(x1: y, x2: x)",
    node="Atan2(y, x)",
    examples=[example((4, 3), (4, 3), y=X, x=Y)],
)
def atan2(layer: LayerCall, y: Any, x: Any) -> Value:
    """`torch.atan2`."""
    return elementwise(layer, [y, x], lambda y, x: call("torch.atan2", y, x))
