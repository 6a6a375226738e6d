"""Keras family "convolutional": plain, transposed, depthwise and separable convolutions in one to three dimensions.

Kernels: Keras stores (spatial..., in, out), torch (out, in, spatial...).
"""

from __future__ import annotations

from typing import Any

from keras2torch.emit.code import Code, Value, method
from keras2torch.errors import UnsupportedOption
from keras2torch.layers import _padding
from keras2torch.layers._call import LayerCall, channels_first_axes
from keras2torch.layers._convolving import channels_of, convolve, transposed
from keras2torch.layers._registry import SINCE_KERAS2, SINCE_TF_KERAS, Masks, converts, example
from keras2torch.source.model import Generation


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
    channels = channels_of(x, rank)
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
    result = convolve(
        layer, x, channels, filters, window, state, settings, use_bias=options.flag("use_bias", default=True)
    )
    return layer.activation(result)


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
    channels = channels_of(x, rank)
    multiplier = layer.options.integer("depth_multiplier", default=1)
    kernel = layer.weight(role, *window.kernel, channels, multiplier)
    filters = channels * multiplier
    weight = kernel.transpose(rank, rank + 1, *range(rank)).as_shape(filters, 1, *window.kernel)
    settings: dict[str, Any] = {"groups": channels}
    return convolve(
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
    channels = channels_of(x, rank)
    kernel = layer.weight("pointwise_kernel", *(1,) * rank, channels, filters)
    state = {"weight": kernel.transpose(rank + 1, rank, *range(rank))}
    point = _padding.Window((1,) * rank, (1,) * rank, (1,) * rank, "valid")
    use_bias = options.flag("use_bias", default=True)
    result = convolve(layer, x, channels, filters, point, state, {}, use_bias=use_bias, suffix="pointwise")
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
