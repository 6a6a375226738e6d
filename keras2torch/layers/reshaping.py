"""Keras family "reshaping": axes moved, split, joined, repeated, padded, cropped and scaled up.

All of them speak of Keras's logical axes, so anything that is not a matter of single axes first returns to them.
"""

from __future__ import annotations

from math import prod
from typing import Any

from keras2torch.emit.code import Argument, Value, call, index, method, template
from keras2torch.emit.order import FeatureOrder, Segment
from keras2torch.errors import LayerRefused, UnsupportedOption
from keras2torch.graph.model import Shape
from keras2torch.layers import _resampling
from keras2torch.layers._call import LayerCall, channels_first_axes
from keras2torch.layers._registry import Masks, converts, example
from keras2torch.operations._resampling import resized
from keras2torch.source.model import Generation


@converts(
    "Flatten",
    examples=[
        example((4, 3, 2)),
        example((5,)),
        example((6, 3)),
        example((4, 3, 2, 2)),
        example((2, 4, 3), data_format="channels_first"),
        example((), _only=Generation.TF_KERAS),
        example((None, 3)),
    ],
    masks=Masks.STOP,
)
def flatten(layer: LayerCall) -> Value:
    """`flatten(1)`; in (C, H, W) order where the weights behind can be permuted instead of the tensor."""
    x = layer.input
    channels_first = layer.data_format() == "channels_first" and x.rank > 2
    if x.rank == 1:
        return layer.value(method(x, "unsqueeze", 1), (x.shape[0], 1))
    keras_axes = (*range(2, x.rank), 1) if channels_first else tuple(range(1, x.rank))
    extents = x.shape[1:]
    size = None if None in extents else prod(n for n in extents if n is not None)
    if x.rank == 2:
        return x
    if layer.feature_order_stays and size is not None and x.axes[1:] != keras_axes:
        shape = tuple(x.shape[axis] or 0 for axis in keras_axes)
        segment = Segment(shape, tuple(keras_axes.index(axis) for axis in x.axes[1:]))
        value = layer.value(method(x, "flatten", 1), (x.shape[0], size))
        value.order = FeatureOrder((segment,))
        return value
    x = layer.arranged(x, (0, *keras_axes))
    return layer.value(method(x, "flatten", 1), (x.shape[0], size))


@converts(
    "Reshape",
    examples=[
        example((12,), target_shape=[3, 4]),
        example((4, 3, 2), target_shape=[-1, 6]),
        example((6, 4), target_shape=[2, 3, 4]),
        example((4, 4, 2), target_shape=[2, 8, 2]),
        example((1,), target_shape=[]),
        example((5,), target_shape=[1, 1, 5]),
        example((None, 3), target_shape=[37, 1, 3]),
        example((None, 4), target_shape=[2, -1]),
        example((4, 3), target_shape=[None, 6], _only=Generation.KERAS3),
    ],
    masks=Masks.STOP,
)
def reshape(layer: LayerCall) -> Value:
    """`reshape` in Keras's axis order."""
    x = layer.keras_layout(layer.input)
    target = layer.options.take("target_shape")
    if layer.generation is Generation.KERAS3 and isinstance(target, list | tuple):
        target = [-1 if n is None else n for n in target]
    if not isinstance(target, list | tuple) or any(type(n) is not int or n < -1 or n == 0 for n in target):
        raise UnsupportedOption(f"option target_shape is {target!r}", "target_shape")
    shape = _reshaped(x.shape, tuple(target))
    if x.rank == 2 and len(shape) in (4, 5) and shape[1:] == (1,) * (len(shape) - 2) + x.shape[1:]:
        # Vectors on their way to be channels, as between a global pooling and a convolution.
        code = index(x, ", ".join([":", ":", *["None"] * (len(shape) - 2)]))
        return layer.value(code, shape, axes=channels_first_axes(len(shape), "channels_last"))
    # The batch is the axis left to torch, unless the model itself leaves one open.
    if None not in (*x.shape[1:], *shape[1:]):
        return layer.value(method(x, "reshape", -1, *(n or 0 for n in shape[1:])), shape)
    x = layer.bind(x)
    return layer.value(method(x, "reshape", call("len", x), *target), shape)


