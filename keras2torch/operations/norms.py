"""Lengths of vectors, and vectors brought to a length."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keras2torch.emit.code import Code, Value, call, template
from keras2torch.errors import UnsupportedOption
from keras2torch.operations._arguments import axes_of, axis_of, integer, must_be, number
from keras2torch.operations._reducing import Write, by_method, reduce
from keras2torch.operations._registry import X, example, operation
from keras2torch.operations._tensors import floating, tensor

if TYPE_CHECKING:
    from keras2torch.layers._call import LayerCall


@operation(
    tf="math.l2_normalize|nn.l2_normalize|linalg.l2_normalize(x, axis=None, epsilon=1e-12, name=None, dim=None)",
    examples=[example((4, 3), x=X, axis=-1), example((5, 4, 3), x=X, axis=[1, 2])],
)
def l2_normalize(layer: LayerCall, x: Any, axis: Any, epsilon: Any, dim: Any) -> Value:
    """Each vector divided by its length, whose square is bounded from below."""
    must_be(dim, "dim", None)
    source = layer.bind(tensor(layer, x))
    least = number(epsilon, "epsilon")

    def write(x: Value, dims: tuple[int, ...], keep: bool) -> Code:
        return call("torch.clamp", by_method("sum")(_square(layer, x), dims, keep), min=least)

    square = reduce(layer, source, axis, True, write)
    return layer.like(source, template("{} * {}", source, call("torch.rsqrt", square)))


def _square(layer: LayerCall, x: Value) -> Value:
    return layer.like(x, template("{} ** 2", x))


@operation(
    tf=[
        "norm|linalg.norm(tensor: x, ord='euclidean', axis=None, keepdims=None)",
        "compat.v1.norm(tensor: x, ord='euclidean', axis=None, keepdims=None, name=None, keep_dims: _keep_dims=None)",
    ],
    keras3="linalg.Norm(x, *, ord=None, axis=None, keepdims=False)",
    examples=[
        example((4, 3), x=X, axis=-1),
        example((4, 3), x=X, axis=1, ord=1, keepdims=True),
    ],
)
def norm(layer: LayerCall, x: Any, ord: Any, axis: Any, keepdims: Any, _keep_dims: Any = None) -> Value:  # noqa: A002
    """`torch.linalg.vector_norm`."""
    must_be(_keep_dims, "keep_dims", None)
    source = floating(layer, tensor(layer, x))
    along = axis_of(axis, source.rank)
    return reduce(layer, source, along, keepdims, _length(_order(ord)))


def _length(order: float = 2) -> Write:
    """`torch.linalg.vector_norm`, over several axes as over one."""

    def write(x: Value, dims: tuple[int, ...], keep: bool) -> Code:
        settings = {"keepdim": True} if keep else {}
        start = {} if order == 2 else {"ord": order}
        return call(
            "torch.linalg.vector_norm", x, **start, dim=dims[0] if len(dims) == 1 else dims, **settings
        )

    return write


@operation(
    tf="math.reduce_euclidean_norm(input_tensor: x, axis=None, keepdims=False)",
    node="EuclideanNorm(x, axis, *, keep_dims: keepdims=False)",
    examples=[example((4, 3), x=X, axis=-1), example((5, 4, 3), x=X, axis=[1, 2], keepdims=True)],
)
def euclidean_norm(layer: LayerCall, x: Any, axis: Any, keepdims: Any) -> Value:
    """`torch.linalg.vector_norm`."""
    return reduce(layer, floating(layer, tensor(layer, x)), axis, keepdims, _length())


@operation(
    tf="linalg.normalize(tensor: x, ord='euclidean', axis=None)",
    examples=[example((4, 3), x=X, axis=-1), example((5, 4, 3), x=X, ord=1, axis=1)],
)
def normalize_with_norm(layer: LayerCall, x: Any, ord: Any, axis: Any) -> list[Value]:  # noqa: A002
    """Each vector divided by its length, and the length."""
    source = layer.bind(floating(layer, tensor(layer, x)))
    length = layer.bind(reduce(layer, source, axis_of(axis, source.rank), True, _length(_order(ord))))
    return [layer.like(source, template("{} / {}", source, length)), length]


@operation(
    tf="clip_by_norm(t: x, clip_norm: longest, axes: axis=None)",
    examples=[example((4, 3), x=X, longest=1.5, axis=[1, 2]), example((4, 3), x=X, longest=0.5, axis=[2])],
)
def clip_by_norm(layer: LayerCall, x: Any, longest: Any, axis: Any) -> Value:
    """Vectors that are too long made as long as allowed."""
    if axis is None:
        raise UnsupportedOption("a length of the whole batch", "axes")
    source = layer.bind(floating(layer, tensor(layer, x)))
    most = number(longest, "clip_norm")
    length = reduce(layer, source, axis, True, _length())
    bounded = call("torch.clamp", length, min=most)
    return layer.like(source, template("{} * {} / {}", source, most, bounded))


@operation(
    keras3="nn.Normalize(x, *, axis=-1, order=2, epsilon=None)",
    examples=[
        example((4, 3), x=X),
        example((4, 3), x=X, axis=1, order=1),
        example((4, 3), x=X, epsilon=2.0),
    ],
)
def normalize(layer: LayerCall, x: Any, axis: Any, order: Any, epsilon: Any) -> Value:
    """`F.normalize`."""
    source = floating(layer, tensor(layer, x))
    along = axes_of(axis, source.rank)
    if len(along) != 1:
        raise UnsupportedOption(f"normalize along axes {along}", "axis")
    least = 1e-7 if epsilon is None else number(epsilon, "epsilon")
    start = {} if _order(order) == 2 else {"p": _order(order)}
    dim = source.torch_axis(along[0])
    return layer.like(source, call("F.normalize", source, **start, dim=dim, eps=least))


def _order(value: Any) -> int:
    order = 2 if value in (None, "euclidean") else value
    if order not in (1, 2):
        raise UnsupportedOption(f"a norm of order {order!r}", "ord")
    return int(order)


@operation(
    tf="nn.local_response_normalization(input: x, depth_radius: radius=5, bias=1, alpha=1, beta=0.5)",
    examples=[
        example((3, 4, 7), x=X, radius=2, bias=1.5, alpha=0.25, beta=0.75),
        example((2, 3, 4), x=X, radius=5, bias=1.0, alpha=1.0, beta=0.5),
    ],
)
def local_response_norm(layer: LayerCall, x: Any, radius: Any, bias: Any, alpha: Any, beta: Any) -> Value:
    """`F.local_response_norm`, which takes the mean over neighbouring channels where TensorFlow takes the sum."""
    source = floating(layer, tensor(layer, x))
    if source.rank != 4:
        raise UnsupportedOption(f"pictures of shape {source.shape}", "input")
    source = layer.channels_first(source, "channels_last")
    size = 2 * integer(radius, "depth_radius", 0, 1 << 16) + 1
    settings = {
        "alpha": number(alpha, "alpha") * size,
        "beta": number(beta, "beta"),
        "k": number(bias, "bias"),
    }
    return layer.like(source, call("F.local_response_norm", source, size, **settings))
