"""Keras family "resizing": layers that bring images to a fixed size."""

from __future__ import annotations

from keras2torch.emit.code import Code, Raw, Value, call, index, method
from keras2torch.errors import LayerRefused, UnsupportedOption
from keras2torch.layers import _resampling
from keras2torch.layers._call import LayerCall
from keras2torch.layers._casting import as_float, is_float
from keras2torch.layers._padding import channels_first_value
from keras2torch.layers._registry import SINCE_TF_KERAS, Masks, converts, example
from keras2torch.operations._resampling import resized
from keras2torch.source.model import Generation


@converts(
    "Resizing",
    examples=[
        example((7, 6, 3), height=5, width=9),
        example((7, 6, 3), height=9, width=4, interpolation="nearest"),
        *[
            example((7, 6, 2), height=5, width=11, interpolation=kernel)
            for kernel in ("bicubic", "area", "lanczos3", "lanczos5")
        ],
        *[
            example((7, 6, 2), height=5, width=11, interpolation=kernel, _only=Generation.TF_KERAS)
            for kernel in ("gaussian", "mitchellcubic")
        ],
        *[
            example(
                (9, 7, 2), height=4, width=11, interpolation=kernel, antialias=True, _only=Generation.KERAS3
            )
            for kernel in ("bilinear", "bicubic", "lanczos3", "area", "nearest")
        ],
        example((None, None, 3), height=16, width=24, crop_to_aspect_ratio=True),
        example((7, 12, 3), height=4, width=5, crop_to_aspect_ratio=True, interpolation="nearest"),
        example(
            (None, None, 3),
            height=9,
            width=7,
            pad_to_aspect_ratio=True,
            fill_value=0.5,
            _only=Generation.KERAS3,
        ),
        example((3, 7, 6), height=4, width=5, data_format="channels_first", _only=Generation.KERAS3),
        example((4, 6, 2), height=8, width=3, _integers_below=9),
    ],
    masks=Masks.STOP,
    generations=SINCE_TF_KERAS,
)
def resizing(layer: LayerCall) -> Value:
    """`F.interpolate`, or a part for the kernels that it lacks."""
    options = layer.options
    data_format, size = layer.data_format(), _size(layer)
    # Keras 3 resizes whole numbers to whole numbers, its predecessors to floats.
    given = layer.input if layer.generation is Generation.KERAS3 else as_float(layer, layer.input)
    x, kernel = _images(layer, given, data_format), _resampling.interpolation(layer, "bilinear")
    antialias = options.flag("antialias", default=False)
    crop = options.flag("crop_to_aspect_ratio", default=False)
    pad = options.flag("pad_to_aspect_ratio", default=False)
    options.must_be("fill_mode", "constant")
    fill = options.number("fill_value", default=0.0)
    if crop and pad:
        raise UnsupportedOption(
            "crop_to_aspect_ratio and pad_to_aspect_ratio exclude each other", "pad_to_aspect_ratio"
        )
    code: Value | Code = x
    whole = not is_float(x)
    if whole and kernel != "nearest":
        if x.dtype not in _RANGES:
            raise LayerRefused(f"called on images of {x.dtype}: feed them as floats")
        code = method(x, "double")  # as exact as Keras's float32 at least
    if crop:
        code = call(layer.part("crop_to_ratio"), code, size)
    elif pad:
        code = call(layer.part("pad_to_ratio"), code, size, **({"value": fill} if fill else {}))
    code = resized(layer, code, size, kernel, antialias=antialias)
    if whole and kernel != "nearest":
        code = method(
            method(method(code, "round"), "clamp", *_RANGES[x.dtype]), "to", Raw(f"torch.{x.dtype}")
        )
    result = channels_first_value(layer, code, x, x.torch_shape[1], size)
    result.dtype = x.dtype
    return result


_RANGES = {
    "uint8": (0, 255),
    "int8": (-128, 127),
    "int16": (-(1 << 15), (1 << 15) - 1),
    "int32": (-(1 << 31), (1 << 31) - 1),
}
"""Keras 3 rounds whole numbers after resizing, and holds them within their type."""


@converts(
    "CenterCrop",
    examples=[
        example((7, 8, 3), height=4, width=5),
        example((5, 9, 3), height=7, width=4),
        example((None, None, 3), height=41, width=30),
        example((7, 8, 3), height=3, width=8, _integers_below=9),
        example((3, 7, 8), height=4, width=5, data_format="channels_first", _only=Generation.KERAS3),
    ],
    masks=Masks.STOP,
    generations=SINCE_TF_KERAS,
)
def center_crop(layer: LayerCall) -> Value:
    """A slice; of smaller images the largest crop of that shape, enlarged by `F.interpolate`."""
    data_format, size = layer.data_format(), _size(layer)
    x = _images(layer, as_float(layer, layer.input), data_format)
    known = [(n, wanted) for n, wanted in zip(x.torch_shape[2:], size, strict=True) if n is not None]
    code: Code
    if len(known) < 2:
        code = call(layer.part("crop_to_size"), x, size)
    elif all(n >= wanted for n, wanted in known):
        starts = [(n - wanted) // 2 for n, wanted in known]
        spans = [f"{start}:{start + wanted}" for start, wanted in zip(starts, size, strict=True)]
        code = index(x, ", ".join([":", ":", *spans]))
    else:
        (height, rows), (width, columns) = known
        if layer.generation is not Generation.KERAS3 and not (
            width * rows // columns and height * columns // rows
        ):
            raise LayerRefused(f"{height} x {width} to {rows} x {columns} enlarges a crop without pixels")
        code = call("F.interpolate", call(layer.part("crop_to_ratio"), x, size), size, mode="bilinear")
    return channels_first_value(layer, code, x, x.torch_shape[1], size)


def _images(layer: LayerCall, x: Value, data_format: str) -> Value:
    layer.argument("training")  # Keras 3 stores it with the call; it makes no difference
    if x.rank != 4:
        raise LayerRefused(f"called on a tensor of shape {x.shape}, not on a batch of images")
    return layer.channels_first(x, data_format)


def _size(layer: LayerCall) -> tuple[int, int]:
    return layer.options.integer("height"), layer.options.integer("width")
