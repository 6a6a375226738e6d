"""Several tensors become one, and one several."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from keras2torch.emit.code import Code, Value, call, method
from keras2torch.errors import LayerRefused, UnsupportedOption
from keras2torch.operations._arguments import axis_of, integer, integers, sequence
from keras2torch.operations._registry import X, Y, example, operation
from keras2torch.operations._sizes import Size, Sizes, as_sizes, sizes
from keras2torch.operations._tensors import (
    broadcast_shape,
    common_dtype,
    constant_like,
    tensor,
    without_axes,
)

if TYPE_CHECKING:
    from keras2torch.layers._call import LayerCall


def _together(layer: LayerCall, xs: Any) -> list[Value]:
    """The tensors of a list in one layout; constants among them take the type of the others."""
    items = sequence(xs, "values")
    like = next((each for each in items if isinstance(each, Value) and not isinstance(each, Sizes)), None)
    values = [
        each if isinstance(each, Value) or like is None else constant_like(layer, each, like)
        for each in items
    ]
    tensors = [tensor(layer, each) for each in values]
    if len({value.rank for value in tensors}) != 1:
        raise LayerRefused("tensors of different rank")
    return layer.bring_together(tensors)


def _list(values: Sequence[Value]) -> Code:
    parts: list[str | Value] = ["["]
    for position, value in enumerate(values):
        parts += [", ", value] if position else [value]
    return Code((*parts, "]"))


def _sizes_of(xs: Any) -> list[Size] | None:
    """The numbers of a list of which all are sizes and one is not known before the model runs."""
    items = sequence(xs, "values")
    if not any(isinstance(each, Sizes) for each in items):
        return None
    found: list[Size] = []
    for each in items:
        numbers = as_sizes(each)
        if numbers is None:
            return None
        found += numbers
    return found


@operation(
    tf="concat(values: [xs], axis)",
    keras3="numpy.Concatenate(xs: [xs], *, axis=-1)",
    node="ConcatV2(*xs, axis)",
    examples=[
        example((4, 3), (4, 2), xs=[X, Y], axis=-1),
        example((4, 3), (2, 3), xs=[X, Y], axis=1),
        example((5, 4, 3), (5, 4, 2), xs=[X, Y, X], axis=3),
    ],
)
def concat(layer: LayerCall, xs: Any, axis: Any) -> Value:
    """`torch.cat`."""
    numbers = _sizes_of(xs)
    if numbers is not None:
        return sizes(layer, numbers)
    values = _together(layer, xs)
    rank = values[0].rank
    along = axis_of(axis, rank)
    extents = [value.shape[along] for value in values]
    total = None if None in extents else sum(n or 0 for n in extents)
    rest = broadcast_shape([(*v.shape[:along], 1, *v.shape[along + 1 :]) for v in values])
    shape = (*rest[:along], total, *rest[along + 1 :])
    code = call("torch.cat", _list(values), dim=values[0].torch_axis(along))
    return layer.value(code, shape, axes=values[0].axes, dtype=common_dtype(layer, values))


@operation(
    tf="stack(values: [xs], axis=0)",
    keras3="numpy.Stack(x: [xs], *, axis=0)",
    node="Pack(*xs, axis=0)",
    examples=[
        example((4, 3), (4, 3), xs=[X, Y], axis=1),
        example((4, 3), (4, 3), xs=[X, Y], axis=-1),
        example((5, 4, 3), (5, 4, 3), xs=[X, Y], axis=2),
    ],
)
def stack(layer: LayerCall, xs: Any, axis: Any) -> Value:
    """`torch.stack`."""
    numbers = _sizes_of(xs)
    if numbers is not None:
        return sizes(layer, numbers)
    values = [layer.keras_layout(value) for value in _together(layer, xs)]
    rank = values[0].rank + 1
    along = axis_of(axis, rank)
    shape = list(broadcast_shape([value.shape for value in values]))
    shape.insert(along, len(values))
    code = call("torch.stack", _list(values), dim=-1 if along == rank - 1 else along)
    return layer.value(code, tuple(shape), dtype=common_dtype(layer, values))


def _several(layer: LayerCall, code: Code, outputs: list[Value]) -> list[Value]:
    """The tensors of a tuple, each in a variable."""
    outputs[0].code = code
    names = ", ".join(["{}"] * len(outputs))
    layer.bind(outputs[0], names if len(outputs) > 1 else "({},)", *outputs[1:])
    return outputs


@operation(
    tf="split(value: x, num_or_size_splits: parts, axis=0, num=None)",
    examples=[
        example((4, 6), x=X, parts=3, axis=-1),
        example((5, 4, 6), x=X, parts=[1, 2, -1], axis=3),
    ],
)
def split(layer: LayerCall, x: Any, parts: Any, axis: Any, num: Any = None) -> list[Value]:
    """`torch.split`."""
    del num  # how many there are, where the sizes do not tell
    return _split(layer, tensor(layer, x), parts, axis)


def _split(layer: LayerCall, source: Value, parts: Any, axis: Any) -> list[Value]:
    along = axis_of(axis, source.rank)
    extent = source.shape[along]
    if isinstance(parts, list):
        lengths = list(integers(parts, "num_or_size_splits"))
        if -1 in lengths and extent is not None:
            lengths[lengths.index(-1)] = extent - sum(n for n in lengths if n != -1)
    else:
        count = integer(parts, "num_or_size_splits", minimum=1)
        if extent is None:
            return _open_parts(layer, source, along, count)
        lengths = _equal(extent, count)
    return _parts(layer, source, along, lengths)


def _open_parts(layer: LayerCall, source: Value, along: int, count: int) -> list[Value]:
    """Equal parts of what is only known at run time; raises there, as Keras does, where they cannot be equal."""
    dim = source.torch_axis(along)
    code = method(method(source, "unflatten", dim, (count, -1)), "unbind", dim)
    parts = [Value(source.shape, source.dtype, source.axes, hint=source.hint) for _ in range(count)]
    return _several(layer, code, parts)


def _equal(extent: int | None, count: int) -> list[int]:
    if extent is None or extent % count:
        raise UnsupportedOption(f"{extent} elements in {count} equal parts", "num_or_size_splits")
    return [extent // count] * count


def _parts(layer: LayerCall, source: Value, along: int, lengths: Sequence[int]) -> list[Value]:
    extent = source.shape[along]
    if extent is None or any(n < 1 for n in lengths) or sum(lengths) != extent:
        raise UnsupportedOption(f"{extent} elements in parts of {list(lengths)}", "num_or_size_splits")
    if len(lengths) == 1:
        return [source]
    step: Any = lengths[0] if len(set(lengths)) == 1 else list(lengths)
    code = method(source, "split", step, dim=source.torch_axis(along))
    outputs = [
        Value(
            (*source.shape[:along], length, *source.shape[along + 1 :]),
            source.dtype,
            source.axes,
            hint=source.hint,
        )
        for length in lengths
    ]
    return _several(layer, code, outputs)


@operation(
    keras3="numpy.Split(x, *, indices_or_sections: places, axis=0)",
    examples=[
        example((4, 6), x=X, places=3, axis=-1),
        example((5, 4, 6), x=X, places=[1, 3], axis=3),
    ],
)
def split_at(layer: LayerCall, x: Any, places: Any, axis: Any) -> list[Value]:
    """`torch.split`, at places or in equal parts."""
    source = tensor(layer, x)
    along = axis_of(axis, source.rank)
    extent = source.shape[along]
    if not isinstance(places, list):
        return _parts(layer, source, along, _equal(extent, integer(places, "indices_or_sections", minimum=1)))
    ends = [0, *integers(places, "indices_or_sections"), extent or 0]
    return _parts(layer, source, along, [stop - start for start, stop in pairwise(ends)])


@operation(
    node="Split(axis, x, *, num_split: parts)",
    examples=[example((4, 6), x=X, axis=2, parts=3)],
)
def split_node(layer: LayerCall, axis: Any, x: Any, parts: Any) -> list[Value]:
    """`torch.split`, in equal parts."""
    return _split(layer, tensor(layer, x), parts, axis)


@operation(
    node="SplitV(x, lengths, axis, *, num_split: parts)",
    examples=[example((4, 6), x=X, lengths=[1, 2, 3], axis=2, parts=3)],
)
def split_by_lengths(layer: LayerCall, x: Any, lengths: Any, axis: Any, parts: Any) -> list[Value]:
    """`torch.split`, in parts of these lengths."""
    del parts
    return _split(layer, tensor(layer, x), list(integers(lengths, "size_splits")), axis)


@operation(
    tf="unstack(value: x, num=None, axis=0)",
    keras3="core.Unstack(x, *, num=None, axis=0)",
    node="Unpack(x, *, axis=0, num)",
    examples=[example((3, 4), x=X, axis=1, num=3), example((5, 4, 3), x=X, axis=3, num=3)],
)
def unstack(layer: LayerCall, x: Any, axis: Any, num: Any = None) -> list[Value]:
    """`unbind`."""
    source = tensor(layer, x)
    if isinstance(source, Sizes):
        return [sizes(layer, [each], single=True) for each in source.numbers]
    along = axis_of(axis, source.rank)
    extent = source.shape[along]
    if extent is None or num not in (None, extent):
        raise UnsupportedOption(f"{extent} elements in {num} parts", "num")
    shape = (*source.shape[:along], *source.shape[along + 1 :])
    layout = without_axes(source.axes, [along])
    code = method(source, "unbind", source.torch_axis(along))
    outputs = [Value(shape, source.dtype, layout, hint=source.hint) for _ in range(extent)]
    return _several(layer, code, outputs)