def _reshaped(shape: Shape, target: tuple[int, ...]) -> Shape:
    extents = [n for n in shape[1:] if n is not None]
    fixed = prod(n for n in target if n != -1)
    if target.count(-1) > 1:
        raise UnsupportedOption(f"target_shape {list(target)} leaves two extents open", "target_shape")
    if len(extents) < len(shape) - 1:  # whether it fits is seen when it is called
        return (shape[0], *(None if n == -1 else n for n in target))
    total = prod(extents)
    if (-1 in target and total % fixed) or (-1 not in target and total != fixed):
        raise UnsupportedOption(f"{total} elements do not fit target_shape {list(target)}", "target_shape")
    return (shape[0], *(total // fixed if n == -1 else n for n in target))


@converts(
    "Permute",
    examples=[
        example((4, 3), dims=[2, 1]),
        example((4, 3, 2), dims=[3, 1, 2]),
        example((4, 3, 2), dims=[1, 2, 3]),
        example((4,), dims=[1]),
        example((2, None, 3, 2, 2), dims=[5, 1, 3, 2, 4]),
    ],
    masks=Masks.STOP,
)
def permute(layer: LayerCall) -> Value:
    """`permute`; Keras counts axes from 1 without the batch."""
    x = layer.input
    dims = layer.options.integers("dims", count=x.rank - 1)
    if sorted(dims) != list(range(1, x.rank)):
        raise UnsupportedOption(f"dims {list(dims)} is not a permutation", "dims")
    axes = (0, *dims)
    shape = tuple(x.shape[axis] for axis in axes)
    moved = layer.arranged(x, axes)
    if moved is x:  # torch already holds the axes in the order that is asked for
        return layer.value(method(x, "contiguous"), shape)
    return layer.value(moved.code or method(x, "contiguous"), shape)


@converts("RepeatVector", examples=[example((4,), n=3)], masks=Masks.STOP)
def repeat_vector(layer: LayerCall) -> Value:
    """A new time axis, repeated without copying."""
    x = layer.input
    count = layer.options.integer("n")
    if x.rank != 2:
        raise LayerRefused(f"called on a tensor of shape {x.shape}")
    return layer.value(
        method(method(x, "unsqueeze", 1), "expand", -1, count, -1), (x.shape[0], count, x.shape[1])
    )


def _pairs(value: Any, count: int, option: str) -> tuple[tuple[int, int], ...]:
    """`3`, `(1, 2)` or `((1, 2), (3, 4))` as (front, back) an axis. In one dimension `(1, 2)` is front and back."""

    def whole(number: Any) -> int:
        if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < 1 << 31:
            raise UnsupportedOption(f"option {option} is {value!r}", option)
        return number

    if isinstance(value, int):
        return ((whole(value), whole(value)),) * count
    if not isinstance(value, list | tuple):
        raise UnsupportedOption(f"option {option} is {value!r}", option)
    if count == 1 and len(value) == 2 and all(isinstance(n, int) for n in value):
        return ((whole(value[0]), whole(value[1])),)
    if len(value) != count:
        raise UnsupportedOption(f"option {option} is {value!r}", option)
    return tuple(
        (whole(item[0]), whole(item[1]))
        if isinstance(item, list | tuple) and len(item) == 2
        else (whole(item),) * 2
        for item in value
    )


def _spatial_axes(layer: LayerCall, count: int) -> tuple[int, ...]:
    """Keras's spatial axes of the input."""
    if layer.input.rank != count + 2:
        raise LayerRefused(f"called on a tensor of shape {layer.input.shape}")
    first = 2 if layer.data_format() == "channels_first" else 1
    return tuple(range(first, first + count))


def _zero_padding(layer: LayerCall, count: int) -> Value:
    x = layer.input
    axes = _spatial_axes(layer, count)
    pairs = _pairs(layer.options.take("padding", default=1), count, "padding")
    by_torch_axis = {x.torch_axis(axis): pair for axis, pair in zip(axes, pairs, strict=True)}
    pads: list[int] = []
    for axis in range(x.rank - 1, min(by_torch_axis) - 1, -1):
        pads += by_torch_axis.get(axis, (0, 0))
    shape = list(x.shape)
    for axis, pair in zip(axes, pairs, strict=True):
        extent = shape[axis]
        shape[axis] = None if extent is None else extent + sum(pair)
    padded = layer.value(call("F.pad", x, tuple(pads)), tuple(shape), axes=x.axes)
    spatial = [by_torch_axis.get(axis, (0, 0)) for axis in range(2, x.rank)]
    if min(by_torch_axis) > 1 and all(front == back for front, back in spatial):
        padded.unpadded = (x, tuple(front for front, _ in spatial))
    return layer.bind(padded, optional=True)


@converts(
    "ZeroPadding1D",
    examples=[
        example((5, 3), padding=2),
        example((5, 3), padding=[1, 2]),
        example((3, 5), padding=[1, 2], data_format="channels_first", _only=Generation.KERAS3),
    ],
    masks=Masks.STOP,
)
def zero_padding_1d(layer: LayerCall) -> Value:
    """`F.pad`, or the padding of the convolution behind it."""
    return _zero_padding(layer, 1)


@converts(
    "ZeroPadding2D",
    examples=[
        example((5, 4, 3), padding=1),
        example((5, 4, 3), padding=[2, 1]),
        example((5, 4, 3), padding=[[1, 2], [0, 3]]),
        example((3, 5, 4), padding=[[1, 2], [0, 3]], data_format="channels_first"),
    ],
    masks=Masks.STOP,
)
def zero_padding_2d(layer: LayerCall) -> Value:
    """`F.pad`, or the padding of the convolution behind it."""
    return _zero_padding(layer, 2)


@converts(
    "ZeroPadding3D",
    examples=[
        example((3, 4, 5, 2), padding=1),
        example((3, 4, 5, 2), padding=[[1, 0], [2, 1], [0, 3]]),
        example((2, 3, 4, 5), padding=[1, 0, 2], data_format="channels_first"),
    ],
    masks=Masks.STOP,
)
def zero_padding_3d(layer: LayerCall) -> Value:
    """`F.pad`, or the padding of the convolution behind it."""
    return _zero_padding(layer, 3)


def _cropping(layer: LayerCall, count: int) -> Value:
    x = layer.input
    axes = _spatial_axes(layer, count)
    pairs = _pairs(layer.options.take("cropping", default=1), count, "cropping")
    shape = list(x.shape)
    slices = [":"] * x.rank
    for axis, (front, back) in zip(axes, pairs, strict=True):
        extent = shape[axis]
        if extent is not None:
            shape[axis] = max(extent - front - back, 0)
            if not shape[axis]:
                layer.warn(f"cropping {front} and {back} of an axis of {extent} leaves an empty tensor")
        slices[x.torch_axis(axis)] = f"{front or ''}:{-back or ''}"
    while slices[-1] == ":" and len(slices) > 1:
        slices.pop()
    return layer.value(index(x, ", ".join(slices)), tuple(shape), axes=x.axes, may_be_empty=True)


@converts(
    "Cropping1D",
    examples=[
        example((7, 3), cropping=2),
        example((7, 3), cropping=[1, 0]),
        example((None, 3), cropping=[2, 3]),
    ],
    masks=Masks.STOP,
)
def cropping_1d(layer: LayerCall) -> Value:
    """A slice."""
    return _cropping(layer, 1)


@converts(
    "Cropping2D",
    examples=[
        example((7, 6, 3), cropping=1),
        example((7, 6, 3), cropping=[[1, 2], [0, 3]]),
        example((3, 7, 6), cropping=[2, 1], data_format="channels_first"),
    ],
    masks=Masks.STOP,
)
def cropping_2d(layer: LayerCall) -> Value:
    """A slice."""
    return _cropping(layer, 2)


@converts(
    "Cropping3D",
    examples=[
        example((5, 6, 7, 2), cropping=[[1, 0], [2, 1], [0, 3]]),
        example((1, 3, 4, 2), cropping=[[1, 1], [0, 1], [1, 0]], _only=Generation.TF_KERAS),  # to nothing
        example((2, 5, 6, 7), cropping=[1, 0, 2], data_format="channels_first"),
    ],
    masks=Masks.STOP,
)
def cropping_3d(layer: LayerCall) -> Value:
    """A slice."""
    return _cropping(layer, 3)


def _repeat(layer: LayerCall, sizes: tuple[int, ...]) -> Value:
    """Repeat every element along the spatial axes."""
    x = layer.input
    shape, code = list(x.shape), None
    for axis, size in zip(_spatial_axes(layer, len(sizes)), sizes, strict=True):
        extent = shape[axis]
        shape[axis] = None if extent is None else extent * size
        if size > 1:
            code = method(code or x, "repeat_interleave", size, dim=x.torch_axis(axis))
    return layer.value(code, tuple(shape), axes=x.axes) if code else x


@converts("UpSampling1D", examples=[example((4, 3)), example((4, 3), size=3)], masks=Masks.STOP)
def up_sampling_1d(layer: LayerCall) -> Value:
    """`repeat_interleave`."""
    return _repeat(layer, (layer.options.integer("size", default=2),))


@converts(
    "UpSampling2D",
    examples=[
        example((4, 3, 2)),
        example((4, 3, 2), size=[3, 1]),
        example((4, 3, 2), interpolation="bilinear"),
        example((4, 3, 2), size=[2, 4], interpolation="bicubic"),
        example((5, 4, 2), size=[3, 5], interpolation="bicubic"),
        example((None, None, 2), size=[3, 2], interpolation="lanczos3"),
        *[
            example((5, 4, 2), size=[3, 2], interpolation=kernel, _only=Generation.TF_KERAS)
            for kernel in ("area", "gaussian", "lanczos5", "mitchellcubic")
        ],
        example((2, 4, 3), size=3, interpolation="lanczos5", data_format="channels_first"),
        example((2, 4, 3), data_format="channels_first"),
        example((None, None, 2), size=2),
    ],
    masks=Masks.STOP,
)
def up_sampling_2d(layer: LayerCall) -> Value:
    """`nn.Upsample`, or a part for the kernels that it lacks; all with half-pixel centres."""
    kernel = _resampling.interpolation(layer, "nearest")
    if kernel == "bilinear" and layer.generation is Generation.KERAS2:
        layer.warn(
            "Keras 2.2-2.3 scaled without half-pixel centres; later Keras, and so this conversion, with them"
        )
    sizes = layer.options.integers("size", count=2, default=2)
    axes = _spatial_axes(layer, 2)
    x = layer.channels_first(layer.input, layer.data_format())
    shape = list(x.shape)
    for axis, size in zip(axes, sizes, strict=True):
        extent = shape[axis]
        shape[axis] = None if extent is None else extent * size
    factor = sizes[0] if sizes[0] == sizes[1] else sizes
    if kernel in ("nearest", "area", "bilinear"):
        # Enlarged a whole number of times, the area that a new pixel covers lies in one old one.
        settings: dict[str, Any] = {"mode": kernel} if kernel == "bilinear" else {}
        upsample = layer.module("nn.Upsample", scale_factor=factor, **settings)
        return layer.value(upsample(x), tuple(shape), axes=x.axes)
    if kernel == "bicubic" and all(size in (1, 2, 4, 8, 16) for size in sizes):
        # TensorFlow's table of weights holds these exactly; antialiasing chooses its kernel, and does nothing else.
        code = call("F.interpolate", x, scale_factor=factor, mode="bicubic", antialias=True)
        return layer.value(code, tuple(shape), axes=x.axes)
    height, width = (shape[axis] for axis in axes)
    target: Argument = (height, width)
    if height is None or width is None:
        x = layer.bind(x)
        target = template("({} * {}.shape[2], {} * {}.shape[3])", sizes[0], x, sizes[1], x)
    return layer.value(resized(layer, x, target, kernel), tuple(shape), axes=x.axes)


@converts(
    "UpSampling3D",
    examples=[
        example((3, 2, 4, 2)),
        example((3, 2, 4, 2), size=[1, 3, 2]),
        example((2, 3, 2, 4), size=[1, 3, 2], data_format="channels_first"),
    ],
    masks=Masks.STOP,
)
def up_sampling_3d(layer: LayerCall) -> Value:
    """`repeat_interleave` along each axis."""
    return _repeat(layer, layer.options.integers("size", count=3, default=2))
