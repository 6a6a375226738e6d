"""Activation functions as operations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from keras2torch.emit.code import Code, Value, call, template
from keras2torch.errors import UnsupportedOption
from keras2torch.operations._arguments import axis_of, flag, integer, must_be, number
from keras2torch.operations._registry import X, example, operation
from keras2torch.operations._tensors import floating, tensor

if TYPE_CHECKING:
    from keras2torch.layers._call import LayerCall

Formula = Callable[[Value], Code]
_EXAMPLES = [example((4, 3), x=X)]


def _function(
    name: str,
    torch: str,
    *,
    tf: str | Sequence[str] = (),
    keras3: str = "",
    node: str = "",
    settings: dict[str, Any] | None = None,
) -> None:
    """Register a function of each element that has no options."""

    def function(layer: LayerCall, x: Any) -> Value:
        source = floating(layer, tensor(layer, x))
        return layer.like(source, call(torch, source, **(settings or {})))

    operation(
        tf=tf,
        keras3=f"{keras3}(x)" if keras3 else (),
        node=f"{node}(x)" if node else (),
        examples=_EXAMPLES,
        name=name,
        summary=f"`{torch}`.",
    )(function)


_function("relu", "F.relu", tf="nn.relu(features: x)", keras3="nn.Relu", node="Relu")
_function("relu6", "F.relu6", tf="nn.relu6(features: x)", keras3="nn.Relu6", node="Relu6")
_function(
    "sigmoid", "torch.sigmoid", tf="math.sigmoid|nn.sigmoid|sigmoid(x)", keras3="nn.Sigmoid", node="Sigmoid"
)
_function("tanh", "torch.tanh", tf="math.tanh|nn.tanh|tanh(x)", keras3="numpy.Tanh", node="Tanh")
_function(
    "softplus",
    "F.softplus",
    tf="math.softplus|nn.softplus(features: x)",
    keras3="nn.Softplus",
    node="Softplus",
    settings={"threshold": 40},
)
_function("softsign", "F.softsign", tf="nn.softsign(features: x)", keras3="nn.Softsign", node="Softsign")
_function("selu", "F.selu", tf="nn.selu(features: x)", keras3="nn.Selu", node="Selu")
_function("log_sigmoid", "F.logsigmoid", tf="math.log_sigmoid(x)", keras3="nn.LogSigmoid")
_function("hard_sigmoid", "F.hardsigmoid", keras3="nn.HardSigmoid")
_function("hard_silu", "F.hardswish", keras3="nn.HardSilu")
_function("hard_tanh", "F.hardtanh", keras3="nn.HardTanh")
_function("tanh_shrink", "F.tanhshrink", keras3="nn.TanhShrink")


@operation(
    tf="nn.silu|nn.swish(features: x, beta=1.0)",
    keras3="nn.Silu(x)",
    examples=[example((4, 3), x=X)],
)
def silu(layer: LayerCall, x: Any, beta: Any = 1.0) -> Value:
    """`F.silu`."""
    source = floating(layer, tensor(layer, x))
    slope = number(beta, "beta")
    if slope == 1:
        return layer.like(source, call("F.silu", source))
    source = layer.bind(source)
    gate = call("torch.sigmoid", template("{} * {}", slope, source))
    return layer.like(source, template("{} * {}", source, gate))


@operation(
    tf="nn.leaky_relu(features: x, alpha=0.2)",
    keras3="nn.LeakyRelu(x, *, negative_slope: alpha=0.2)",
    node="LeakyRelu(x, *, alpha=0.2)",
    examples=[example((4, 3), x=X), example((4, 3), x=X, alpha=0.125)],
)
def leaky_relu(layer: LayerCall, x: Any, alpha: Any) -> Value:
    """`F.leaky_relu`."""
    source = tensor(layer, x)
    return layer.like(source, call("F.leaky_relu", source, number(alpha, "alpha")))


@operation(
    tf="nn.elu(features: x)",
    keras3="nn.Elu(x, *, alpha=1.0)",
    node="Elu(x)",
    examples=[example((4, 3), x=X)],
)
def elu(layer: LayerCall, x: Any, alpha: Any = 1.0) -> Value:
    """`F.elu`."""
    source = tensor(layer, x)
    slope = number(alpha, "alpha")
    return layer.like(source, call("F.elu", source, **({} if slope == 1 else {"alpha": slope})))


@operation(keras3="nn.Celu(x, *, alpha=1.0)", examples=[example((4, 3), x=X, alpha=0.5)])
def celu(layer: LayerCall, x: Any, alpha: Any) -> Value:
    """`F.celu`."""
    source = tensor(layer, x)
    return layer.like(source, call("F.celu", source, alpha=number(alpha, "alpha")))


@operation(
    tf="nn.gelu(features: x, approximate=False)",
    keras3="nn.Gelu(x, *, approximate=True)",
    examples=[example((4, 3), x=X, approximate=True), example((4, 3), x=X, approximate=False)],
)
def gelu(layer: LayerCall, x: Any, approximate: Any) -> Value:
    """`F.gelu`, exact or by tanh."""
    source = tensor(layer, x)
    settings = {"approximate": "tanh"} if flag(approximate, "approximate") else {}
    return layer.like(source, call("F.gelu", source, **settings))


def _along(name: str, layer: LayerCall, x: Any, axis: Any) -> Value:
    source = tensor(layer, x)
    dim = source.torch_axis(axis_of(-1 if axis is None else axis, source.rank))
    return layer.like(source, call(name, source, dim=-1 if dim == source.rank - 1 else dim))


_SOFTMAX = [example((4, 3), x=X, axis=-1), example((5, 4, 3), x=X, axis=-1), example((5, 4, 3), x=X, axis=1)]


@operation(
    tf=[
        "nn.softmax(logits: x, axis=None)",
        "compat.v1.nn.softmax(logits: x, axis=None, name=None, dim: _dim=None)",
    ],
    keras3="nn.Softmax(x, *, axis=-1)",
    examples=_SOFTMAX,
)
def softmax(layer: LayerCall, x: Any, axis: Any, _dim: Any = None) -> Value:
    """`torch.softmax`."""
    must_be(_dim, "dim", None)
    if isinstance(axis, list):
        raise UnsupportedOption("softmax over several axes", "axis")
    return _along("torch.softmax", layer, x, axis)


@operation(node="Softmax(x)", examples=[example((5, 4), x=X)])
def softmax_node(layer: LayerCall, x: Any) -> Value:
    """`torch.softmax` along the last axis."""
    return _along("torch.softmax", layer, x, -1)


@operation(
    tf=[
        "nn.log_softmax(logits: x, axis=None)",
        "compat.v1.nn.log_softmax(logits: x, axis=None, name=None, dim: _dim=None)",
    ],
    node="LogSoftmax(x)",
    keras3="nn.LogSoftmax(x, *, axis=-1)",
    examples=_SOFTMAX,
)
def log_softmax(layer: LayerCall, x: Any, axis: Any = None, _dim: Any = None) -> Value:
    """`torch.log_softmax`."""
    must_be(_dim, "dim", None)
    return _along("torch.log_softmax", layer, x, axis)


@operation(
    keras3="nn.Glu(x, *, axis=-1)", examples=[example((4, 6), x=X, axis=-1), example((4, 6), x=X, axis=1)]
)
def glu(layer: LayerCall, x: Any, axis: Any) -> Value:
    """`F.glu`."""
    source = tensor(layer, x)
    along = axis_of(axis, source.rank)
    extent = source.shape[along]
    if extent is None or extent % 2:
        raise UnsupportedOption("glu needs an even, known number of features", "axis")
    shape = (*source.shape[:along], extent // 2, *source.shape[along + 1 :])
    return layer.value(call("F.glu", source, dim=source.torch_axis(along)), shape, axes=source.axes)


@operation(keras3="nn.Squareplus(x, *, b=4)", examples=[example((4, 3), x=X, b=2)])
def squareplus(layer: LayerCall, x: Any, b: Any) -> Value:
    """`(x + sqrt(x ** 2 + b)) / 2`."""
    source = layer.bind(tensor(layer, x))
    root = call("torch.sqrt", template("{} ** 2 + {}", source, integer(b, "b")))
    return layer.like(source, template("({} + {}) / 2", source, root))


@operation(
    tf=["compat.v1.nn.crelu(features: x, name=None, axis=-1)", "nn.crelu(features: x, axis=-1)"],
    examples=[example((4, 3), x=X), example((4, 3), x=X, axis=1)],
)
def crelu(layer: LayerCall, x: Any, axis: Any) -> Value:
    """`torch.relu` of what is positive, and behind it of what is negative."""
    source = layer.bind(floating(layer, tensor(layer, x)))
    along = axis_of(axis, source.rank)
    halves = Code(("[", source, ", -", source, "]"))
    extent = source.shape[along]
    shape = list(source.shape)
    shape[along] = None if extent is None else 2 * extent
    code = call("torch.relu", call("torch.cat", halves, dim=source.torch_axis(along)))
    return layer.value(code, tuple(shape), axes=source.axes, dtype=source.dtype)


def _shrunk(name: str, torch: str, keras3: str) -> None:
    def function(layer: LayerCall, x: Any, threshold: Any) -> Value:
        source = floating(layer, tensor(layer, x))
        return layer.like(source, call(torch, source, number(threshold, "threshold")))

    operation(
        keras3=f"nn.{keras3}(x, *, threshold=0.5)",
        examples=[example((4, 3), x=X), example((4, 3), x=X, threshold=0.25)],
        name=name,
        summary=f"`{torch}`.",
    )(function)


_shrunk("soft_shrink", "F.softshrink", "SoftShrink")
_shrunk("hard_shrink", "F.hardshrink", "HardShrink")


@operation(
    keras3="nn.Threshold(x, *, threshold, default_value: otherwise)",
    examples=[example((4, 3), x=X, threshold=0.25, otherwise=-1.5)],
)
def threshold(layer: LayerCall, x: Any, threshold: Any, otherwise: Any) -> Value:
    """`F.threshold`."""
    source = floating(layer, tensor(layer, x))
    least, value = number(threshold, "threshold"), number(otherwise, "default_value")
    return layer.like(source, call("F.threshold", source, least, value))
