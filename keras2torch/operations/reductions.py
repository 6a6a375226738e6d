"""Sums, means, extremes and counts along axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from keras2torch.emit.code import Code, Value, call, index, method, template
from keras2torch.errors import UnsupportedOption
from keras2torch.operations._arguments import axes_of, axis_of, choice, flag, is_float, must_be, number
from keras2torch.operations._registry import X, example, operation
from keras2torch.operations._tensors import floating, plain, tensor, without_axes
from keras2torch.source.model import Generation

if TYPE_CHECKING:
    from keras2torch.layers._call import LayerCall

_TF = "(input_tensor: x, axis=None, keepdims=False)"
_KERAS3 = "(x, *, axis=None, keepdims=False)"
_NODE = "(x, axis, *, keep_dims: keepdims=False)"
_EXAMPLES = [
    example((4, 3), x=X, axis=-1, keepdims=False),
    example((4, 3), x=X, axis=[1], keepdims=True),
    example((5, 4, 3), x=X, axis=[1, 2], keepdims=False),
]
Write = Callable[[Value, tuple[int, ...], bool], Code]


def _reduce(
    layer: LayerCall, x: Value, axis: Any, keepdims: Any, write: Write, dtype: str | None = None
) -> Value:
    """`write(x, torch's axes, keepdim)`, and what becomes of shape and layout."""
    axes = axes_of(axis, x.rank)
    keep = flag(keepdims, "keepdims")
    if not axes:
        raise UnsupportedOption("a reduction along no axis", "axis")
    dims = tuple(sorted(x.torch_axis(each) for each in axes))
    if axes[-1] == x.rank - 1 and dims == (x.rank - 1,):
        dims = (-1,)  # as people write it
    if keep:
        shape = tuple(1 if each in axes else extent for each, extent in enumerate(x.shape))
        layout = x.axes
    else:
        shape = tuple(extent for each, extent in enumerate(x.shape) if each not in axes)
        layout = without_axes(x.axes, axes)
    value = layer.value(write(x, dims, keep), shape, axes=layout, dtype=dtype or x.dtype)
    if not layout:
        value.axes = ()
    return value


def _method(name: str) -> Write:
    def write(x: Value, dims: tuple[int, ...], keep: bool) -> Code:
        settings = {"keepdim": True} if keep else {}
        return method(x, name, dim=dims[0] if len(dims) == 1 else dims, **settings)

    return write


def _register(
    name: str,
    torch: str,
    *,
    tf: str,
    keras3: str,
    node: str = "",
    floats: bool = False,
    keras3_signature: str = _KERAS3,
) -> None:
    write = _method(torch)

    def function(layer: LayerCall, x: Any, axis: Any, keepdims: Any) -> Value:
        source = tensor(layer, x)
        if floats and not is_float(source.dtype):
            if layer.generation is not Generation.KERAS3:
                raise UnsupportedOption(f"{name} of whole numbers, which TensorFlow rounds", "input_tensor")
            source = floating(layer, source)
        return _reduce(layer, source, axis, keepdims, write)

    operation(
        tf=tf + _TF,
        keras3=keras3 + keras3_signature,
        node=node + _NODE if node else (),
        examples=_EXAMPLES,
        name=name,
        summary=f"`{torch}`.",
    )(function)


_register("sum", "sum", tf="math.reduce_sum|reduce_sum", keras3="numpy.Sum", node="Sum")
_register("mean", "mean", tf="math.reduce_mean|reduce_mean", keras3="numpy.Mean", node="Mean", floats=True)
_register("logsumexp", "logsumexp", tf="math.reduce_logsumexp|reduce_logsumexp", keras3="math.Logsumexp")


def _extreme(layer: LayerCall, x: Any, axis: Any, keepdims: Any, initial: Any, name: str) -> Value:
    must_be(initial, "initial", None)
    return _reduce(layer, tensor(layer, x), axis, keepdims, _method(name))


@operation(
    tf="math.reduce_max|reduce_max" + _TF,
    keras3=["numpy.Max(x, *, axis=None, keepdims=False, initial=None)", "numpy.Amax" + _KERAS3],
    node="Max" + _NODE,
    examples=_EXAMPLES,
)
def amax(layer: LayerCall, x: Any, axis: Any, keepdims: Any, initial: Any = None) -> Value:
    """`amax`."""
    return _extreme(layer, x, axis, keepdims, initial, "amax")


@operation(
    tf="math.reduce_min|reduce_min" + _TF,
    keras3=["numpy.Min(x, *, axis=None, keepdims=False, initial=None)", "numpy.Amin" + _KERAS3],
    node="Min" + _NODE,
    examples=_EXAMPLES,
)
def amin(layer: LayerCall, x: Any, axis: Any, keepdims: Any, initial: Any = None) -> Value:
    """`amin`."""
    return _extreme(layer, x, axis, keepdims, initial, "amin")


@operation(
    tf="math.reduce_prod|reduce_prod" + _TF,
    keras3="numpy.Prod(x, *, axis=None, keepdims=False, dtype=None)",
    node="Prod" + _NODE,
    examples=_EXAMPLES,
)
def product(layer: LayerCall, x: Any, axis: Any, keepdims: Any, dtype: Any = None) -> Value:
    """`prod`, one axis after the other."""
    must_be(dtype, "dtype", None)

    def write(x: Value, dims: tuple[int, ...], keep: bool) -> Code:
        code: Value | Code = x
        for dim in sorted(dims, reverse=True):  # the last first, so that the others stay where they are
            code = method(code, "prod", dim=dim, **({"keepdim": True} if keep else {}))
        return code if isinstance(code, Code) else Code((code,))

    return _reduce(layer, tensor(layer, x), axis, keepdims, write)


def _spread(name: str) -> Write:
    def write(x: Value, dims: tuple[int, ...], keep: bool) -> Code:
        settings = {"keepdim": True} if keep else {}
        return method(x, name, dim=dims[0] if len(dims) == 1 else dims, correction=0, **settings)

    return write


@operation(tf="math.reduce_variance" + _TF, keras3="numpy.Var" + _KERAS3, examples=_EXAMPLES)
def variance(layer: LayerCall, x: Any, axis: Any, keepdims: Any) -> Value:
    """`var` of all there is, not of a sample."""
    return _reduce(layer, floating(layer, tensor(layer, x)), axis, keepdims, _spread("var"))


@operation(tf="math.reduce_std" + _TF, keras3="numpy.Std" + _KERAS3, examples=_EXAMPLES)
def deviation(layer: LayerCall, x: Any, axis: Any, keepdims: Any) -> Value:
    """`std` of all there is, not of a sample."""
    return _reduce(layer, floating(layer, tensor(layer, x)), axis, keepdims, _spread("std"))


@operation(
    keras3="nn.Moments(x, *, axes: axis, keepdims=False, synchronized=False)",
    examples=[example((4, 3), x=X, axis=[1], keepdims=True), example((5, 4, 3), x=X, axis=[1, 2])],
)
def moments(layer: LayerCall, x: Any, axis: Any, keepdims: Any, synchronized: Any) -> list[Value]:
    """`mean` and `var`."""
    must_be(synchronized, "synchronized", False)
    source = layer.bind(tensor(layer, x))
    return [_reduce(layer, source, axis, keepdims, write) for write in (_method("mean"), _spread("var"))]


def _logical(name: str, layer: LayerCall, x: Any, axis: Any, keepdims: Any) -> Value:
    source = tensor(layer, x)
    if source.dtype != "bool":
        source = layer.like(source, template("{} != 0", source), dtype="bool")
    return _reduce(layer, source, axis, keepdims, _method(name))


_TRUTHS = [
    example((4, 3), x=X, axis=-1, keepdims=False, _dtypes=("bool",)),
    example((4, 3), x=X, axis=[1, 2], keepdims=True, _dtypes=("bool",)),
]


@operation(
    tf="math.reduce_all|reduce_all" + _TF, keras3="numpy.All" + _KERAS3, node="All" + _NODE, examples=_TRUTHS
)
def all_of(layer: LayerCall, x: Any, axis: Any, keepdims: Any) -> Value:
    """`all`."""
    return _logical("all", layer, x, axis, keepdims)


@operation(
    tf="math.reduce_any|reduce_any" + _TF, keras3="numpy.Any" + _KERAS3, node="Any" + _NODE, examples=_TRUTHS
)
def any_of(layer: LayerCall, x: Any, axis: Any, keepdims: Any) -> Value:
    """`any`."""
    return _logical("any", layer, x, axis, keepdims)


def _position(name: str, layer: LayerCall, x: Any, axis: Any, keepdims: Any, dtype: str) -> Value:
    source = tensor(layer, x)
    if axis is None:
        if layer.generation is Generation.KERAS3:
            raise UnsupportedOption(f"{name} without an axis, over the whole batch", "axis")
        axis = 0
    along = axis_of(axis, source.rank)
    return _reduce(layer, source, along, keepdims, _method(name), dtype)


_POSITIONS = [example((4, 3), x=X, axis=-1), example((5, 4, 3), x=X, axis=1)]


@operation(
    tf="math.argmax|argmax(input: x, axis=None, output_type: dtype='int64')",
    keras3="numpy.Argmax(x, *, axis=None, keepdims=False)",
    node="ArgMax(x, axis, *, output_type: dtype='int64')",
    examples=_POSITIONS,
)
def argmax(layer: LayerCall, x: Any, axis: Any, keepdims: Any = False, dtype: Any = "int32") -> Value:
    """`argmax`."""
    return _position("argmax", layer, x, axis, keepdims, choice(dtype, "dtype", "int32", "int64"))


@operation(
    tf="math.argmin|argmin(input: x, axis=None, output_type: dtype='int64')",
    keras3="numpy.Argmin(x, *, axis=None, keepdims=False)",
    node="ArgMin(x, axis, *, output_type: dtype='int64')",
    examples=_POSITIONS,
)
def argmin(layer: LayerCall, x: Any, axis: Any, keepdims: Any = False, dtype: Any = "int32") -> Value:
    """`argmin`."""
    return _position("argmin", layer, x, axis, keepdims, choice(dtype, "dtype", "int32", "int64"))


@operation(
    tf="math.cumsum|cumsum(x, axis=0, exclusive=False, reverse=False)",
    keras3="numpy.Cumsum(x, *, axis=None, dtype=None)",
    node="Cumsum(x, axis, *, exclusive=False, reverse=False)",
    examples=[
        example((4, 3), x=X, axis=1),
        example((5, 4, 3), x=X, axis=-1),
    ],
)
def cumsum(
    layer: LayerCall, x: Any, axis: Any, exclusive: Any = False, reverse: Any = False, dtype: Any = None
) -> Value:
    """`cumsum`; backwards between two flips, exclusive less the element itself."""
    must_be(dtype, "dtype", None)
    source = tensor(layer, x)
    dim = source.torch_axis(axis_of(axis, source.rank))
    backwards, without = flag(reverse, "reverse"), flag(exclusive, "exclusive")
    if without:
        source = layer.bind(source)
    code = method(source, "flip", dim) if backwards else Code((source,))
    code = method(code, "cumsum", dim)
    code = method(code, "flip", dim) if backwards else code
    return layer.like(source, template("{} - {}", code, source) if without else code)


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
        return call("torch.clamp", _method("sum")(_square(layer, x), dims, keep), min=least)

    square = _reduce(layer, source, axis, True, write)
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
    order = 2 if ord in (None, "euclidean") else ord
    if order not in (1, 2):
        raise UnsupportedOption(f"a norm of order {ord!r}", "ord")

    def write(x: Value, dims: tuple[int, ...], keep: bool) -> Code:
        settings = {"keepdim": True} if keep else {}
        start = {} if order == 2 else {"ord": 1}
        return call("torch.linalg.vector_norm", x, **start, dim=dims[0], **settings)

    return _reduce(layer, source, along, keepdims, write)


@operation(
    tf="math.top_k|nn.top_k(input: x, k=1, sorted=True, index_type='int32')",
    keras3="math.TopK(x, *, k, sorted=False)",
    node="TopKV2(x, k, *, sorted=True)",
    examples=[example((7, 5), x=X, k=3)],
)
def top_k(layer: LayerCall, x: Any, k: Any, sorted: Any, index_type: Any = "int32") -> list[Value]:  # noqa: A002
    """The first of a stable `sort` along the last axis."""
    flag(sorted, "sorted")  # in order at any rate
    choice(index_type, "index_type", "int32", "int64")
    source = plain(layer, x)
    count = axis_of(k, (source.shape[-1] or 1 << 20) + 1, "k")
    shape = (*source.shape[:-1], count)
    # Not `topk`: of equal numbers the first counts, which only a stable sort promises.
    ordered = layer.value(
        method(source, "sort", stable=True, descending=True), source.shape, dtype=source.dtype
    )
    places = Value(source.shape, "int32", source.axes)
    layer.bind(ordered, "{}, {}", places)
    return [layer.value(index(each, f"..., :{count}"), shape, dtype=each.dtype) for each in (ordered, places)]
