"""Axes moved, added, taken away, split and merged."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING, Any

from keras2torch.emit.code import Code, Value, method
from keras2torch.errors import UnsupportedOption
from keras2torch.graph.model import Shape
from keras2torch.operations._arguments import (
    axes_of,
    axis_of,
    choice,
    integer,
    integers,
    is_float,
    must_be,
    sequence,
)
from keras2torch.operations._registry import Dialect, X, example, operation
from keras2torch.operations._sizes import Size, Sizes, as_sizes, extent, numbers_code, sizes
from keras2torch.operations._tensors import broadcast_shape, plain, tensor, without_axes

if TYPE_CHECKING:
    from keras2torch.layers._call import LayerCall

_TF = (Dialect.TF,)


@operation(
    tf="reshape(tensor: x, shape)",
    keras3="numpy.Reshape(x, *, newshape: shape)",
    node="Reshape(x, shape)",
    examples=[
        example((4, 3), x=X, shape=[-1, 12]),
        example((4, 6), x=X, shape=[-1, 2, 3, 4]),
        example((5, 4, 3), x=X, shape=[-1, 20, 3]),
    ],
)
def reshape(layer: LayerCall, x: Any, shape: Any) -> Value:
    """`reshape`, in Keras's order of axes."""
    wanted = as_sizes(shape)
    if isinstance(x, Sizes) and wanted is not None and len(wanted) <= 1:
        return sizes(layer, x.numbers, single=not wanted)
    source = plain(layer, x)
    if wanted is None:
        raise UnsupportedOption("a shape that is computed from a tensor's numbers", "shape")
    result, target = reshaped(source.shape, wanted)
    return layer.value(_reshape_code(source, target), result, dtype=source.dtype)


def _reshape_code(source: Value, target: Sequence[Size]) -> Code:
    parts: list[str | Value] = []
    for each in target:
        inner = numbers_code([each], single=True)
        parts += [", " if parts else "", *inner.parts]
    return Code((source, ".reshape(", *parts, ")")) if target else method(source, "reshape", ())


