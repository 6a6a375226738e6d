"""Parts of a tensor: `x[...]` in all its forms, and rows by number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from keras2torch.emit.code import Code, Value, expression, method
from keras2torch.errors import UnsupportedOption
from keras2torch.operations._arguments import axis_of, integer, integers, must_be
from keras2torch.operations._registry import Dialect, X, example, operation
from keras2torch.operations._sizes import Size, Sizes, as_sizes, sizes
from keras2torch.operations._tensors import tensor, without_axes

if TYPE_CHECKING:
    from keras2torch.layers._call import LayerCall


def _slice(
    start: int | None = None, stop: int | None = None, step: int | None = None
) -> dict[str, int | None]:
    return {"start": start, "stop": stop, "step": step}


ALL = _slice()
_GETITEM = [
    example((7, 5), x=X, spec=[ALL, _slice(1, 6, 2)]),
    example((7, 5), x=X, spec=[ALL, -1]),
    example((7, 5), x=X, spec=[..., 0]),
    example((7, 5), x=X, spec=[ALL, None, _slice(-3), _slice(None, -1)]),
    example((7, 5), x=X, spec=[ALL, _slice(None, None, -1)]),
    example((7, 5), x=X, spec=[ALL, _slice(5, 1, -2)]),
    example((6, 5, 4), x=X, spec=[ALL, _slice(1), 2]),
    example((6, 5, 4), x=X, spec=[..., _slice(None, 3)]),
    example((6, 5, 4), x=X, spec=[ALL, None, ..., 1]),
    example((7, 5), x=X, spec=_slice(0, 2), _only=(Dialect.TF,)),
]


@operation(
    tf="__operators__.getitem(tensor: x, slice_spec: spec, var: _var=None)",
    keras3="numpy.GetItem(x, key: spec)",
    examples=_GETITEM,
)
def getitem(layer: LayerCall, x: Any, spec: Any, _var: Any = None) -> Value:
    """`x[...]`."""
    must_be(_var, "var", None)
    source = tensor(layer, x)
    return sliced(layer, source, list(spec) if isinstance(spec, list | tuple) else [spec])


def sliced(layer: LayerCall, source: Value, spec: Sequence[Any]) -> Value:
    """`source[spec]`, in Keras's axes; an element is a number, None, `...` or a dict of start, stop and step."""
    items = _without_ellipsis(source.rank, spec)
    if isinstance(source, Sizes):
        return _of_sizes(layer, source, items)
    if None in items:
        source = layer.keras_layout(source)
    shape: list[int | None] = []
    gone: list[int] = []
    by_axis: dict[int, Code] = {}
    flipped: list[int] = []
    axis = 0
    new_axes: list[int] = []
    for item in items:
        if item is None:
            new_axes.append(axis)
            shape.append(1)
            continue
        size = source.shape[axis]
        if isinstance(item, Mapping):
            text, extent, backwards = _range(item, size)
            by_axis[axis] = text
            shape.append(extent)
            if backwards:
                flipped.append(axis)
        else:
            by_axis[axis] = expression(_place(item, size))
            gone.append(axis)
        axis += 1
    code = Code((source,))
    if flipped:
        code = method(code, "flip", *sorted(source.torch_axis(each) for each in flipped))
    code = _subscript(
        code, [(by_axis[each], new_axes.count(each)) for each in source.axes], new_axes.count(source.rank)
    )
    return layer.value(code, tuple(shape), axes=_layout(source, gone, len(shape)), dtype=source.dtype)


def _layout(source: Value, gone: Sequence[int], rank: int) -> tuple[int, ...]:
    layout = without_axes(source.axes, gone)
    return layout if len(layout) == rank and layout else tuple(range(rank))


