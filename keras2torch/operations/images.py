"""Pictures made larger and smaller."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keras2torch.emit.code import Argument, Value, call, method
from keras2torch.errors import UnsupportedOption
from keras2torch.graph.model import Shape
from keras2torch.operations._arguments import choice, flag, integer, must_be
from keras2torch.operations._registry import X, example, operation
from keras2torch.operations._resampling import KERNELS, resized
from keras2torch.operations._sizes import as_sizes, numbers_code
from keras2torch.operations._tensors import floating, tensor

if TYPE_CHECKING:
    from keras2torch.layers._call import LayerCall

_FORMATS = (None, "channels_last")
_SIZES = [
    example((5, 4, 3), x=X, size=[10, 12], how="bilinear"),
    example((7, 9, 2), x=X, size=[4, 3], how="bilinear"),
    example((5, 4, 3), x=X, size=[11, 7], how="nearest"),
    *[example((7, 6, 2), x=X, size=[5, 11], how=kernel) for kernel in ("bicubic", "area", "lanczos3")],
    example((9, 7, 2), x=X, size=[4, 11], how="bilinear", antialias=True),
    example((9, 7, 2), x=X, size=[4, 11], how="bicubic", antialias=True),
]


@operation(
    tf="image.resize(images: x, size, method: how='bilinear', preserve_aspect_ratio: _ratio=False, antialias=False)",
    keras3=(
        "image.Resize(images: x, *, size, interpolation: how='bilinear', antialias=False, "
        "crop_to_aspect_ratio: _crop=False, pad_to_aspect_ratio: _pad=False, fill_mode: _mode='constant', "
        "fill_value: _fill=0.0, data_format=None)"
    ),
    examples=_SIZES,
)
def resize(
    layer: LayerCall,
    x: Any,
    size: Any,
    how: Any,
    antialias: Any,
    data_format: Any = None,
    _ratio: Any = False,
    _crop: Any = False,
    _pad: Any = False,
    _mode: Any = None,
    _fill: Any = None,
) -> Value:
    """`F.interpolate`, or a part for the kernels that it lacks; nearest with pixels' centres half a step inside."""
    for name, value in (("preserve_aspect_ratio", _ratio), ("crop", _crop), ("pad", _pad)):
        must_be(value, name, False)
    must_be(data_format, "data_format", *_FORMATS)
    source, wanted, shape = _prepared(layer, x, size)
    kernel = choice(how, "method", *KERNELS)
    code = resized(layer, source, wanted, kernel, antialias=flag(antialias, "antialias"))
    return layer.value(code, shape, axes=source.axes)


def _resized(layer: LayerCall, x: Any, size: Any, settings: dict[str, Any]) -> Value:
    source, wanted, shape = _prepared(layer, x, size)
    return layer.value(call("F.interpolate", source, size=wanted, **settings), shape, axes=source.axes)


def _prepared(layer: LayerCall, x: Any, size: Any) -> tuple[Value, Argument, Shape]:
    """Pictures, their new size as an expression, and the shape that they will have."""
    source = tensor(layer, x)
    if source.rank != 4:
        raise UnsupportedOption(f"pictures of shape {source.shape}", "images")
    source = layer.channels_first(floating(layer, source), "channels_last")
    wanted = as_sizes(size)
    if wanted is None or len(wanted) != 2:
        raise UnsupportedOption("a size that is not two numbers", "size")
    known = [integer(each, "size", 1, 1 << 16) if isinstance(each, int) else None for each in wanted]
    shape = (source.shape[0], *known, source.shape[3])
    return source, numbers_code(wanted), shape


@operation(
    tf=(
        "compat.v1.image.resize_bilinear(images: x, size, align_corners: corners=False, name=None, "
        "half_pixel_centers: centres=False)"
    ),
    node="ResizeBilinear(x, size, *, align_corners: corners=False, half_pixel_centers: centres=False)",
    examples=[
        example((5, 4, 3), x=X, size=[10, 12], corners=True),
        example((5, 4, 3), x=X, size=[9, 7], corners=False, centres=True),
        example((5, 4, 3), x=X, size=[10, 12]),
        example((7, 9, 2), x=X, size=[4, 3]),
    ],
)
def resize_bilinear(layer: LayerCall, x: Any, size: Any, corners: Any, centres: Any) -> Value:
    """`F.interpolate`, or a part for the grid that TensorFlow 1 had by default."""
    if flag(corners, "align_corners"):
        must_be(centres, "half_pixel_centers", False)
        return _resized(layer, x, size, {"mode": "bilinear", "align_corners": True})
    if flag(centres, "half_pixel_centers"):
        return _resized(layer, x, size, {"mode": "bilinear"})
    resized = _resized(layer, x, size, {})
    if resized.code is None:
        raise AssertionError("a size without an expression")
    source, wanted = next(resized.code.values()), as_sizes(size) or []
    code = call(layer.part("resize_from_corner"), source, numbers_code(wanted))
    return layer.value(code, resized.shape, axes=resized.axes)


