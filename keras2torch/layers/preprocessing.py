"""Keras family "preprocessing": numbers in front of a model, scaled or sorted into bins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from keras2torch.emit.code import Code, Value, template
from keras2torch.errors import LayerRefused, UnsupportedMask, UnsupportedOption
from keras2torch.layers._call import LayerCall
from keras2torch.layers._casting import as_float, is_float
from keras2torch.layers._constants import constant, numbers
from keras2torch.layers._encoding import MODES, encoded
from keras2torch.layers._registry import ONLY_KERAS3, SINCE_TF_KERAS, Masks, converts, example
from keras2torch.source.model import Array, Generation

_LARGEST_DIVISOR = 65536
_MOST_DIGITS = 8
"""Of a number that is as well read as it is."""


@converts(
    "Rescaling",
    examples=[
        example((6, 5, 3), scale=1 / 127.5, offset=-1.0),
        example((6, 5, 3), scale=1 / 255, _integers_below=256),
        example((6, 5, 3), scale=[0.1, 0.2, 0.3], offset=[1.0, 2.0, 3.0]),
        example((6, 5), scale=0.1, _masked=True, _only=Generation.KERAS3),
    ],
    masks=Masks.HANDLE,
    generations=SINCE_TF_KERAS,
)
def rescaling(layer: LayerCall) -> Value:
    """`x * scale + offset`."""
    x = layer.input
    scale, offset = numbers(layer, "scale"), numbers(layer, "offset", default=0.0)
    if is_float(x) and scale.ndim == offset.ndim == 0:
        factor, shift = _as_fraction(scale.item()), offset.item()
        code = template("{} * {}", x, factor)
        if shift:
            code = template("{} * {} + {}" if shift > 0 else "{} * {} - {}", x, factor, abs(shift))
        return _keeping_mask(layer, layer.like(x, code))
    scale, offset = _broadcasting(x, scale, "scale"), _broadcasting(x, offset, "offset")
    module = layer.module(
        layer.part("Rescaling"),
        scale.shape,
        offset.shape,
        state={"scale": constant(scale), "offset": constant(offset)},
    )
    return _keeping_mask(layer, layer.like(x, module(x), dtype="float32"))


def _as_fraction(number: float) -> Code | float:
    """`1 / 255` where a number is just that, to the last digit."""
    divisor = round(2 / number) / 2 if number > 0 else 0.0
    if 1 < divisor <= _LARGEST_DIVISOR and 1 / divisor == number and len(repr(number)) > _MOST_DIGITS:
        return Code((f"1 / {divisor:g}",), atomic=False)
    return number


def _keeping_mask(layer: LayerCall, value: Value) -> Value:
    """Keras 3 passes masks through such layers, tf_keras does not."""
    if layer.generation is Generation.KERAS3:
        value.mask = layer.input.mask
    return value


def _broadcasting(x: Value, array: Array, option: str) -> Array:
    """`array`, which broadcasts with Keras's tensor from its last axis on, as it does with torch's."""
    if array.ndim > x.rank or any(
        size not in (1, extent)
        for size, extent in zip(array.shape[::-1], x.shape[::-1], strict=False)
        if extent is not None
    ):
        raise UnsupportedOption(
            f"option {option} of shape {array.shape} for a tensor of shape {x.shape}", option
        )
    array = array.reshape((1,) * (x.rank - array.ndim) + array.shape).transpose(x.axes)
    while array.ndim and array.shape[0] == 1:
        array = array[0]
    return array


@converts(
    "Normalization",
    examples=[
        example((5,)),
        example((6, 5, 3)),
        example((6, 5, 3), axis=1, invert=True),
        example((6, 5, 3), axis=[1, -1]),
        example((6, 5), axis=None),
        example((6, 5, 3), mean=[1.0, 2.0, 3.0], variance=[0.0, 4.0, 0.09]),
        example((4,), mean=0.5, variance=0.3, _integers_below=7),
        example((6, 5), _masked=True, _only=Generation.KERAS3),
    ],
    masks=Masks.HANDLE,
    generations=SINCE_TF_KERAS,
)
def normalization(layer: LayerCall) -> Value:
    """`(x - mean) / sqrt(variance)`, or its inverse; both adapted or given."""
    x, options = layer.input, layer.options
    kept = _kept_axes(x, options.take("axis", default=-1))
    extents = tuple(x.shape[axis] or 0 for axis in kept)
    if 0 in extents:
        raise LayerRefused("the extent of an axis that has means of its own is not known")
    invert = options.flag("invert", default=False)
    names = ("mean", "variance")
    if all(options.take(name, default=None) is None for name in names):
        stored = [layer.weight(name, *extents, trainable=False) for name in names]
        layer.weight("count", trainable=False)
    else:
        # Keras 3 makes float32 of them, whatever it computes in.
        kind = np.float32 if layer.generation is Generation.KERAS3 else np.float64
        stored = [constant(_filling(extents, numbers(layer, name), name).astype(kind)) for name in names]
    order = sorted(range(len(kept)), key=lambda number: x.torch_axis(kept[number]))
    shape: Sequence[int] = [(x.shape[axis] or 0) if axis in kept else 1 for axis in x.axes]
    while shape and shape[0] == 1:
        shape = shape[1:]
    placed = {
        name: (weight if order == sorted(order) else weight.transpose(*order)).as_shape(*shape)
        for name, weight in zip(names, stored, strict=True)
    }
    how = (True,) if invert else ()
    if x.dtype == "bool":  # torch subtracts from numbers alone
        x = as_float(layer, x)
    module = layer.module(layer.part("Normalization"), tuple(shape), *how, state=placed)
    return _keeping_mask(layer, layer.like(x, module(x), dtype="float32"))


def _kept_axes(x: Value, axis: Any) -> list[int]:
    """The axes along which every position has a mean of its own, in Keras's order."""
    axes = [] if axis is None else axis if isinstance(axis, list | tuple) else [axis]
    if any(
        isinstance(each, bool) or not isinstance(each, int) or not -x.rank <= each < x.rank for each in axes
    ):
        raise UnsupportedOption(f"axis {axis!r} of a tensor of rank {x.rank}", "axis")
    return sorted({each % x.rank for each in axes})


