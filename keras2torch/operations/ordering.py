"""Places and order along an axis: the largest, the smallest, the first so many, and all of them sorted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keras2torch.emit.code import Code, Value, index, method
from keras2torch.errors import UnsupportedOption
from keras2torch.operations._arguments import axis_of, choice, flag
from keras2torch.operations._reducing import by_method, reduce
from keras2torch.operations._registry import X, example, operation
from keras2torch.operations._tensors import plain, tensor
from keras2torch.source.model import Generation

if TYPE_CHECKING:
    from keras2torch.layers._call import LayerCall


def _place(name: str, keras3: str) -> None:
    """Register where the extreme `name` stands."""

    def function(layer: LayerCall, x: Any, axis: Any, keepdims: Any = False, dtype: Any = "int32") -> Value:
        source = tensor(layer, x)
        if axis is None:
            if layer.generation is Generation.KERAS3:
                raise UnsupportedOption(f"{name} without an axis, over the whole batch", "axis")
            axis = 0
        whole = choice(dtype, "dtype", "int32", "int64")
        return reduce(layer, source, axis_of(axis, source.rank), keepdims, by_method(name), whole)

    operation(
        tf=f"math.{name}|{name}(input: x, axis=None, output_type: dtype='int64')",
        keras3=f"numpy.{keras3}(x, *, axis=None, keepdims=False)",
        node=f"{name[:3].title()}{name[3:].title()}(x, axis, *, output_type: dtype='int64')",
        examples=[example((4, 3), x=X, axis=-1), example((5, 4, 3), x=X, axis=1)],
        name=name,
        summary=f"`{name}`.",
    )(function)


_place("argmax", "Argmax")
_place("argmin", "Argmin")


_SORTS = [example((4, 3), x=X), example((5, 4, 3), x=X, axis=1)]
_DOWNWARDS = example((5, 4, 3), x=X, axis=2, direction="DESCENDING")


@operation(
    tf="sort(values: x, axis=-1, direction='ASCENDING')",
    keras3="numpy.Sort(x, *, axis=-1)",
    examples=[*_SORTS, _DOWNWARDS],
)
def sort(layer: LayerCall, x: Any, axis: Any, direction: Any = "ASCENDING") -> Value:
    """`sort`."""
    source = tensor(layer, x)
    return layer.like(source, index(_sorted(source, axis, direction), "0"))


@operation(
    tf="argsort(values: x, axis=-1, direction='ASCENDING', stable=False)",
    keras3="numpy.Argsort(x, *, axis=-1)",
    examples=[*_SORTS, _DOWNWARDS],
)
def argsort(layer: LayerCall, x: Any, axis: Any, direction: Any = "ASCENDING", stable: Any = False) -> Value:
    """The places of a stable `sort`."""
    flag(stable, "stable")  # at any rate
    source = tensor(layer, x)
    return layer.like(source, index(_sorted(source, axis, direction), "1"), dtype="int32")


def _sorted(source: Value, axis: Any, direction: Any) -> Code:
    if axis is None:
        raise UnsupportedOption("an order of the whole batch", "axis")
    dim = source.torch_axis(axis_of(axis, source.rank))
    downwards = choice(direction, "direction", "ascending", "descending") == "descending"
    settings = {"descending": True} if downwards else {}
    return method(source, "sort", stable=True, dim=dim, **settings)


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