def _subscript(code: Code, items: Sequence[tuple[Code, int]], trailing: int) -> Code:
    texts: list[Code] = []
    for item, new in items:
        texts += [Code(("None",))] * new
        texts.append(item)
    texts += [Code(("None",))] * trailing
    while texts and texts[-1].parts == (":",):
        texts.pop()
    if not texts:
        return code if code.parts[1:] else method(code, "clone")
    leading = 0
    while leading < len(texts) and texts[leading].parts == (":",):
        leading += 1
    parts: list[str | Value] = []
    for position, text in enumerate(texts):
        parts += [", "] if position else []
        parts += text.parts
    return Code((*code.parts, "[", *parts, "]"))


def _without_ellipsis(rank: int, spec: Sequence[Any]) -> list[Any]:
    """One element for each axis, and None for each new one."""
    items = [_element(item) for item in spec]
    named = sum(item is not None and item is not ... for item in items)
    if items.count(...) > 1 or named > rank:
        raise UnsupportedOption(f"a slice of {named} axes of a tensor with {rank}", "slice_spec")
    full = [ALL] * (rank - named)
    if ... in items:
        at = items.index(...)
        return [*items[:at], *full, *items[at + 1 :]]
    return [*items, *full]


def _element(item: Any) -> Any:
    if item is None or item is ... or isinstance(item, Sizes):
        return item
    if isinstance(item, Mapping) and set(item) == {"start", "stop", "step"}:
        return item
    if isinstance(item, Value):
        raise UnsupportedOption("a slice at a place that the model computes", "slice_spec")
    return integer(item, "slice_spec")


def _place(item: Any, size: int | None) -> Size:
    if isinstance(item, Sizes):
        return item.numbers[0]
    place: int = item
    if size is not None and not -size <= place < size:
        raise UnsupportedOption(f"element {place} of {size}", "slice_spec")
    return place


def _range(item: Mapping[str, Any], size: int | None) -> tuple[Code, int | None, bool]:
    """The text of a slice, how many elements it has, and whether the axis is turned round first."""
    step = 1 if item["step"] is None else integer(item["step"], "step")
    if not step:
        raise UnsupportedOption("a slice in steps of 0", "slice_spec")
    if any(isinstance(item[key], Value) for key in ("start", "stop")):
        return _computed_range(item, step), None, False
    start, stop = (None if item[key] is None else integer(item[key], key) for key in ("start", "stop"))
    if size is None:
        if step < 0 and not (start in (None, -1) and stop is None):
            raise UnsupportedOption("a backward slice of an open axis", "slice_spec")
        return _range_text(None if step < 0 else start, stop, abs(step)), None, step < 0
    chosen = range(size)[start:stop:step]
    if not chosen:
        raise UnsupportedOption("a slice without elements", "slice_spec")
    if step < 0:  # torch has no negative steps, so positions count from the other end
        start, stop = size - 1 - chosen[0], size - chosen[-1]
    if start is not None and (start == 0 or start <= -size):
        start = None
    if stop is not None and stop >= size:
        stop = None
    return _range_text(start, stop, abs(step)), len(chosen), step < 0


def _range_text(start: int | None, stop: int | None, step: int) -> Code:
    text = f"{'' if start is None else start}:{'' if stop is None else stop}"
    return Code((text if step == 1 else f"{text}:{step}",))


def _computed_range(item: Mapping[str, Any], step: int) -> Code:
    """A slice between sizes that only the running model knows."""
    bounds = [None if item[key] is None else as_sizes(item[key]) for key in ("start", "stop")]
    if step != 1 or any(bound is not None and len(bound) != 1 for bound in bounds) or bounds == [None, None]:
        raise UnsupportedOption("a slice to a place that the model computes", "slice_spec")
    start, stop = (() if bound is None else expression(bound[0]).parts for bound in bounds)
    return Code((*start, ":", *stop))