def reshaped(shape: Shape, target: Sequence[Size]) -> tuple[Shape, list[Size]]:
    """The shape that `target` makes of `shape`, and `target` with -1 for the one size that is not known."""
    written = list(target)
    unknown = [position for position, each in enumerate(written) if isinstance(each, Code)]
    if -1 not in written and len(unknown) == 1:
        written[unknown[0]] = -1
    result: list[int | None] = [each if isinstance(each, int) and each >= 0 else None for each in written]
    if written.count(-1) > 1 or any(isinstance(each, int) and (each < -1 or each == 0) for each in written):
        raise UnsupportedOption(f"a reshape of {shape} that leaves several axes open", "shape")
    if None not in shape:
        total = prod(n for n in shape if n is not None)
        fixed = prod(n for n in result if n is not None)
        if len(unknown) == 0 and (total % fixed if -1 in written else total != fixed):
            raise UnsupportedOption(f"{total} elements do not fit {result}", "shape")
        if result.count(None) == 1:
            result = [total // fixed if n is None else n for n in result]
    elif shape[1:].count(None) == 0 and result.count(None) == 1 and result[0] is not None:
        total, fixed = prod(n or 1 for n in shape[1:]), prod(n or 1 for n in result)
        if total % fixed == 0 and fixed == total:
            pass  # the batch goes where the open axis is
    return tuple(result), written


@operation(
    tf=[
        "transpose(a: x, perm=None, conjugate=False)",
        "compat.v1.transpose(a: x, perm=None, name='transpose', conjugate=False)",
    ],
    keras3="numpy.Transpose(x, *, axes: perm=None)",
    node="Transpose(x, perm)",
    examples=[
        example((4, 3), x=X, perm=[0, 2, 1]),
        example((5, 4, 3), x=X, perm=[0, 3, 1, 2]),
        example((5, 4, 3), x=X, perm=[0, 2, 1, 3]),
    ],
)
def transpose(layer: LayerCall, x: Any, perm: Any, conjugate: Any = False) -> Value:
    """`permute`; nothing where torch holds the axes in that order already."""
    must_be(conjugate, "conjugate", False)
    source = tensor(layer, x)
    order = tuple(reversed(range(source.rank))) if perm is None else integers(perm, "perm")
    order = tuple(axis_of(axis, source.rank, "perm") for axis in order)
    if sorted(order) != list(range(source.rank)):
        raise UnsupportedOption(f"perm {list(order)} is not a permutation", "perm")
    return _moved(layer, source, order)


def _moved(layer: LayerCall, source: Value, order: tuple[int, ...]) -> Value:
    shape = tuple(source.shape[axis] for axis in order)
    moved = layer.arranged(source, order)
    code = method(source, "contiguous") if moved is source else moved.code
    return layer.value(code or method(source, "contiguous"), shape, dtype=source.dtype)


@operation(
    keras3="numpy.Swapaxes(x, *, axis1, axis2)",
    examples=[example((4, 3), x=X, axis1=1, axis2=-1), example((5, 4, 3), x=X, axis1=1, axis2=3)],
)
def swapaxes(layer: LayerCall, x: Any, axis1: Any, axis2: Any) -> Value:
    """`transpose` of two axes."""
    source = tensor(layer, x)
    first, second = axis_of(axis1, source.rank), axis_of(axis2, source.rank)
    order = list(range(source.rank))
    order[first], order[second] = second, first
    return _moved(layer, source, tuple(order))


@operation(
    keras3="numpy.Moveaxis(x, *, source, destination)",
    examples=[
        example((5, 4, 3), x=X, source=1, destination=-1),
        example((4, 3), x=X, source=[1], destination=[2]),
    ],
)
def moveaxis(layer: LayerCall, x: Any, source: Any, destination: Any) -> Value:
    """`permute`."""
    value = tensor(layer, x)
    where_from = [axis_of(axis, value.rank) for axis in integers(source, "source")]
    where_to = [axis_of(axis, value.rank) for axis in integers(destination, "destination")]
    if len(set(where_from)) != len(where_from) or len(where_from) != len(set(where_to)):
        raise UnsupportedOption("moveaxis names an axis twice", "source")
    order = [axis for axis in range(value.rank) if axis not in where_from]
    for target, axis in sorted(zip(where_to, where_from, strict=True)):
        order.insert(target, axis)
    return _moved(layer, value, tuple(order))


@operation(
    tf=[
        "expand_dims(input: x, axis)",
        "compat.v1.expand_dims(input: x, axis=None, name=None, dim: _dim=None)",
    ],
    keras3="numpy.ExpandDims(x, *, axis)",
    node="ExpandDims(x, axis)",
    examples=[example((4, 3), x=X, axis=-1), example((4, 3), x=X, axis=1)],
)
def expand_dims(layer: LayerCall, x: Any, axis: Any, _dim: Any = None) -> Value:
    """`unsqueeze`."""
    must_be(_dim, "dim", None)
    if isinstance(x, Sizes) and not x.rank:
        return sizes(layer, x.numbers)
    source = plain(layer, x)
    wanted = integers(axis, "axis")
    rank = source.rank + len(wanted)
    places = sorted(axis_of(each, rank) for each in wanted)
    shape = list(source.shape)
    code = Code((source,))
    for place in places:
        shape.insert(place, 1)
        code = method(code, "unsqueeze", -1 if place == rank - 1 else place)
    return layer.value(code, tuple(shape), dtype=source.dtype)


@operation(
    tf=[
        "squeeze(input: x, axis=None)",
        "compat.v1.squeeze(input: x, axis=None, name=None, squeeze_dims: _dims=None)",
    ],
    keras3="numpy.Squeeze(x, *, axis=None)",
    node="Squeeze(x, *, squeeze_dims: axis=[])",
    examples=[
        example((4, 1), x=X, axis=[2]),
        example((1, 4, 3), x=X, axis=[1]),
        example((1, 1, 3), x=X, axis=[1, 2]),
    ],
)
def squeeze(layer: LayerCall, x: Any, axis: Any, _dims: Any = None) -> Value:
    """`squeeze`."""
    must_be(_dims, "squeeze_dims", None)
    source = tensor(layer, x)
    ones = [each for each, size in enumerate(source.shape) if size == 1]
    axes = tuple(ones) if axis is None or axis == [] else axes_of(axis, source.rank)
    if any(source.shape[each] not in (1, None) for each in axes):
        raise UnsupportedOption(f"squeeze of axes {list(axes)} of {source.shape}", "axis")
    dims = tuple(sorted(source.torch_axis(each) for each in axes))
    shape = tuple(size for each, size in enumerate(source.shape) if each not in axes)
    layout = without_axes(source.axes, axes)
    code = method(source, "squeeze", dims[0] if len(dims) == 1 else dims)
    return layer.value(code, shape, axes=layout, dtype=source.dtype)


@operation(
    tf=["identity(input: x)", "convert_to_tensor(value: x, dtype=None, dtype_hint: _hint=None)"],
    keras3=["core.ConvertToTensor(x, *, dtype=None, sparse=None, ragged=None)", "numpy.Copy(x)"],
    node="Identity|Snapshot(x)",
    examples=[example((4, 3), x=X)],
)
def identity(
    layer: LayerCall, x: Any, dtype: Any = None, sparse: Any = None, ragged: Any = None, _hint: Any = None
) -> Value:
    """Nothing."""
    source = tensor(layer, x)
    same = dtype is None or dtype == source.dtype or (is_float(str(dtype)) and is_float(source.dtype))
    if sparse or ragged or not same:
        raise UnsupportedOption("a tensor of another kind", "dtype")
    return _handed_on(layer, source)


def _handed_on(layer: LayerCall, source: Value) -> Value:
    # No operation passes a mask on, so what carries one must not be handed out again.
    return layer.like(source, Code((source,))) if source.mask is not None else source


@operation(
    tf="ensure_shape(x, shape)",
    examples=[example((4, 3), x=X, shape=[None, 4, 3])],
)
def ensure_shape(layer: LayerCall, x: Any, shape: Any) -> Value:
    """Nothing, of a tensor of that shape."""
    source, wanted = tensor(layer, x), sequence(shape, "shape")
    fits = len(wanted) == source.rank and all(
        None in (mine, theirs) or mine == theirs for mine, theirs in zip(source.shape, wanted, strict=True)
    )
    if not fits:
        raise UnsupportedOption(f"a shape of {wanted} for a tensor of {source.shape}", "shape")
    return _handed_on(layer, source)


@operation(
    tf="debugging.check_numerics(tensor: x, message)",
    examples=[example((4, 3), x=X, message="is no number")],
)
def check_numerics(layer: LayerCall, x: Any, message: Any) -> Value:
    """Nothing: what is computed is not checked."""
    if not isinstance(message, str):
        raise UnsupportedOption("a message that is no text", "message")
    return _handed_on(layer, tensor(layer, x))


@operation(tf="rank(input: x)", node="Rank(x)", examples=[example((4, 3), x=X)])
def rank(layer: LayerCall, x: Any) -> Value:
    """A number."""
    return sizes(layer, [tensor(layer, x).rank], single=True)


@operation(
    tf="stop_gradient(input: x)",
    keras3="core.StopGradient(variable: x)",
    node="StopGradient|PreventGradient(x)",
    examples=[example((4, 3), x=X)],
)
def stop_gradient(layer: LayerCall, x: Any) -> Value:
    """`detach`."""
    source = tensor(layer, x)
    return layer.like(source, method(source, "detach"))


@operation(
    tf="tile(input: x, multiples: counts)",
    keras3="numpy.Tile(x, *, repeats: counts)",
    node="Tile(x, counts)",
    examples=[example((4, 3), x=X, counts=[1, 2, 3]), example((5, 4, 3), x=X, counts=[1, 1, 2, 1])],
)
def tile(layer: LayerCall, x: Any, counts: Any) -> Value:
    """`repeat`."""
    source = tensor(layer, x)
    times = as_sizes(counts)
    if times is None or len(times) != source.rank:
        raise UnsupportedOption("tile by other than one number an axis", "multiples")
    shape = tuple(
        size * each if size is not None and isinstance(each, int) else None if each != 1 else size
        for size, each in zip(source.shape, times, strict=True)
    )
    ordered = [times[axis] for axis in source.axes]
    parts = [
        part
        for position, each in enumerate(ordered)
        for part in ([", "] if position else []) + list(numbers_code([each], single=True).parts)
    ]
    return layer.value(Code((source, ".repeat(", *parts, ")")), shape, axes=source.axes, dtype=source.dtype)


@operation(
    tf="repeat(input: x, repeats, axis=None)",
    keras3="numpy.Repeat(x, *, repeats, axis=None)",
    examples=[example((4, 3), x=X, repeats=2, axis=1), example((5, 4, 3), x=X, repeats=3, axis=-1)],
)
def repeat(layer: LayerCall, x: Any, repeats: Any, axis: Any) -> Value:
    """`repeat_interleave`."""
    source = tensor(layer, x)
    along = axis_of(axis, source.rank)
    times = integer(repeats, "repeats", minimum=1)
    size = source.shape[along]
    shape = (*source.shape[:along], None if size is None else size * times, *source.shape[along + 1 :])
    code = method(source, "repeat_interleave", times, dim=source.torch_axis(along))
    return layer.value(code, shape, axes=source.axes, dtype=source.dtype)


@operation(
    tf="reverse(tensor: x, axis)",
    keras3="numpy.Flip(x, *, axis=None)",
    node="ReverseV2(x, axis)",
    examples=[example((4, 3), x=X, axis=[1]), example((5, 4, 3), x=X, axis=[1, 3])],
)
def reverse(layer: LayerCall, x: Any, axis: Any) -> Value:
    """`flip`."""
    source = tensor(layer, x)
    axes = axes_of(axis, source.rank)
    return layer.like(source, method(source, "flip", *sorted(source.torch_axis(each) for each in axes)))


@operation(
    tf="roll(input: x, shift, axis)",
    keras3="numpy.Roll(x, *, shift, axis=None)",
    examples=[example((4, 3), x=X, shift=1, axis=1), example((5, 4, 3), x=X, shift=-2, axis=1)],
)
def roll(layer: LayerCall, x: Any, shift: Any, axis: Any) -> Value:
    """`roll`."""
    source = tensor(layer, x)
    steps, along = integers(shift, "shift"), integers(axis, "axis")
    if len(steps) != len(along):
        raise UnsupportedOption("roll by one number for several axes", "shift")
    dims = [source.torch_axis(axis_of(each, source.rank)) for each in along]
    code = (
        method(source, "roll", steps[0], dims[0])
        if len(dims) == 1
        else method(source, "roll", steps, tuple(dims))
    )
    return layer.like(source, code)


@operation(
    tf="broadcast_to(input: x, shape)",
    keras3="numpy.BroadcastTo(x, *, shape)",
    node="BroadcastTo(x, shape)",
    examples=[example((1, 3), x=X, shape=[3, 4, 3])],
)
def broadcast_to(layer: LayerCall, x: Any, shape: Any) -> Value:
    """`expand`."""
    source = plain(layer, x)
    wanted = as_sizes(shape)
    if wanted is None or len(wanted) < source.rank:
        raise UnsupportedOption("a shape that is not known", "shape")
    known: Shape = tuple(each if isinstance(each, int) and each > 0 else None for each in wanted)
    result = broadcast_shape([source.shape, known])
    parts = [
        part
        for position, each in enumerate(wanted)
        for part in ([", "] if position else []) + list(numbers_code([each], single=True).parts)
    ]
    return layer.value(Code((source, ".expand(", *parts, ")")), result, dtype=source.dtype)


@operation(
    tf=[
        "compat.v1.shape(input: x, name=None, out_type: dtype='int32')",
        "shape(input: x, out_type: dtype='int32')",
    ],
    node="Shape(x, *, out_type: dtype='int32')",
    examples=[example((5, 4, 3), x=X)],
)
def shape(layer: LayerCall, x: Any, dtype: Any = "int32") -> Value:
    """Python numbers, taken from `x.shape` where the model leaves them open."""
    choice(dtype, "out_type", "int32", "int64")
    source = tensor(layer, x)
    return sizes(layer, [extent(source, axis) for axis in range(source.rank)])
