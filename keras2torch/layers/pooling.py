"""Keras family "pooling": windows that take a maximum or a mean, and global ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keras2torch.emit.code import Value, call, index, method, template
from keras2torch.errors import LayerRefused
from keras2torch.layers import _padding
from keras2torch.layers._call import LayerCall
from keras2torch.layers._registry import ONLY_KERAS3, Masks, converts, example

if TYPE_CHECKING:
    from keras2torch.layers._registry import Rule

_POOLS = [
    example((3, 9), pool_size=3, strides=2, padding="same", data_format="channels_first"),
    example((9, 3), pool_size=2),
    example((9, 3), pool_size=3, strides=2, padding="same"),
    example((8, 3), pool_size=3, strides=1, padding="same"),
]
_POOLS_2D = [
    example((8, 6, 3), pool_size=2),
    example((7, 9, 3), pool_size=3, strides=2, padding="same"),
    example((8, 8, 3), pool_size=[3, 2], strides=[2, 1], padding="same"),
    example((7, 7, 3), pool_size=2, strides=1, padding="same"),
    example((None, None, 3), pool_size=3, strides=2, padding="same"),
    example((3, 8, 6), pool_size=2, data_format="channels_first"),
]
_POOLS_3D = [
    example((2, 5, 6, 4), pool_size=[2, 3, 1], strides=[1, 2, 1], data_format="channels_first"),
    example((6, 5, 4, 2), pool_size=2),
    example((5, 6, 4, 2), pool_size=3, strides=2, padding="same"),
]


@converts("MaxPooling1D", "MaxPool1D", examples=_POOLS, masks=Masks.STOP)
def max_pooling_1d(layer: LayerCall) -> Value:
    """`nn.MaxPool1d`; asymmetric "same" padding is -inf, put in front of it."""
    return _max_pool(layer, 1)


@converts("MaxPooling2D", "MaxPool2D", examples=_POOLS_2D, masks=Masks.STOP)
def max_pooling_2d(layer: LayerCall) -> Value:
    """`nn.MaxPool2d`; asymmetric "same" padding is -inf, put in front of it."""
    return _max_pool(layer, 2)


@converts("MaxPooling3D", "MaxPool3D", examples=_POOLS_3D, masks=Masks.STOP)
def max_pooling_3d(layer: LayerCall) -> Value:
    """`nn.MaxPool3d`; asymmetric "same" padding is -inf, put in front of it."""
    return _max_pool(layer, 3)


def _window(layer: LayerCall, rank: int) -> _padding.Window:
    options = layer.options
    if layer.input.rank != rank + 2:
        raise LayerRefused(f"called on a tensor of rank {layer.input.rank}, which should be {rank + 2}")
    size = options.integers("pool_size", count=rank, default=2)
    strides = options.take("strides", default=None)
    return _padding.Window(
        kernel=size,
        strides=size if strides is None else options.integers("strides", count=rank),
        dilation=(1,) * rank,
        padding=options.choice("padding", among=("valid", "same"), default="valid"),
    )


def _max_pool(layer: LayerCall, rank: int) -> Value:
    data_format = layer.data_format()
    x = layer.channels_first(layer.input, data_format)
    window = _window(layer, rank)
    out = tuple(window.output(n, axis) for axis, n in enumerate(x.torch_shape[2:]))
    x, padding = _padding.apply(layer, x, window, fill=float("-inf"))
    settings: dict[str, Any] = {} if padding is None else {"padding": padding}
    if window.strides != window.kernel:
        settings = {"stride": _padding.short(window.strides), **settings}
    pool = layer.module(f"nn.MaxPool{rank}d", _padding.short(window.kernel), **settings)
    return _padding.channels_first_value(layer, pool(x), x, x.torch_shape[1], out)


@converts("AveragePooling1D", "AvgPool1D", examples=_POOLS, masks=Masks.STOP)
def average_pooling_1d(layer: LayerCall) -> Value:
    """`nn.AvgPool1d` that leaves padded steps out of the mean."""
    return _average_pool(layer, 1)


@converts("AveragePooling2D", "AvgPool2D", examples=_POOLS_2D, masks=Masks.STOP)
def average_pooling_2d(layer: LayerCall) -> Value:
    """`nn.AvgPool2d` that leaves padded cells out of the mean."""
    return _average_pool(layer, 2)


@converts("AveragePooling3D", "AvgPool3D", examples=_POOLS_3D, masks=Masks.STOP)
def average_pooling_3d(layer: LayerCall) -> Value:
    """`nn.AvgPool3d` that leaves padded cells out of the mean."""
    return _average_pool(layer, 3)


def _average_pool(layer: LayerCall, rank: int) -> Value:
    data_format = layer.data_format()
    x = layer.channels_first(layer.input, data_format)
    window = _window(layer, rank)
    spatial = x.torch_shape[2:]
    out = tuple(window.output(n, axis) for axis, n in enumerate(spatial))
    known = [window.before_after(n, axis) if n is not None else None for axis, n in enumerate(spatial)]
    settings: dict[str, Any] = {}
    if window.strides != window.kernel:
        settings["stride"] = _padding.short(window.strides)
    # torch wants at least as many elements as the window has, not counting those it pads with.
    too_few = rank == 3 and any(n is not None and n < k for n, k in zip(spatial, window.kernel, strict=True))
    even = all(pair is not None and pair[0] == pair[1] for pair in known) and not too_few
    if even or window.padding == "valid":
        pads = tuple(pair[0] if pair else 0 for pair in known)
        if any(pads):
            settings |= {"padding": _padding.short(pads), "count_include_pad": False}
        pool = layer.module(f"nn.AvgPool{rank}d", _padding.short(window.kernel), **settings)
        return _padding.channels_first_value(layer, pool(x), x, x.torch_shape[1], out)
    # torch cannot leave asymmetric padding out of the mean: divide the mean of the zero-padded tensor by that of ones.
    average = layer.part("average_pool_same")
    code = call(average, x, window.kernel, window.strides)
    return _padding.channels_first_value(layer, code, x, x.torch_shape[1], out)


# ------------------------------------------------------------------------------------------ as many cells as asked for

_ADAPTIVE_1D = [
    example((9, 3), output_size=4),
    example((3, 5), output_size=7, data_format="channels_first"),
]
_ADAPTIVE_2D = [
    example((7, 9, 3), output_size=[3, 4]),
    example((6, 5, 2), output_size=3),
    example((None, None, 2), output_size=[3, 1]),
    example((2, 5, 7), output_size=[2, 7], data_format="channels_first"),
]
_ADAPTIVE_3D = [example((4, 5, 7, 2), output_size=[2, 3, 4])]


def _adaptive(kind: str, rank: int) -> Rule:
    def rule(layer: LayerCall) -> Value:
        x = layer.channels_first(layer.input, layer.data_format())
        size = layer.options.integers("output_size", count=rank)
        pool = layer.module(f"nn.Adaptive{kind}Pool{rank}d", _padding.short(size))
        return _padding.channels_first_value(layer, pool(x), x, x.torch_shape[1], size)

    rule.__doc__ = f"`nn.Adaptive{kind}Pool{rank}d`."
    return rule


for _keras, _torch in (("Average", "Avg"), ("Max", "Max")):
    for _rank, _examples in enumerate((_ADAPTIVE_1D, _ADAPTIVE_2D, _ADAPTIVE_3D), 1):
        converts(
            f"Adaptive{_keras}Pooling{_rank}D",
            examples=_examples,
            masks=Masks.STOP,
            generations=ONLY_KERAS3,
        )(_adaptive(_torch, _rank))


# ---------------------------------------------------------------------------------------------------- all cells at once

_GLOBAL_1D = [
    example((6, 3)),
    example((6, 3), keepdims=True),
    example((3, 6), data_format="channels_first"),
]
_GLOBAL_2D = [
    example((5, 6, 3)),
    example((5, 6, 3), keepdims=True),
    example((None, None, 3)),
    example((3, 5, 6), data_format="channels_first", keepdims=True),
]
_GLOBAL_3D = [
    example((4, 5, 3, 2)),
    example((4, 5, 3, 2), keepdims=True),
    example((2, 4, 5, 3), data_format="channels_first"),
]


@converts(
    "GlobalAveragePooling1D",
    "GlobalAvgPool1D",
    examples=[
        *_GLOBAL_1D,
        example((6, 3), _masked=True),
        example((6, 3), keepdims=True, _masked=True),
        example((4, 4), data_format="channels_first", _masked=True),
    ],
    masks=Masks.HANDLE,
)
def global_average_pooling_1d(layer: LayerCall) -> Value:
    """The mean over time; behind a mask, the mean of the steps that count."""
    if layer.input.mask is None:
        return _global(layer, "mean")
    x, mask = layer.keras_layout(layer.input), layer.input.mask
    # Keras lays the mask along the steps, wherever they stand, though masks are made for channels_last.
    steps, channels = (2, 1) if layer.data_format() == "channels_first" else (1, 2)
    where = "..., None" if steps == 1 else ":, None"
    shape = tuple(
        mask.shape[1] if axis == steps else 1 if axis == channels else x.shape[0] for axis in range(3)
    )
    weights = layer.bind(layer.value(method(index(mask, where), "type_as", x), shape, hint="weights"))
    keep = layer.options.flag("keepdims", default=False)
    extra = {"keepdim": True} if keep else {}
    total = method(template("{} * {}", x, weights), "sum", dim=steps, **extra)
    code = template("{} / {}", total, method(weights, "sum", dim=steps, **extra))
    kept = tuple(1 if axis == steps else n for axis, n in enumerate(x.shape) if keep or axis != steps)
    return layer.value(code, kept)


@converts("GlobalAveragePooling2D", "GlobalAvgPool2D", examples=_GLOBAL_2D, masks=Masks.STOP)
def global_average_pooling_2d(layer: LayerCall) -> Value:
    """The mean over height and width."""
    return _global(layer, "mean")


@converts("GlobalAveragePooling3D", "GlobalAvgPool3D", examples=_GLOBAL_3D, masks=Masks.STOP)
def global_average_pooling_3d(layer: LayerCall) -> Value:
    """The mean over the three spatial axes."""
    return _global(layer, "mean")


@converts("GlobalMaxPooling1D", "GlobalMaxPool1D", examples=_GLOBAL_1D, masks=Masks.STOP)
def global_max_pooling_1d(layer: LayerCall) -> Value:
    """The maximum over time."""
    return _global(layer, "amax")


@converts("GlobalMaxPooling2D", "GlobalMaxPool2D", examples=_GLOBAL_2D, masks=Masks.STOP)
def global_max_pooling_2d(layer: LayerCall) -> Value:
    """The maximum over height and width."""
    return _global(layer, "amax")


@converts("GlobalMaxPooling3D", "GlobalMaxPool3D", examples=_GLOBAL_3D, masks=Masks.STOP)
def global_max_pooling_3d(layer: LayerCall) -> Value:
    """The maximum over the three spatial axes."""
    return _global(layer, "amax")


def _global(layer: LayerCall, reduction: str) -> Value:
    x = layer.input
    spatial = range(2, x.rank) if layer.data_format() == "channels_first" else range(1, x.rank - 1)
    dims = tuple(sorted(x.torch_axis(axis) for axis in spatial))
    dim = dims[0] if len(dims) == 1 else dims
    if layer.options.flag("keepdims", default=False):
        shape = tuple(1 if axis in spatial else n for axis, n in enumerate(x.shape))
        return layer.value(method(x, reduction, dim=dim, keepdim=True), shape, axes=x.axes)
    return layer.value(
        method(x, reduction, dim=dim), tuple(n for axis, n in enumerate(x.shape) if axis not in spatial)
    )