def _filling(extents: tuple[int, ...], array: Array, option: str) -> Array:
    try:
        return np.broadcast_to(array, extents)
    except ValueError as error:
        raise UnsupportedOption(
            f"option {option} of shape {array.shape} for axes of {extents}", option
        ) from error


@converts(
    "Discretization",
    examples=[
        example((6, 5), bin_boundaries=[-1.0, -0.1, 0.3, 1.0]),
        example((7,), bin_boundaries=[1, 3, 7], _integers_below=10),
        example((1,), bin_boundaries=[-0.5, 0.5], output_mode="one_hot"),
        example((5,), bin_boundaries=[-0.5, 0.0, 0.5], output_mode="multi_hot"),
        example((5,), bin_boundaries=[-0.5, 0.5], output_mode="count"),
    ],
    generations=SINCE_TF_KERAS,
)
def discretization(layer: LayerCall) -> Value:
    """`torch.bucketize`, and the vectors that `output_mode` asks for."""
    x, options = layer.input, layer.options
    if options.take("bin_boundaries", "bins", default=None) is None:
        raise UnsupportedOption(
            "the boundaries were adapted and the file does not hold them; pass `bin_boundaries` and save again",
            "bin_boundaries",
        )
    # Keras compares with float32 boundaries whatever it computes in.
    boundaries = numbers(layer, "bin_boundaries").astype(np.float32)
    if boundaries.ndim != 1 or (np.diff(boundaries) < 0).any():
        raise UnsupportedOption("option bin_boundaries is no ascending list", "bin_boundaries")
    options.ignore("num_bins", "epsilon")
    mode = options.choice("output_mode", among=MODES, default="int")
    module = layer.module(
        layer.part("Discretization"), boundaries.size, state={"boundaries": constant(boundaries)}
    )
    return encoded(layer, layer.like(x, module(x), dtype="int64"), mode, boundaries.size + 1)


@converts(
    "Pipeline",
    examples=[
        example(
            (9, 8, 3),
            _row=(
                ("Rescaling", {"scale": 1 / 255}),
                ("RandomFlip", {}),
                ("Equalization", {}),
                ("CenterCrop", {"height": 6, "width": 5}),
                ("Conv2D", {"filters": 4, "kernel_size": 3, "strides": 2, "padding": "same"}),
                ("BatchNormalization", {}),
                ("Conv2D", {"filters": 4, "kernel_size": 1}),
            ),
        )
    ],
    generations=ONLY_KERAS3,
)
def pipeline(layer: LayerCall) -> Value:
    """What its layers become, one after the other."""
    x, entries = layer.input, layer.options.take("layers")
    if not isinstance(entries, list) or not entries:
        raise UnsupportedOption("a Pipeline without a list of layers", "layers")
    for entry in entries:
        config = entry.get("config") if isinstance(entry, Mapping) else None
        name = config.get("name") if isinstance(config, Mapping) else None
        x = layer.bind(layer.sublayer(entry, [x], f"{name}/"))
        if x.mask is not None:
            raise UnsupportedMask(f"the layer {name} inside makes a mask")
    return x