@operation(
    tf=(
        "compat.v1.image.resize_nearest_neighbor(images: x, size, align_corners: corners=False, "
        "name=None, half_pixel_centers: centres=False)"
    ),
    node="ResizeNearestNeighbor(x, size, *, align_corners: corners=False, half_pixel_centers: centres=False)",
    examples=[
        example((5, 4, 3), x=X, size=[10, 12]),
        example((5, 4, 3), x=X, size=[11, 7], corners=False, centres=True),
    ],
)
def resize_nearest(layer: LayerCall, x: Any, size: Any, corners: Any, centres: Any) -> Value:
    """`F.interpolate`."""
    must_be(corners, "align_corners", False)
    return _resized(layer, x, size, {"mode": "nearest-exact"} if flag(centres, "half_pixel_centers") else {})


_TO_SPACE = [example((3, 2, 12), x=X, block=2), example((2, 3, 9), x=X, block=3)]


@operation(
    tf=[
        "nn.depth_to_space(input: x, block_size: block, data_format='NHWC')",
        "compat.v1.nn.depth_to_space(input: x, block_size: block, name=None, data_format='NHWC')",
    ],
    keras3="nn.DepthToSpace(x, *, block_size: block, data_format='channels_last')",
    node="DepthToSpace(x, *, block_size: block, data_format='NHWC')",
    examples=_TO_SPACE,
)
def depth_to_space(layer: LayerCall, x: Any, block: Any, data_format: Any) -> Value:
    """Channels become squares of pixels; they stand last in Keras's order, where `pixel_shuffle` has them first."""
    must_be(data_format, "data_format", "NHWC", "channels_last")
    source = layer.channels_first(tensor(layer, x), "channels_last")
    step = integer(block, "block_size", 2, 1 << 10)
    channels = source.shape[-1]
    if source.rank != 4 or channels is None or channels % step**2:
        raise UnsupportedOption(f"squares of {step} pixels from {channels} channels", "block_size")
    shape = (source.shape[0], *(_times(n, step) for n in source.shape[1:3]), channels // step**2)
    code = method(source, "unflatten", 1, (step, step, channels // step**2))  # (N, step, step, C, H, W)
    code = method(code, "permute", 0, 3, 4, 1, 5, 2)
    return layer.value(
        method(method(code, "flatten", 4), "flatten", 2, 3), shape, axes=source.axes, dtype=source.dtype
    )


def _times(extent: int | None, step: int) -> int | None:
    return None if extent is None else extent * step


@operation(
    tf=[
        "nn.space_to_depth(input: x, block_size: block, data_format='NHWC')",
        "compat.v1.nn.space_to_depth(input: x, block_size: block, name=None, data_format='NHWC')",
    ],
    keras3="nn.SpaceToDepth(x, *, block_size: block, data_format='channels_last')",
    node="SpaceToDepth(x, *, block_size: block, data_format='NHWC')",
    examples=[example((4, 6, 3), x=X, block=2), example((6, 3, 2), x=X, block=3)],
)
def space_to_depth(layer: LayerCall, x: Any, block: Any, data_format: Any) -> Value:
    """Squares of pixels become channels, in Keras's order."""
    must_be(data_format, "data_format", "NHWC", "channels_last")
    source = layer.channels_first(tensor(layer, x), "channels_last")
    step = integer(block, "block_size", 2, 1 << 10)
    height, width, channels = source.shape[1:]
    if channels is None or any(n is not None and n % step for n in (height, width)):
        raise UnsupportedOption(f"squares of {step} pixels of {source.shape}", "block_size")
    shape = (
        source.shape[0],
        *(None if n is None else n // step for n in (height, width)),
        channels * step**2,
    )
    code = method(source, "unflatten", 2, (-1, step))
    code = method(code, "unflatten", 4, (-1, step))  # (N, C, H, step, W, step)
    code = method(code, "permute", 0, 3, 5, 1, 2, 4)
    return layer.value(method(code, "flatten", 1, 3), shape, axes=source.axes, dtype=source.dtype)
