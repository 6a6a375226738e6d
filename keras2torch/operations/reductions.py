"""Sums, means, extremes and truths along axes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keras2torch.emit.code import Code, Value, method, template
from keras2torch.errors import UnsupportedOption
from keras2torch.operations._arguments import dtype_of, is_float, must_be
from keras2torch.operations._reducing import Write, by_method, reduce
from keras2torch.operations._registry import Dialect, X, example, operation
from keras2torch.operations._tensors import cast, floating, tensor
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
    write = by_method(torch)

    def function(layer: LayerCall, x: Any, axis: Any, keepdims: Any) -> Value:
        source = tensor(layer, x)
        if floats and not is_float(source.dtype):
            if layer.generation is not Generation.KERAS3:
                raise UnsupportedOption(f"{name} of whole numbers, which TensorFlow rounds", "input_tensor")
            source = floating(layer, source)
        return reduce(layer, source, axis, keepdims, write)

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


def _extreme(name: str, short: str) -> None:
    """Register the reduction that torch and numpy call `name` and everybody else `short`."""

    def function(layer: LayerCall, x: Any, axis: Any, keepdims: Any, initial: Any = None) -> Value:
        must_be(initial, "initial", None)
        return reduce(layer, tensor(layer, x), axis, keepdims, by_method(name))

    title = short.title()
    operation(
        tf=f"math.reduce_{short}|reduce_{short}{_TF}",
        keras3=[
            f"numpy.{title}(x, *, axis=None, keepdims=False, initial=None)",
            f"numpy.{name.title()}{_KERAS3}",
        ],
        node=title + _NODE,
        examples=_EXAMPLES,
        name=name,
        summary=f"`{name}`.",
    )(function)


_extreme("amax", "max")
_extreme("amin", "min")


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

    return reduce(layer, tensor(layer, x), axis, keepdims, write)


def _spread(name: str) -> Write:
    def write(x: Value, dims: tuple[int, ...], keep: bool) -> Code:
        settings = {"keepdim": True} if keep else {}
        return method(x, name, dim=dims[0] if len(dims) == 1 else dims, correction=0, **settings)

    return write


@operation(tf="math.reduce_variance" + _TF, keras3="numpy.Var" + _KERAS3, examples=_EXAMPLES)
def variance(layer: LayerCall, x: Any, axis: Any, keepdims: Any) -> Value:
    """`var` of all there is, not of a sample."""
    return reduce(layer, floating(layer, tensor(layer, x)), axis, keepdims, _spread("var"))


@operation(tf="math.reduce_std" + _TF, keras3="numpy.Std" + _KERAS3, examples=_EXAMPLES)
def deviation(layer: LayerCall, x: Any, axis: Any, keepdims: Any) -> Value:
    """`std` of all there is, not of a sample."""
    return reduce(layer, floating(layer, tensor(layer, x)), axis, keepdims, _spread("std"))


@operation(
    keras3="nn.Moments(x, *, axes: axis, keepdims=False, synchronized=False)",
    examples=[example((4, 3), x=X, axis=[1], keepdims=True), example((5, 4, 3), x=X, axis=[1, 2])],
)
def moments(layer: LayerCall, x: Any, axis: Any, keepdims: Any, synchronized: Any) -> list[Value]:
    """`mean` and `var`."""
    must_be(synchronized, "synchronized", False)
    source = layer.bind(tensor(layer, x))
    return [reduce(layer, source, axis, keepdims, write) for write in (by_method("mean"), _spread("var"))]


def _truths(name: str) -> None:
    """Register what asks for all or any of the truths."""

    def function(layer: LayerCall, x: Any, axis: Any, keepdims: Any) -> Value:
        source = tensor(layer, x)
        if source.dtype != "bool":
            source = layer.like(source, template("{} != 0", source), dtype="bool")
        return reduce(layer, source, axis, keepdims, by_method(name))

    title = name.title()
    operation(
        tf=f"math.reduce_{name}|reduce_{name}{_TF}",
        keras3=f"numpy.{title}{_KERAS3}",
        node=title + _NODE,
        examples=[
            example((4, 3), x=X, axis=-1, keepdims=False, _dtypes=("bool",)),
            example((4, 3), x=X, axis=[1, 2], keepdims=True, _dtypes=("bool",)),
        ],
        name=f"{name}_of",
        summary=f"`{name}`.",
    )(function)


_truths("all")
_truths("any")


@operation(
    tf="math.count_nonzero(input: x, axis=None, keepdims=None, dtype='int64')",
    keras3="numpy.CountNonzero(x, *, axis=None)",
    examples=[
        example((4,), x=X, axis=1, _dtypes=("int32",)),
        example((4, 3), x=X, axis=[1, 2], keepdims=True, _dtypes=("bool",), _only=(Dialect.TF,)),
    ],
)
def count_nonzero(layer: LayerCall, x: Any, axis: Any, keepdims: Any = False, dtype: Any = "int32") -> Value:
    """How many are not 0."""
    source = tensor(layer, x)
    truths = layer.like(source, template("{} != 0", source), dtype="bool")
    counts = reduce(layer, truths, axis, keepdims, by_method("sum"), "int64")
    return cast(layer, counts, dtype_of(dtype))
