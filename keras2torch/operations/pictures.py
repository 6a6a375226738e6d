"""Pictures turned, cut, framed, and changed in their colours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keras2torch.emit.code import Code, Value, call, method, template
from keras2torch.errors import UnsupportedOption
from keras2torch.operations._arguments import dtype_of, flag, integer, is_float, must_be, number
from keras2torch.operations._registry import X, example, operation
from keras2torch.operations._tensors import constant_like, floating, tensor
from keras2torch.operations.padding import padded
from keras2torch.operations.slicing import ALL, sliced

if TYPE_CHECKING:
    from keras2torch.layers._call import LayerCall

_PICTURE = [example((5, 4, 3), x=X)]
_LUMA = [0.2989, 0.587, 0.114]
_BRIGHTEST = {"uint8": 255, "int8": 127, "int16": 32767, "int32": 2147483647}


def _picture(layer: LayerCall, x: Any, channels: int | None = None) -> Value:
    """Pictures, one behind the other, in Keras's usual order of axes."""
    source = tensor(layer, x)
    if source.rank != 4 or (channels is not None and source.shape[-1] != channels):
        raise UnsupportedOption(f"pictures of shape {source.shape}", "images")
    return source


# ------------------------------------------------------------------------------------------- where pixels stand


def _flip(name: str, axis: int) -> None:
    def function(layer: LayerCall, x: Any) -> Value:
        source = _picture(layer, x)
        return layer.like(source, method(source, "flip", source.torch_axis(axis)))

    operation(tf=f"image.{name}(image: x)", examples=_PICTURE, name=name, summary="`flip`.")(function)


_flip("flip_up_down", 1)
_flip("flip_left_right", 2)


@operation(tf="image.transpose(image: x)", examples=_PICTURE)
def transpose_image(layer: LayerCall, x: Any) -> Value:
    """`transpose` of rows and columns."""
    source = _picture(layer, x)
    batch, rows, columns, channels = source.shape
    code = method(source, "transpose", source.torch_axis(1), source.torch_axis(2))
    return layer.value(code, (batch, columns, rows, channels), axes=source.axes, dtype=source.dtype)


@operation(
    tf="image.rot90(image: x, k=1)",
    examples=[*_PICTURE, example((5, 4, 3), x=X, k=2), example((5, 4, 3), x=X, k=3)],
)
def rot90(layer: LayerCall, x: Any, k: Any) -> Value:
    """`torch.rot90`, against the clock."""
    source = _picture(layer, x)
    turns = integer(k, "k") % 4
    batch, rows, columns, channels = source.shape
    shape = (batch, columns, rows, channels) if turns % 2 else source.shape
    code = call("torch.rot90", source, turns, (source.torch_axis(1), source.torch_axis(2)))
    return layer.value(code, shape, axes=source.axes, dtype=source.dtype)


@operation(
    tf=(
        "image.crop_to_bounding_box(image: x, offset_height: top, offset_width: left, target_height: height, "
        "target_width: width)"
    ),
    examples=[example((7, 6, 3), x=X, top=1, left=2, height=4, width=3)],
)
def crop(layer: LayerCall, x: Any, top: Any, left: Any, height: Any, width: Any) -> Value:
    """`x[...]`."""
    source = _picture(layer, x)
    spans = [
        (integer(start, "offset", 0), integer(length, "target", 1))
        for start, length in ((top, height), (left, width))
    ]
    for (start, length), extent in zip(spans, source.shape[1:3], strict=True):
        if extent is not None and start + length > extent:
            raise UnsupportedOption(f"{length} pixels from {start} on of {extent}", "target_height")
    return sliced(layer, source, [ALL, *(_span(start, start + length) for start, length in spans)])


def _span(start: int, stop: int) -> dict[str, int | None]:
    return {"start": start, "stop": stop, "step": None}


@operation(
    tf="image.central_crop(image: x, central_fraction: share)",
    examples=[example((7, 6, 3), x=X, share=0.5), example((8, 9, 3), x=X, share=0.3)],
)
def central_crop(layer: LayerCall, x: Any, share: Any) -> Value:
    """`x[...]`, as much cut off on either side."""
    source = _picture(layer, x)
    part = number(share, "central_fraction")
    if not 0 < part <= 1 or None in source.shape[1:3]:
        raise UnsupportedOption(f"{part} of pictures of shape {source.shape}", "central_fraction")
    # In the order in which TensorFlow rounds.
    cut = [(n, int((float(n) - float(n) * part) / 2)) for n in source.shape[1:3] if n is not None]
    return sliced(layer, source, [ALL, *(_span(less, n - less) for n, less in cut)])