def _of_sizes(layer: LayerCall, source: Sizes, items: Sequence[Any]) -> Value:
    if len(items) != 1 or isinstance(items[0], Sizes):
        raise UnsupportedOption("a slice of sizes that is no plain one", "slice_spec")
    (item,) = items
    if isinstance(item, Mapping):
        bounds = [None if item[key] is None else integer(item[key], key) for key in ("start", "stop", "step")]
        return sizes(layer, source.numbers[slice(*bounds)])
    return sizes(layer, [source.numbers[axis_of(item, len(source.numbers), "slice_spec")]], single=True)


@operation(
    node=(
        "StridedSlice(x, begin, end, strides, *, begin_mask=0, end_mask=0, ellipsis_mask=0, new_axis_mask=0, "
        "shrink_axis_mask=0)"
    ),
    examples=[
        example((7, 5), x=X, begin=[0, 1], end=[0, 6], strides=[1, 2], begin_mask=1, end_mask=1),
        example(
            (7, 5),
            x=X,
            begin=[0, -1],
            end=[0, 0],
            strides=[1, 1],
            begin_mask=1,
            end_mask=1,
            shrink_axis_mask=2,
        ),
        example(
            (6, 5, 4),
            x=X,
            begin=[0, 0, 1],
            end=[0, 0, 2],
            strides=[1, 1, 1],
            begin_mask=0,
            end_mask=0,
            ellipsis_mask=1,
            new_axis_mask=2,
            shrink_axis_mask=4,
        ),
        example((7, 5), x=X, begin=[0, -1], end=[0, 0], strides=[1, -1], begin_mask=1, end_mask=3),
    ],
)
def strided_slice(
    layer: LayerCall,
    x: Any,
    begin: Any,
    end: Any,
    strides: Any,
    begin_mask: Any,
    end_mask: Any,
    ellipsis_mask: Any,
    new_axis_mask: Any,
    shrink_axis_mask: Any,
) -> Value:
    """`x[...]`, written by TensorFlow as five bit masks."""
    source = tensor(layer, x)
    starts, stops, steps = (_numbers(each) for each in (begin, end, strides))
    if not len(starts) == len(stops) == len(steps):
        raise UnsupportedOption("begin, end and strides of different length", "begin")
    masks = [
        integer(mask, "mask", minimum=0)
        for mask in (begin_mask, end_mask, ellipsis_mask, new_axis_mask, shrink_axis_mask)
    ]
    spec: list[Any] = []
    for bit in range(len(starts)):
        no_begin, no_end, ellipsis, new_axis, shrink = (bool(mask >> bit & 1) for mask in masks)
        if ellipsis:
            spec.append(...)
        elif new_axis:
            spec.append(None)
        elif shrink:
            spec.append(starts[bit])
        else:
            spec.append(
                {
                    "start": None if no_begin else starts[bit],
                    "stop": None if no_end else stops[bit],
                    "step": steps[bit],
                }
            )
    return sliced(layer, source, spec)


def _numbers(value: Any) -> list[Any]:
    """The elements of a vector, each a number or a size."""
    if isinstance(value, Sizes):
        raise UnsupportedOption("a slice to a place that the model computes", "begin")
    return list(integers(value, "begin"))


@operation(
    tf="slice(input_: x, begin, size)",
    node="Slice(x, begin, size)",
    examples=[
        example((7, 5), x=X, begin=[0, 2, 1], size=[-1, 3, -1]),
        example((6, 5, 4), x=X, begin=[0, 0, 1, 0], size=[-1, 4, 2, 3]),
    ],
)
def slice_of(layer: LayerCall, x: Any, begin: Any, size: Any) -> Value:
    """`x[...]`, from a place on and so many elements."""
    source = tensor(layer, x)
    starts, lengths = integers(begin, "begin"), integers(size, "size")
    if not len(starts) == len(lengths) == source.rank:
        raise UnsupportedOption("begin and size of other length than the tensor has axes", "begin")
    spec = [
        _slice(start or None, None if length == -1 else start + length)
        for start, length in zip(starts, lengths, strict=True)
    ]
    return sliced(layer, source, spec)
