"""Keras family "convolutional": plain, transposed, depthwise and separable convolutions in one to three dimensions.

Kernels: Keras stores (spatial..., in, out), torch (out, in, spatial...).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from keras2torch.emit.code import Code, Value, index, method
from keras2torch.errors import LayerRefused, UnsupportedOption
from keras2torch.layers import _padding
from keras2torch.layers._call import LayerCall, channels_first_axes
from keras2torch.layers._registry import SINCE_KERAS2, SINCE_TF_KERAS, Masks, converts, example
from keras2torch.source.model import Generation
from keras2torch.weights import Weight

_CONV = {1: "nn.Conv1d", 2: "nn.Conv2d", 3: "nn.Conv3d"}


@converts(
    "Conv1D",
    "Convolution1D",
    examples=[
        example((9, 3), filters=4, kernel_size=3),
        example((9, 3), filters=4, kernel_size=2, padding="same", activation="relu"),
        example((9, 3), filters=4, kernel_size=3, strides=2, padding="same"),
        example((9, 3), filters=4, kernel_size=3, padding="causal", dilation_rate=2),
        example((8, 4), filters=6, kernel_size=3, groups=2, use_bias=False),
        example((3, 9), filters=4, kernel_size=3, strides=2, padding="same", data_format="channels_first"),
        example((2, 9, 3), filters=4, kernel_size=3, padding="causal", _only=Generation.TF_KERAS),
    ],
    masks=Masks.STOP,
)
def conv1d(layer: LayerCall) -> Value:
    """`nn.Conv1d`; "causal" pads on the left."""
    return _convolution(layer, 1)


@converts(
    "Conv2D",
    "Convolution2D",
    examples=[
        example((7, 6, 3), filters=4, kernel_size=[3, 2]),
        example((7, 6, 3), filters=4, kernel_size=2, padding="same", activation="relu"),
        example((7, 10, 3), filters=4, kernel_size=3, strides=2, padding="same"),
        example((9, 9, 3), filters=4, kernel_size=3, dilation_rate=2, padding="same", use_bias=False),
        example((6, 6, 4), filters=6, kernel_size=3, groups=2),
        example((None, None, 3), filters=4, kernel_size=3, strides=2, padding="same"),
        example((3, 7, 6), filters=4, kernel_size=3, data_format="channels_first"),
        example((2, None, 6, 4), filters=6, kernel_size=[3, 2], groups=2, _only=Generation.TF_KERAS),
    ],
    masks=Masks.STOP,
)
def conv2d(layer: LayerCall) -> Value:
    """`nn.Conv2d`; strided "same" padding is asymmetric and therefore explicit."""
    return _convolution(layer, 2)


@converts(
    "Conv3D",
    "Convolution3D",
    examples=[
        example((5, 6, 4, 2), filters=3, kernel_size=2),
        example((5, 6, 4, 2), filters=3, kernel_size=3, strides=2, padding="same"),
        example((2, 5, 6, 4), filters=3, kernel_size=[3, 2, 1], data_format="channels_first"),
    ],
    masks=Masks.STOP,
)
def conv3d(layer: LayerCall) -> Value:
    """`nn.Conv3d`."""
    return _convolution(layer, 3)


def _convolution(layer: LayerCall, rank: int) -> Value:
    data_format = layer.data_format()
    if layer.input.rank > rank + 2 and layer.generation is Generation.TF_KERAS:
        if data_format == "channels_first":
            raise UnsupportedOption("channels_first with more axes than the convolution has", "data_format")
        return _over_more_axes(layer, rank)
    return _convolved(layer, layer.channels_first(layer.input, data_format), rank)


def _over_more_axes(layer: LayerCall, rank: int) -> Value:
    """tf.keras convolves over the last axes, and takes all before them for samples."""
    lead = layer.input.rank - rank - 1
    inner = channels_first_axes(rank + 2, "channels_last")
    axes = (*range(lead), *(lead - 1 + axis for axis in inner[1:]))
    x = layer.bind(layer.arranged(layer.input, axes))
    flat = Value((None, *x.shape[lead:]), x.dtype, inner, method(x, "flatten", 0, lead - 1))
    result = _convolved(layer, flat, rank)
    # The batch may be open, so all leading sizes are taken from the tensor.
    sizes = Code((x, f".shape[:{lead}]"))
    return layer.value(method(result, "unflatten", 0, sizes), (*x.shape[:lead], *result.shape[1:]), axes=axes)


def _convolved(layer: LayerCall, x: Value, rank: int) -> Value:
    options = layer.options
    channels = _channels(x, rank)
    filters = options.integer("filters")
    window = _padding.window(layer, rank, causal=rank == 1)
    groups = options.integer("groups", default=1)
    if channels % groups or filters % groups:
        raise UnsupportedOption(
            f"groups={groups} does not divide {channels} channels and {filters} filters", "groups"
        )
    kernel = layer.weight("kernel", *window.kernel, channels // groups, filters)
    state = {"weight": kernel.transpose(rank + 1, rank, *range(rank))}
    settings: dict[str, Any] = {"groups": groups} if groups > 1 else {}
    result = _convolve(
        layer, x, channels, filters, window, state, settings, use_bias=options.flag("use_bias", default=True)
    )
    return layer.activation(result)


def _convolve(
    layer: LayerCall,
    x: Value,
    channels: int,
    filters: int,
    window: _padding.Window,
    state: dict[str, Weight],
    settings: dict[str, Any],
    *,
    use_bias: bool,
    suffix: str = "",
) -> Value:
    spatial = _spatial(x)
    out = tuple(window.output(n, i) for i, n in enumerate(spatial))
    x, padding = _padding.apply(layer, x, window)
    if any(n != 1 for n in window.strides):
        settings = {"stride": _padding.short(window.strides), **settings}
    if padding is not None:
        settings = {"padding": padding, **settings}
    if any(n != 1 for n in window.dilation):
        settings = {**settings, "dilation": _padding.short(window.dilation)}
    if use_bias:
        state = {**state, "bias": layer.weight("bias", filters)}
    else:
        settings = {**settings, "bias": False}
    conv = layer.module(
        _CONV[len(spatial)],
        channels,
        filters,
        _padding.short(window.kernel),
        state=state,
        suffix=suffix,
        **settings,
    )
    return _padding.channels_first_value(layer, conv(x), x, filters, out)


def _channels(x: Value, rank: int) -> int:
    """The channels of images with `rank` spatial axes, which `x` (channels-first) has to be."""
    if x.rank != rank + 2:
        raise LayerRefused(f"called on a tensor of shape {x.shape}")
    channels = x.torch_shape[1]
    if channels is None:
        raise LayerRefused("the number of input channels is not known")
    return channels


def _spatial(x: Value) -> tuple[int | None, ...]:
    return x.torch_shape[2:]


@converts(
    "DepthwiseConv1D",
    examples=[
        example((9, 3), kernel_size=3, depth_multiplier=2),
        example((9, 3), kernel_size=3, strides=2, padding="same"),
        example((3, 9), kernel_size=3, dilation_rate=2, padding="same", data_format="channels_first"),
    ],
    masks=Masks.STOP,
    generations=SINCE_TF_KERAS,
)
def depthwise_conv1d(layer: LayerCall) -> Value:
    """`nn.Conv1d` with one group a channel."""
    return _depthwise(layer, 1)


@converts(
    "DepthwiseConv2D",
    examples=[
        example((7, 6, 3), kernel_size=3),
        example((7, 6, 3), kernel_size=3, depth_multiplier=2, padding="same", activation="relu"),
        example((8, 8, 3), kernel_size=3, strides=2, padding="same", use_bias=False),
        example((7, 6, 3), kernel_size=3, dilation_rate=[1, 2], padding="same"),
        example((3, 7, 6), kernel_size=3, depth_multiplier=2, data_format="channels_first"),
    ],
    masks=Masks.STOP,
    generations=SINCE_KERAS2,
)
def depthwise_conv2d(layer: LayerCall) -> Value:
    """`nn.Conv2d` with one group a channel; output channel c*m+j belongs to input channel c."""
    return _depthwise(layer, 2)


def _depthwise(layer: LayerCall, rank: int) -> Value:
    options = layer.options
    data_format = layer.data_format()
    x = layer.channels_first(layer.input, data_format)
    # tf_keras writes what its base class Conv wrote too.
    options.must_be("groups", 1, x.torch_shape[1])
    options.must_be("filters", None)
    use_bias = options.flag("use_bias", default=True)
    result = _depthwise_step(
        layer, x, rank, _padding.window(layer, rank, causal=False), "depthwise_kernel", use_bias=use_bias
    )
    return layer.activation(result)


def _depthwise_step(
    layer: LayerCall,
    x: Value,
    rank: int,
    window: _padding.Window,
    role: str,
    *,
    use_bias: bool,
    suffix: str = "",
) -> Value:
    channels = _channels(x, rank)
    multiplier = layer.options.integer("depth_multiplier", default=1)
    kernel = layer.weight(role, *window.kernel, channels, multiplier)
    filters = channels * multiplier
    weight = kernel.transpose(rank, rank + 1, *range(rank)).as_shape(filters, 1, *window.kernel)
    settings: dict[str, Any] = {"groups": channels}
    return _convolve(
        layer, x, channels, filters, window, {"weight": weight}, settings, use_bias=use_bias, suffix=suffix
    )


@converts(
    "SeparableConv1D",
    "SeparableConvolution1D",
    examples=[
        example((9, 3), filters=4, kernel_size=3),
        example((9, 3), filters=4, kernel_size=3, depth_multiplier=2, padding="same", activation="relu"),
        example((9, 3), filters=4, kernel_size=3, padding="causal", strides=2, _only=Generation.TF_KERAS),
        example((3, 9), filters=4, kernel_size=3, dilation_rate=2, data_format="channels_first"),
    ],
    masks=Masks.STOP,
    generations=SINCE_KERAS2,
)
def separable_conv1d(layer: LayerCall) -> Value:
    """A depthwise, then a pointwise `nn.Conv1d`; only the second has bias and activation."""
    return _separable(layer, 1)


@converts(
    "SeparableConv2D",
    "SeparableConvolution2D",
    examples=[
        example((7, 6, 3), filters=4, kernel_size=3),
        example((7, 6, 3), filters=4, kernel_size=3, depth_multiplier=2, padding="same", activation="relu"),
        example((8, 8, 3), filters=4, kernel_size=3, strides=2, padding="same", use_bias=False),
        example((9, 9, 3), filters=4, kernel_size=3, dilation_rate=2),
        example((3, 7, 6), filters=4, kernel_size=3, padding="same", data_format="channels_first"),
    ],
    masks=Masks.STOP,
)
def separable_conv2d(layer: LayerCall) -> Value:
    """A depthwise, then a pointwise `nn.Conv2d`; only the second has bias and activation."""
    return _separable(layer, 2)


def _separable(layer: LayerCall, rank: int) -> Value:
    options = layer.options
    data_format = layer.data_format()
    x = layer.channels_first(layer.input, data_format)
    options.must_be("groups", 1)
    filters = options.integer("filters")
    window = _padding.window(layer, rank, causal=rank == 1)
    x = _depthwise_step(layer, x, rank, window, "depthwise_kernel", use_bias=False, suffix="depthwise")
    channels = _channels(x, rank)
    kernel = layer.weight("pointwise_kernel", *(1,) * rank, channels, filters)
    state = {"weight": kernel.transpose(rank + 1, rank, *range(rank))}
    point = _padding.Window((1,) * rank, (1,) * rank, (1,) * rank, "valid")
    use_bias = options.flag("use_bias", default=True)
    result = _convolve(layer, x, channels, filters, point, state, {}, use_bias=use_bias, suffix="pointwise")
    return layer.activation(result)


@converts(
    "Conv1DTranspose",
    "Convolution1DTranspose",
    examples=[
        example((5, 3), filters=4, kernel_size=3, strides=2),
        example((5, 3), filters=4, kernel_size=3, strides=2, padding="same"),
        example((5, 3), filters=4, kernel_size=2, strides=3, padding="valid", activation="relu"),
        example((5, 3), filters=4, kernel_size=3, dilation_rate=2),
        example((3, 5), filters=4, kernel_size=3, strides=2, padding="same", data_format="channels_first"),
    ],
    masks=Masks.STOP,
    generations=SINCE_TF_KERAS,
    since=4,
)
def conv1d_transpose(layer: LayerCall) -> Value:
    """`nn.ConvTranspose1d`, cropped or filled up where Keras's output length differs from torch's."""
    return transposed(layer, 1)


@converts(
    "Conv2DTranspose",
    "Convolution2DTranspose",
    examples=[
        example((5, 4, 3), filters=4, kernel_size=3, strides=2, padding="same", activation="relu"),
        example((5, 4, 3), filters=4, kernel_size=3, strides=2),
        example((5, 4, 3), filters=4, kernel_size=2, strides=2, padding="same", use_bias=False),
        example((5, 4, 3), filters=4, kernel_size=4, strides=2, padding="same"),
        example((5, 4, 3), filters=4, kernel_size=5, strides=3, padding="same"),
        example((5, 4, 3), filters=4, kernel_size=2, strides=3),
        example((5, 4, 3), filters=4, kernel_size=3, strides=2, padding="same", output_padding=1),
        example((None, None, 3), filters=4, kernel_size=3, strides=2, padding="same"),
        example((6, 7, 3), filters=4, kernel_size=3, dilation_rate=2, padding="same"),
        example((6, 7, 3), filters=4, kernel_size=3, dilation_rate=[1, 2], _only=Generation.KERAS3),
        example((5, 4, 4), filters=4, kernel_size=3, groups=2, _only=Generation.TF_KERAS),
        example((3, 5, 4), filters=4, kernel_size=3, strides=[2, 1], data_format="channels_first"),
    ],
    masks=Masks.STOP,
    generations=SINCE_KERAS2,
)
def conv2d_transpose(layer: LayerCall) -> Value:
    """`nn.ConvTranspose2d`, cropped or filled up where Keras's output size differs from torch's."""
    return transposed(layer, 2)


@converts(
    "Conv3DTranspose",
    "Convolution3DTranspose",
    examples=[
        example((3, 4, 3, 2), filters=3, kernel_size=3, strides=2, padding="same"),
        example((3, 4, 3, 2), filters=3, kernel_size=2, strides=2),
        example((3, 4, 3, 2), filters=3, kernel_size=2, dilation_rate=2),
        example((2, 3, 4, 3), filters=3, kernel_size=3, strides=2, data_format="channels_first"),
    ],
    masks=Masks.STOP,
    generations=SINCE_KERAS2,
)
def conv3d_transpose(layer: LayerCall) -> Value:
    """`nn.ConvTranspose3d`, cropped or filled up where Keras's output size differs from torch's."""
    return transposed(layer, 3)


def transposed(layer: LayerCall, rank: int, extents: Sequence[int] | None = None) -> Value:
    """A transposed convolution, of the output size that Keras gives it or of spatial `extents`.

    Keras's output length and crop, per axis, with effective kernel e = (k-1)*d+1 and input length n.

    The full transposed convolution is (n-1)*s+e long. Keras keeps `out` of it: n*s for "same", n*s+max(e-s, 0) for
    "valid" (`compute_conv_transpose_output_length` in keras/src/backend/common), starting at max(full-out, 0)//2 for
    "same" and 0 for "valid", filled with zeros at the end where `out` is longer.
    """
    options = layer.options
    data_format = layer.data_format()
    x = layer.channels_first(layer.input, data_format)
    channels, filters = _channels(x, rank), options.integer("filters")
    window = _padding.window(layer, rank, causal=False)
    options.ignore("groups")  # tf_keras writes what its base class takes, and does not use it here
    if rank == 3 and layer.generation is not Generation.KERAS3:
        window = replace(window, dilation=(1,) * rank)  # taken and stored, but not used
    if all(n > 1 for n in window.strides) and any(n > 1 for n in window.dilation):
        raise UnsupportedOption("strides and dilation_rate cannot both be above 1", "dilation_rate")
    extra = options.take("output_padding", default=None)
    paddings: tuple[int | None, ...] = (None,) * rank
    if extra is not None:
        paddings = options.integers("output_padding", count=rank, minimum=0)
    elif extents is not None:
        paddings = tuple(
            _padding.output_padding(window, axis, n, extent)
            for axis, (n, extent) in enumerate(zip(_spatial(x), extents, strict=True))
        )
    crops, additions, out = [], [], []
    for axis, n in enumerate(_spatial(x)):
        crop, added = _padding.transposed_window(window, axis, paddings[axis])
        crops.append(crop)
        additions.append(added)
        effective = window.effective(axis)
        out.append(None if n is None else (n - 1) * window.strides[axis] + effective - 2 * crop + added)
    kernel = layer.weight("kernel", *window.kernel, filters, channels)
    state = {"weight": kernel.transpose(rank + 1, rank, *range(rank))}
    use_bias = options.flag("use_bias", default=True)
    settings: dict[str, Any] = {"stride": _padding.short(window.strides)}
    if any(crops):
        settings["padding"] = _padding.short(tuple(crops))
    reach = [max(pair) for pair in zip(window.strides, window.dilation, strict=True)]
    if any(added >= limit for added, limit in zip(additions, reach, strict=True)):
        raise UnsupportedOption(
            "the output is longer than the transposed convolution reaches", "output_padding"
        )
    if any(added > 0 for added in additions):
        settings["output_padding"] = _padding.short(tuple(max(added, 0) for added in additions))
    if any(n != 1 for n in window.dilation):
        settings["dilation"] = _padding.short(window.dilation)
    if use_bias:
        state["bias"] = layer.weight("bias", filters)
    else:
        settings["bias"] = False
    conv = layer.module(
        f"nn.ConvTranspose{rank}d", channels, filters, _padding.short(window.kernel), state=state, **settings
    )
    code = conv(x)
    if any(added < 0 for added in additions):
        code = index(code, ", ".join([":", ":", *(f":{added}" if added < 0 else ":" for added in additions)]))
    return layer.activation(_padding.channels_first_value(layer, code, x, filters, tuple(out)))
