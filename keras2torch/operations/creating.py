"""Tensors of one number, and of numbers in a row, as large as others are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keras2torch.emit.code import Argument, Code, Value, call, method, template
from keras2torch.errors import UnsupportedOption
from keras2torch.operations._arguments import dtype_of, is_float, must_be, number, torch_type
from keras2torch.operations._registry import SHAPE, Dialect, Given, X, example, operation
from keras2torch.operations._sizes import Size, Sizes, as_sizes, numbers_code
from keras2torch.operations._tensors import cast as cast_tensor
from keras2torch.operations._tensors import floating, plain, tensor

if TYPE_CHECKING:
    from keras2torch.layers._call import LayerCall

_NOT_KERAS3 = (Dialect.TF, Dialect.NODE)
_LIKE = [example((4, 3), x=X)]


def _like(layer: LayerCall, x: Any, dtype: Any, torch: str, *numbers: Argument) -> Value:
    """A tensor like `x` in shape and layout."""
    source = tensor(layer, x)
    made = layer.like(source, call(torch, source, *numbers))
    return made if dtype is None else cast_tensor(layer, made, dtype_of(dtype))


@operation(
    tf=[
        "ones_like(input: x, dtype=None, name=None, layout=None)",
        "compat.v1.ones_like(tensor: x, dtype=None, name=None, optimize=True)",
    ],
    keras3="numpy.OnesLike(x, *, dtype=None)",
    node="OnesLike(x)",
    examples=_LIKE,
)
def ones_like(layer: LayerCall, x: Any, dtype: Any = None, layout: Any = None, optimize: Any = True) -> Value:
    """`torch.ones_like`."""
    must_be(layout, "layout", None)
    must_be(optimize, "optimize", True, False)
    return _like(layer, x, dtype, "torch.ones_like")


@operation(
    tf=[
        "zeros_like(input: x, dtype=None, name=None, layout=None)",
        "compat.v1.zeros_like(tensor: x, dtype=None, name=None, optimize=True)",
    ],
    keras3="numpy.ZerosLike(x, *, dtype=None)",
    node="ZerosLike(x)",
    examples=_LIKE,
)
def zeros_like(
    layer: LayerCall, x: Any, dtype: Any = None, layout: Any = None, optimize: Any = True
) -> Value:
    """`torch.zeros_like`."""
    must_be(layout, "layout", None)
    must_be(optimize, "optimize", True, False)
    return _like(layer, x, dtype, "torch.zeros_like")


@operation(
    keras3="numpy.FullLike(x, fill_value: value, *, dtype=None)",
    examples=[example((4, 3), x=X, value=2.5)],
)
def full_like(layer: LayerCall, x: Any, value: Any, dtype: Any) -> Value:
    """`torch.full_like`."""
    return _like(layer, x, dtype, "torch.full_like", number(value, "fill_value"))


@operation(
    tf="zeros(shape: [shape], dtype='float32', name=None, layout=None)",
    examples=[
        example((4, 3), shape=SHAPE),
        example((4, 3), shape=[Given(0, "shape[0]"), 2, 3], dtype="int32"),
    ],
)
def zeros(layer: LayerCall, shape: Any, dtype: Any, layout: Any = None) -> Value:
    """`new_zeros`, as large as another tensor is."""
    must_be(layout, "layout", None)
    return _made(layer, shape, dtype_of(dtype), "new_zeros")


@operation(
    tf="ones(shape: [shape], dtype='float32', name=None, layout=None)",
    examples=[example((4, 3), shape=SHAPE)],
)
def ones(layer: LayerCall, shape: Any, dtype: Any, layout: Any = None) -> Value:
    """`new_ones`, as large as another tensor is."""
    must_be(layout, "layout", None)
    return _made(layer, shape, dtype_of(dtype), "new_ones")


@operation(
    tf="fill(dims: [shape], value, name=None, layout=None)",
    node="Fill(shape, value)",
    examples=[example((4, 3), shape=SHAPE, value=2.5), example((4, 3), shape=SHAPE, value=3)],
)
def fill(layer: LayerCall, shape: Any, value: Any, layout: Any = None) -> Value:
    """`new_full`, as large as another tensor is."""
    must_be(layout, "layout", None)
    if isinstance(value, Value):
        raise UnsupportedOption("a tensor full of a number that the model computes", "value")
    filler: Argument = value if isinstance(value, int) else number(value, "value")
    dtype = {bool: "bool", int: "int32"}.get(type(filler), "float32")
    return _made(layer, shape, dtype, "new_full", filler)


def _made(layer: LayerCall, shape: Any, dtype: str, name: str, *numbers: Argument) -> Value:
    alone = isinstance(shape, list) and len(shape) == 1 and isinstance(shape[0], Sizes)
    extents = as_sizes(shape[0] if alone else shape)
    if extents is None:
        raise UnsupportedOption("a shape that is computed from a tensor's numbers", "shape")
    source = _measured(extents)
    if is_float(dtype):
        source, settings = floating(layer, source), {}
    else:
        settings = {"dtype": torch_type(dtype)}
    known = tuple(each if isinstance(each, int) else None for each in extents)
    return layer.value(method(source, name, numbers_code(extents), *numbers, **settings), known, dtype=dtype)


def _measured(extents: list[Size]) -> Value:
    """The tensor whose size is asked for, beside which the new one is to lie."""
    for each in extents:
        if isinstance(each, Code):
            return next(each.values())
    raise UnsupportedOption("a tensor that no input has a part in", "shape")


@operation(
    tf="range(start, limit=None, delta=1, dtype=None)",
    node="Range(start, limit, delta)",
    examples=[
        example((4, 3), start=0, limit=Given(0, "shape[1]"), delta=1),
        example((None, 3), start=1, limit=Given(0, "shape[1]"), delta=2),
        example((None, 3), start=Given(0, "shape[1]"), _only=(Dialect.TF,)),
    ],
)
def arange(layer: LayerCall, start: Any, limit: Any = None, delta: Any = 1, dtype: Any = None) -> Value:
    """`torch.arange`."""
    bounds = [0, start] if limit is None else [start, limit]
    numbers = as_sizes([*bounds, delta])
    if numbers is None or any(each is None for each in (*bounds, delta)):
        raise UnsupportedOption("numbers in a row from or to one that is no size", "limit")
    first, last, step = numbers
    count = None
    if isinstance(first, int) and isinstance(last, int) and isinstance(step, int) and step:
        count = len(range(first, last, step))
    sizes = [each for each in (start, limit) if isinstance(each, Sizes)]
    near = next((value for each in sizes if each.code is not None for value in each.code.values()), None)
    given = [last] if first == 0 and step == 1 else [first, last] if step == 1 else [first, last, step]
    place = {} if near is None else {"device": Code((near, ".device"))}
    made = layer.value(call("torch.arange", *given, **place), (count,), dtype="int32")
    return made if dtype is None else cast_tensor(layer, made, dtype_of(dtype))


@operation(
    tf="sequence_mask(lengths: x, maxlen: longest=None, dtype='bool')",
    examples=[
        example((), x=X, longest=11, _dtypes=("int32",)),
        example((3,), x=X, longest=7, dtype="float32", _dtypes=("int32",)),
    ],
)
def sequence_mask(layer: LayerCall, x: Any, longest: Any, dtype: Any) -> Value:
    """`arange < lengths`: as many trues as the length is."""
    lengths = plain(layer, x)
    steps = as_sizes(longest)
    if longest is None or steps is None or len(steps) != 1:
        raise UnsupportedOption("as many steps as the longest has", "maxlen")
    known = steps[0] if isinstance(steps[0], int) else None
    places = call("torch.arange", steps[0], device=Code((lengths, ".device")))
    code = template("{} < {}", places, method(lengths, "unsqueeze", -1))
    return cast_tensor(layer, layer.value(code, (*lengths.shape, known), dtype="bool"), dtype_of(dtype))
