"""Elements and rows by their numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keras2torch.emit.code import Code, Value, call, index, method
from keras2torch.errors import UnsupportedOption
from keras2torch.graph.model import Shape
from keras2torch.operations._arguments import array_of, axis_of, integer, integers, is_integer, must_be
from keras2torch.operations._registry import Dialect, X, Y, example, operation
from keras2torch.operations._sizes import Sizes, sizes
from keras2torch.operations._tensors import plain, tensor
from keras2torch.operations.slicing import ALL, sliced

if TYPE_CHECKING:
    from keras2torch.layers._call import LayerCall

_IDS = ("float32", "int32")


def _gathered(layer: LayerCall, source: Value, indices: Any, axis: int) -> Value:
    shape: Shape
    if isinstance(indices, Value):
        source, rows = layer.keras_layout(source), plain(layer, indices)
        if not is_integer(rows.dtype):
            raise UnsupportedOption("rows by numbers that are not whole", "indices")
        shape = (*source.shape[:axis], *rows.shape, *source.shape[axis + 1 :])
        code = Code((source, "[", ":, " * axis, rows, "]"))
        return layer.value(code, shape, dtype=source.dtype)
    array = array_of(indices, "indices")
    places = [integer(n, "indices") for n in array.reshape(-1).tolist()]
    size = source.shape[axis]
    if size is not None and any(not -size <= place < size for place in places):
        raise UnsupportedOption(f"elements {places[:8]} of {size}", "indices")
    if array.ndim == 0:
        return sliced(layer, source, [*[ALL] * axis, places[0]])
    if array.ndim > 1:
        source = layer.keras_layout(source)
    shape = (*source.shape[:axis], *array.shape, *source.shape[axis + 1 :])
    leading = ":, " * source.torch_axis(axis)
    if array.size <= 64:
        code = index(source, f"{leading}{array.tolist()!r}")
    else:
        code = Code((source, f"[{leading}", *layer.constant(array).parts, "]"))
    layout = source.axes if array.ndim == 1 else None
    return layer.value(code, shape, axes=layout, dtype=source.dtype)


@operation(
    tf=[
        "gather(params: x, indices, validate_indices: _validate=None, axis=None, batch_dims=0)",
        "compat.v1.gather(params: x, indices, validate_indices: _validate=None, name=None, axis=None, batch_dims=0)",
    ],
    node="GatherV2(x, indices, axis, *, batch_dims=0)",
    examples=[
        example((7, 5), x=X, indices=[0, 5, 2], axis=1),
        example((7, 5), x=X, indices=3, axis=2),
        example((6, 5, 4), x=X, indices=[[0, 3], [2, 1]], axis=1),
        example((6, 5, 4), x=X, indices=[0, 3], axis=3),
        example((11, 5), (3,), x=X, indices=Y, axis=1, _dtypes=_IDS),
        example((11, 5), (3,), x=X, indices=Y, batch_dims=1, axis=1, _dtypes=_IDS),
        example((7, 12), (2, 3), x=X, indices=Y, batch_dims=1, axis=2, _dtypes=_IDS),
        example((11, 5), (), x=X, indices=Y, batch_dims=1, axis=1, _dtypes=_IDS),
    ],
)
def gather(
    layer: LayerCall, x: Any, indices: Any, axis: Any, batch_dims: Any, _validate: Any = None
) -> Value:
    """`x[:, rows]`."""
    source = tensor(layer, x)
    if isinstance(source, Sizes):
        rows = integers(indices, "indices")
        single = array_of(indices).ndim == 0
        return sizes(
            layer, [source.numbers[axis_of(row, len(source.numbers))] for row in rows], single=single
        )
    lead = integer(batch_dims, "batch_dims")
    if lead:
        lead += plain(layer, indices).rank if lead < 0 else 0
        return _gathered_each(
            layer, source, indices, axis_of(lead if axis is None else axis, source.rank), lead
        )
    return _gathered(layer, source, indices, axis_of(0 if axis is None else axis, source.rank))


def _gathered_each(layer: LayerCall, x: Value, indices: Any, axis: int, lead: int) -> Value:
    """Of each sample its own rows: the first `lead` axes are common to both tensors."""
    source, rows = layer.keras_layout(x), plain(layer, indices)
    if not is_integer(rows.dtype):
        raise UnsupportedOption("rows by numbers that are not whole", "indices")
    if not 0 < lead <= axis or lead > rows.rank:
        raise UnsupportedOption(
            f"batch_dims {lead} for indices of shape {rows.shape} along axis {axis}", "batch_dims"
        )
    # Along the axis stand all rows of a sample, beside it ones that spread over what is taken of each row.
    slots = ["None"] * (axis - lead) + [":"] * (rows.rank - lead) + ["None"] * (source.rank - axis - 1)
    inner = rows.shape[lead:]
    flat: Code | Value = method(rows, "long")
    if len(inner) > 1:
        flat = method(flat, "flatten", lead)
        slots = ["None"] * (axis - lead) + [":"] + ["None"] * (source.rank - axis - 1)
    elif not inner:
        slots.insert(axis - lead, "None")
    while slots and slots[-1] == ":":
        slots.pop()
    places = index(flat, ", ".join([":"] * lead + slots)) if slots else flat
    code = call("torch.take_along_dim", source, places, dim=axis)
    if not inner:
        code = method(code, "squeeze", axis)
    elif len(inner) > 1:
        if None in inner:
            raise UnsupportedOption("rows by numbers in several open axes", "indices")
        code = method(code, "unflatten", axis, tuple(inner))
    shape = (*source.shape[:axis], *inner, *source.shape[axis + 1 :])
    return layer.value(code, shape, dtype=source.dtype)


@operation(
    keras3="numpy.Take(x, indices, *, axis=None)",
    examples=[
        example((7, 5), x=X, indices=[0, 5, 2], axis=1),
        example((7, 5), x=X, indices=3, axis=-1),
        example((6, 5, 4), x=X, indices=[[0, 3], [2, 1]], axis=1),
    ],
)
def take(layer: LayerCall, x: Any, indices: Any, axis: Any) -> Value:
    """`x[:, rows]`."""
    source = tensor(layer, x)
    return _gathered(layer, source, indices, axis_of(axis, source.rank))


@operation(
    keras3="numpy.TakeAlongAxis(x, indices, *, axis=None)",
    examples=[
        example((11, 5), (2, 5), x=X, indices=Y, axis=1, _dtypes=_IDS),
    ],
)
def take_along_axis(layer: LayerCall, x: Any, indices: Any, axis: Any) -> Value:
    """`torch.take_along_dim`."""
    if axis is None:
        raise UnsupportedOption("elements of the whole batch", "axis")
    source, places = plain(layer, x), plain(layer, indices)
    along = axis_of(axis, source.rank)
    if places.rank != source.rank or not is_integer(places.dtype):
        raise UnsupportedOption(f"places of shape {places.shape} in {source.shape}", "indices")
    extent = source.shape[along]
    size = Code((source, f".shape[{along}]")) if extent is None else extent
    shape = [
        b if each == along else a if b == 1 else b
        for each, (a, b) in enumerate(zip(source.shape, places.shape, strict=True))
    ]
    # Places from the end count from the front in torch.
    code = call("torch.take_along_dim", source, method(method(places, "long"), "remainder", size), dim=along)
    return layer.value(code, tuple(shape), dtype=source.dtype)


@operation(
    tf=[
        "gather_nd(params: x, indices, batch_dims=0, name=None, bad_indices_policy: _policy='')",
        "compat.v1.gather_nd(params: x, indices, name=None, batch_dims=0, bad_indices_policy: _policy='')",
    ],
    node="GatherNd(x, indices, *, bad_indices_policy: _policy='')",
    examples=[
        example((11, 5), (3, 1), x=X, indices=Y, batch_dims=1, _dtypes=_IDS, _only=(Dialect.TF,)),
        example((11, 12, 4), (3, 2), x=X, indices=Y, batch_dims=1, _dtypes=_IDS, _only=(Dialect.TF,)),
        example((11, 12), (2,), x=X, indices=Y, batch_dims=1, _dtypes=_IDS, _only=(Dialect.TF,)),
    ],
)
def gather_nd(layer: LayerCall, x: Any, indices: Any, batch_dims: Any = 0, _policy: Any = "") -> Value:
    """Elements by a place along several axes at once."""
    must_be(_policy, "bad_indices_policy", "")
    source, places = plain(layer, x), plain(layer, indices)
    lead = integer(batch_dims, "batch_dims", minimum=0, maximum=min(source.rank, places.rank) - 1)
    depth = places.shape[-1]
    if depth is None or not is_integer(places.dtype) or lead + depth > source.rank:
        raise UnsupportedOption(f"places of shape {places.shape} in {source.shape}", "indices")
    shape = (*places.shape[:-1], *source.shape[lead + depth :])
    if lead > 1:
        raise UnsupportedOption("places in samples of several axes", "batch_dims")
    steps = method(method(places, "long"), "unbind", -1)
    if not lead:
        return layer.value(Code((source, "[", *steps.parts, "]")), shape, dtype=source.dtype)
    samples = call("torch.arange", Code((places, ".shape[0]")), device=Code((places, ".device")))
    rows = index(samples, ", ".join([":"] + ["None"] * (places.rank - 2))) if places.rank > 2 else samples
    return layer.value(Code((source, "[", *rows.parts, ", *", *steps.parts, "]")), shape, dtype=source.dtype)