@operation(
    tf=(
        "image.pad_to_bounding_box(image: x, offset_height: top, offset_width: left, target_height: height, "
        "target_width: width)"
    ),
    examples=[example((4, 3, 2), x=X, top=1, left=2, height=7, width=6)],
)
def frame(layer: LayerCall, x: Any, top: Any, left: Any, height: Any, width: Any) -> Value:
    """`F.pad` with zeros, to a size."""
    source = _picture(layer, x)
    borders = []
    for start, length, extent in ((top, height, source.shape[1]), (left, width, source.shape[2])):
        before = integer(start, "offset", 0)
        if extent is None:
            raise UnsupportedOption(f"a size for pictures of shape {source.shape}", "target_height")
        borders.append([before, integer(length, "target", before + extent) - before - extent])
    return padded(layer, source, [[0, 0], *borders, [0, 0]], "constant", 0.0)


# -------------------------------------------------------------------------------------------------- how they look


@operation(
    tf="image.rgb_to_grayscale(images: x)",
    keras3="image.RGBToGrayscale(images: x, *, data_format=None)",
    examples=_PICTURE,
)
def rgb_to_grayscale(layer: LayerCall, x: Any, data_format: Any = None) -> Value:
    """The sum of the channels, each weighted as bright as it looks (ITU-R BT.601)."""
    must_be(data_format, "data_format", None, "channels_last")
    source = _picture(layer, x, 3)
    if not is_float(source.dtype):
        raise UnsupportedOption("pictures of whole numbers", "images")
    dim = source.torch_axis(3)
    weights = method(
        constant_like(layer, _LUMA, source), "view", *(-1 if axis == dim else 1 for axis in range(4))
    )
    code = method(template("{} * {}", source, weights), "sum", dim=dim, keepdim=True)
    return layer.value(code, (*source.shape[:3], 1), axes=source.axes, dtype=source.dtype)


@operation(tf="image.grayscale_to_rgb(images: x)", examples=[example((5, 4, 1), x=X)])
def grayscale_to_rgb(layer: LayerCall, x: Any) -> Value:
    """`repeat_interleave` of the only channel."""
    source = _picture(layer, x, 1)
    code = method(source, "repeat_interleave", 3, dim=source.torch_axis(3))
    return layer.value(code, (*source.shape[:3], 3), axes=source.axes, dtype=source.dtype)


@operation(
    tf="image.per_image_standardization(image: x)", examples=[*_PICTURE, example((None, None, 2), x=X)]
)
def per_image_standardization(layer: LayerCall, x: Any) -> Value:
    """Every picture less its mean, by its deviation, which is bounded from below."""
    source = floating(layer, _picture(layer, x))
    code = call(layer.part("standardize_each"), source)
    return layer.like(source, code)


@operation(tf="image.adjust_brightness(image: x, delta)", examples=[example((5, 4, 3), x=X, delta=0.25)])
def adjust_brightness(layer: LayerCall, x: Any, delta: Any) -> Value:
    """`x + delta`."""
    source = _of_floats(_picture(layer, x))
    return layer.like(source, template("{} + {}", source, number(delta, "delta")))


@operation(
    tf="image.adjust_contrast(images: x, contrast_factor: factor)",
    examples=[example((5, 4, 3), x=X, factor=1.5)],
)
def adjust_contrast(layer: LayerCall, x: Any, factor: Any) -> Value:
    """Every channel stretched round its mean."""
    source = layer.bind(_of_floats(_picture(layer, x)))
    dims = tuple(sorted((source.torch_axis(1), source.torch_axis(2))))
    mean = layer.bind(layer.like(source, method(source, "mean", dim=dims, keepdim=True)))
    away = template("{} - {}", source, mean)
    return layer.like(source, template("{} * {} + {}", away, number(factor, "contrast_factor"), mean))


def _of_floats(source: Value) -> Value:
    if not is_float(source.dtype):
        raise UnsupportedOption(
            "pictures of whole numbers, which TensorFlow scales, rounds and bounds", "image"
        )
    return source


@operation(
    tf="image.convert_image_dtype(image: x, dtype, saturate=False)",
    examples=[
        example((5, 4, 3), x=X, dtype="float32"),
        example((5, 4, 3), x=X, dtype="float32", _dtypes=("uint8",)),
    ],
)
def convert_image_dtype(layer: LayerCall, x: Any, dtype: Any, saturate: Any) -> Value:
    """Nothing among floats; whole numbers are divided by their largest."""
    flag(saturate, "saturate")  # floats are never too large
    source = tensor(layer, x)
    if not is_float(dtype_of(dtype)):
        raise UnsupportedOption("pictures of whole numbers", "dtype")
    if is_float(source.dtype):
        return layer.like(source, Code((source,))) if source.mask is not None else source
    if source.dtype not in _BRIGHTEST:
        raise UnsupportedOption(f"pictures of {source.dtype}", "image")
    floats = floating(layer, source)
    return layer.like(floats, template("{} / {}", floats, _BRIGHTEST[source.dtype]))
