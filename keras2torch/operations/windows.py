"""Windows that slide: convolutions with kernels that the model computes or holds as constants, and poolings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keras2torch.emit.code import Code, Value, call, index, method
from keras2torch.errors import UnsupportedOption
from keras2torch.operations import _windows
from keras2torch.operations._arguments import array_of, choice, integers, must_be
from keras2torch.operations._registry import Dialect, X, example, operation
from keras2torch.operations._tensors import constant, floating, tensor
from keras2torch.operations._windows import Window

if TYPE_CHECKING:
    from keras2torch.layers._call import LayerCall

_TF = (Dialect.TF, Dialect.NODE)
_LAST = (None, "channels_last", "NWC", "NHWC", "NDHWC")
_KERNEL = [
    [[[0.5 * i - j + 0.25 * k for k in range(2)] for j in range(3)] for i in range(3)] for _ in range(2)
]
"""Two rows and three columns, from three channels to two."""
_LINE = [[[0.5, -1.0], [1.5, 0.25], [-0.5, 2.0]], [[1.0, 0.5], [-2.0, 0.75], [0.25, -1.5]]]
"""Two steps, from three channels to two."""


def _several(value: Any, rank: int, name: str) -> tuple[int, ...]:
    """One number an axis: of the spatial axes alone, or of all with ones for batch and channels."""
    numbers = (1,) if value is None else integers(value, name)
    if len(numbers) == rank + 2:
        if numbers[0] != 1 or numbers[-1] != 1:
            raise UnsupportedOption(f"{name} {list(numbers)} along batch or channels", name)
        numbers = numbers[1:-1]
    if len(numbers) not in (1, rank) or min(numbers) < 1:
        raise UnsupportedOption(f"{name} {list(numbers)} of {rank} axes", name)
    return numbers * (rank if len(numbers) == 1 else 1)


def _window(kernel: tuple[int, ...], strides: Any, padding: Any, dilation: Any = None) -> Window:
    rank = len(kernel)
    steps = _several(strides, rank, "strides")
    return Window(
        kernel, steps, _several(dilation, rank, "dilations"), choice(padding, "padding", "valid", "same")
    )


# ------------------------------------------------------------------------------------------------- convolutions


def _pictures(layer: LayerCall, x: Any, rank: int, data_format: Any) -> Value:
    must_be(data_format, "data_format", *_LAST)
    source = floating(layer, tensor(layer, x))
    if source.rank != rank + 2:
        raise UnsupportedOption(f"a window of {rank} axes over a tensor of {source.shape}", "input")
    return layer.channels_first(source, "channels_last")


def _kernel(layer: LayerCall, kernel: Any, order: tuple[int, ...]) -> Value:
    """A kernel with its axes in torch's `order`, constants turned before they are stored."""
    if isinstance(kernel, Value):
        return layer.bind(layer.arranged(layer.keras_layout(kernel), order))
    array = array_of(kernel, "filters")
    if array.ndim != len(order):
        raise UnsupportedOption(f"a kernel of shape {array.shape}", "filters")
    stored = constant(layer, array.transpose(order).astype("float64"))
    return Value(array.shape, "float32", order, stored.code, hint=layer.name)


def _convolved(
    layer: LayerCall, x: Any, kernel: Any, strides: Any, padding: Any, dilation: Any, data_format: Any
) -> Value:
    rank = len(kernel.shape if isinstance(kernel, Value) else array_of(kernel, "filters").shape) - 2
    if rank not in (1, 2, 3):
        raise UnsupportedOption(f"a convolution over {rank} axes", "filters")
    source = _pictures(layer, x, rank, data_format)
    weight = _kernel(layer, kernel, (rank + 1, rank, *range(rank)))
    *extents, entering, leaving = weight.shape
    if None in weight.shape or source.shape[-1] is None or source.shape[-1] % (entering or 1):
        raise UnsupportedOption(f"a kernel of {weight.shape} over {source.shape}", "filters")
    window = _window(tuple(n or 1 for n in extents), strides, padding, dilation)
    return _apply(layer, source, weight, leaving, window, source.shape[-1] // (entering or 1))


def _apply(
    layer: LayerCall, x: Value, weight: Value | Code, filters: int | None, window: Window, groups: int
) -> Value:
    spatial = tuple(window.output(n, axis) for axis, n in enumerate(x.torch_shape[2:]))
    padded, padding = _windows.apply(layer, x, window)
    settings: dict[str, Any] = {}
    if any(n != 1 for n in window.strides):
        settings["stride"] = _windows.short(window.strides)
    if padding is not None:
        settings["padding"] = padding
    if any(n != 1 for n in window.dilation):
        settings["dilation"] = _windows.short(window.dilation)
    if groups != 1:
        settings["groups"] = groups
    code = call(f"F.conv{len(window.kernel)}d", padded, weight, **settings)
    return _windows.channels_first_value(layer, code, padded, filters, spatial)


_CONVOLUTIONS = [
    example((7, 6, 3), x=X, kernel=_KERNEL, strides=1, padding="SAME"),
    example((7, 6, 3), x=X, kernel=_KERNEL, strides=2, padding="SAME"),
    example((7, 6, 3), x=X, kernel=_KERNEL, strides=[2, 1], padding="VALID"),
]


@operation(
    tf=[
        "nn.convolution(input: x, filters: kernel, strides=None, padding='VALID', data_format=None, dilations=None)",
        (
            "compat.v1.nn.convolution(input: x, filter: kernel, padding, strides=None, "
            "dilation_rate: dilations=None, name=None, data_format=None)"
        ),
    ],
    keras3="nn.Conv(inputs: x, kernel, *, strides=1, padding='valid', data_format=None, dilation_rate: dilations=1)",
    examples=[
        *_CONVOLUTIONS,
        # TensorFlow writes this as a convolution between two operations of its own.
        example(
            (9, 6, 3), x=X, kernel=_KERNEL, strides=1, padding="VALID", dilations=2, _only=(Dialect.KERAS3,)
        ),
        example((7, 3), x=X, kernel=_LINE, strides=2, padding="SAME"),
    ],
)
def convolution(
    layer: LayerCall, x: Any, kernel: Any, strides: Any, padding: Any, data_format: Any, dilations: Any
) -> Value:
    """`F.conv1d`, `F.conv2d` or `F.conv3d`."""
    return _convolved(layer, x, kernel, strides, padding, dilations, data_format)


@operation(
    tf=(
        "compat.v1.nn.conv2d(input: x, filter: kernel=None, strides=None, padding=None, "
        "use_cudnn_on_gpu: _cudnn=True, data_format='NHWC', dilations=[1, 1, 1, 1])"
    ),
    node=(
        "Conv2D(x, kernel, *, strides=1, padding='VALID', use_cudnn_on_gpu: _cudnn=True, "
        "explicit_paddings: _paddings=[], data_format='NHWC', dilations=[1, 1, 1, 1])"
    ),
    examples=[
        example((7, 6, 3), x=X, kernel=_KERNEL, strides=[1, 1, 1, 1], padding="SAME"),
        example((7, 6, 3), x=X, kernel=_KERNEL, strides=[1, 2, 2, 1], padding="SAME"),
        example(
            (9, 6, 3), x=X, kernel=_KERNEL, strides=[1, 1, 1, 1], padding="VALID", dilations=[1, 2, 2, 1]
        ),
    ],
)
def conv2d(
    layer: LayerCall,
    x: Any,
    kernel: Any,
    strides: Any,
    padding: Any,
    data_format: Any,
    dilations: Any,
    _cudnn: Any = True,
    _paddings: Any = (),
) -> Value:
    """`F.conv2d`."""
    if _paddings:
        raise UnsupportedOption("explicit padding", "explicit_paddings")
    return _convolved(layer, x, kernel, strides, padding, dilations, data_format)


@operation(
    tf=(
        "compat.v1.nn.conv1d(value: x=None, filters: kernel=None, stride: strides=None, padding=None, "
        "use_cudnn_on_gpu: _cudnn=None, data_format=None, name=None, input: _input=None, dilations=None)"
    ),
    examples=[
        example((7, 3), x=X, kernel=_LINE, strides=2, padding="SAME"),
        example((7, 3), x=X, kernel=_LINE, strides=1, padding="VALID"),
    ],
)
def conv1d(
    layer: LayerCall,
    x: Any,
    kernel: Any,
    strides: Any,
    padding: Any,
    data_format: Any,
    dilations: Any,
    _cudnn: Any = None,
    _input: Any = None,
) -> Value:
    """`F.conv1d`."""
    must_be(_input, "input", None)
    return _convolved(layer, x, kernel, strides, padding, dilations, data_format)


@operation(
    tf=(
        "compat.v1.nn.depthwise_conv2d(input: x, filter: kernel, strides, padding, rate: dilations=None, name=None, "
        "data_format=None, dilations: _dilations=None)"
    ),
    node=(
        "DepthwiseConv2dNative(x, kernel, *, strides=1, padding='VALID', explicit_paddings: _paddings=[], "
        "data_format='NHWC', dilations=[1, 1, 1, 1])"
    ),
    examples=[
        example((7, 6, 3), x=X, kernel=_KERNEL, strides=[1, 1, 1, 1], padding="SAME"),
        example((7, 6, 3), x=X, kernel=_KERNEL, strides=[1, 2, 2, 1], padding="VALID"),
    ],
)
def depthwise_conv2d(
    layer: LayerCall,
    x: Any,
    kernel: Any,
    strides: Any,
    padding: Any,
    data_format: Any,
    dilations: Any,
    _dilations: Any = None,
    _paddings: Any = (),
) -> Value:
    """`F.conv2d` with one group a channel."""
    must_be(_dilations, "dilations", None)
    if _paddings:
        raise UnsupportedOption("explicit padding", "explicit_paddings")
    source = _pictures(layer, x, 2, data_format)
    weight = _kernel(layer, kernel, (2, 3, 0, 1))
    rows, columns, channels, each = weight.shape
    if None in weight.shape or channels != source.shape[-1] or channels is None or each is None:
        raise UnsupportedOption(f"a kernel of {weight.shape} over {source.shape}", "filter")
    single = method(method(weight, "flatten", 0, 1), "unsqueeze", 1)
    window = _window((rows or 1, columns or 1), strides, padding, dilations)
    return _apply(layer, source, single, channels * each, window, channels)


# ----------------------------------------------------------------------------------------------------- poolings


def _pooled(
    layer: LayerCall, kind: str, x: Any, size: Any, strides: Any, padding: Any, data_format: Any
) -> Value:
    source = tensor(layer, x)
    rank = source.rank - 2
    if rank not in (1, 2, 3):
        raise UnsupportedOption(f"a window over a tensor of {source.shape}", "input")
    source = _pictures(layer, source, rank, data_format)
    kernel = _several(size, rank, "ksize")
    window = _window(kernel, kernel if strides is None else strides, padding)
    spatial = tuple(window.output(n, axis) for axis, n in enumerate(source.torch_shape[2:]))
    settings: dict[str, Any] = {}
    if window.strides != kernel:
        settings["stride"] = _windows.short(window.strides)
    if kind == "max":
        source, pad = _windows.apply(layer, source, window, fill=float("-inf"))
        settings |= {} if pad is None else {"padding": pad}
    elif window.padding == "same" and any(
        n is None or any(window.before_after(n, axis)) for axis, n in enumerate(source.torch_shape[2:])
    ):
        code = call(layer.part("average_pool_same"), source, kernel, window.strides)
        return _windows.channels_first_value(layer, code, source, source.torch_shape[1], spatial)
    code = call(f"F.{kind}_pool{rank}d", source, _windows.short(kernel), **settings)
    return _windows.channels_first_value(layer, code, source, source.torch_shape[1], spatial)


_SQUARES = [
    example((8, 6, 3), x=X, size=2, strides=2, padding="VALID"),
    example((7, 9, 3), x=X, size=3, strides=2, padding="SAME"),
    example((7, 7, 3), x=X, size=[3, 2], strides=[1, 2], padding="SAME"),
]
_LINES = [
    example((9, 3), x=X, size=3, strides=2, padding="SAME"),
    example((8, 3), x=X, size=2, strides=2, padding="VALID"),
]
_OLD = [
    example((8, 6, 3), x=X, size=[1, 2, 2, 1], strides=[1, 2, 2, 1], padding="VALID"),
    example((7, 9, 3), x=X, size=[1, 3, 3, 1], strides=[1, 2, 2, 1], padding="SAME"),
]
_ARGUMENTS = "(input: x, ksize: size, strides, padding, data_format={})"
_OLD_ARGUMENTS = (
    "(value: x, ksize: size, strides, padding, data_format='NHWC', name=None, input: _input=None)"
)
_NODE = "(x, *, ksize: size, strides, padding, data_format='NHWC'{})"


def _pooling(kind: str, keras3: str, node: str, more: str = "") -> None:
    """Register a pooling by every name and form that it has."""

    def function(
        layer: LayerCall,
        x: Any,
        size: Any,
        strides: Any,
        padding: Any,
        data_format: Any,
        _input: Any = None,
        _paddings: Any = (),
    ) -> Value:
        must_be(_input, "input", None)
        if _paddings:
            raise UnsupportedOption("explicit padding", "explicit_paddings")
        return _pooled(layer, kind, x, size, strides, padding, data_format)

    shown = f"`F.{kind}_pool2d` and its like, padded cells left out."
    operation(
        tf=[
            f"nn.{kind}_pool{_ARGUMENTS.format(None)}",
            f"nn.{kind}_pool2d{_ARGUMENTS.format(repr('NHWC'))}",
        ],
        keras3=f"nn.{keras3}(inputs: x, *, pool_size: size, strides=None, padding='valid', data_format=None)",
        examples=_SQUARES,
        name=f"{kind}_pool",
        summary=shown,
    )(function)
    operation(
        tf=f"nn.{kind}_pool1d{_ARGUMENTS.format(repr('NWC'))}",
        examples=_LINES,
        name=f"{kind}_pool1d",
        summary=f"`F.{kind}_pool1d`, padded steps left out.",
    )(function)
    operation(
        tf=f"compat.v1.nn.{kind}_pool{_OLD_ARGUMENTS}",
        node=node + _NODE.format(more),
        examples=_OLD,
        name=f"{kind}_pool_v1",
        summary=f"`F.{kind}_pool2d`, padded cells left out.",
    )(function)


_pooling("max", "MaxPool", "MaxPool", ", explicit_paddings: _paddings=[]")
_pooling("avg", "AveragePool", "AvgPool")


# ------------------------------------------------------------------------------------------------------ patches


@operation(
    tf=[
        "image.extract_patches(images: x, sizes: size, strides, rates: dilations, padding)",
        (
            "compat.v1.image.extract_image_patches(images: x, ksizes: size=None, strides=None, rates: dilations=None, "
            "padding=None)"
        ),
    ],
    keras3=(
        "image.ExtractPatches(images: x, *, size, strides=None, dilation_rate: dilations=1, padding='valid', "
        "data_format=None)"
    ),
    node="ExtractImagePatches(x, *, ksizes: size, strides, rates: dilations, padding)",
    examples=[
        example(
            (8, 6, 3),
            x=X,
            size=[1, 4, 2, 1],
            strides=[1, 4, 2, 1],
            dilations=[1, 1, 1, 1],
            padding="VALID",
            _only=_TF,
        ),
        example(
            (7, 9, 2),
            x=X,
            size=[1, 3, 2, 1],
            strides=[1, 2, 1, 1],
            dilations=[1, 2, 1, 1],
            padding="SAME",
            _only=_TF,
        ),
        example(
            (None, None, 2),
            x=X,
            size=[1, 3, 3, 1],
            strides=[1, 2, 2, 1],
            dilations=[1, 1, 1, 1],
            padding="SAME",
            _only=_TF,
        ),
        example((8, 6, 3), x=X, size=[4, 2], padding="valid", _only=(Dialect.KERAS3,)),
        example((7, 9, 2), x=X, size=3, strides=2, padding="same", _only=(Dialect.KERAS3,)),
    ],
)
def extract_patches(
    layer: LayerCall, x: Any, size: Any, strides: Any, dilations: Any, padding: Any, data_format: Any = None
) -> Value:
    """`unfold` of rows, then of columns; the pixels of a patch become its channels."""
    source = _pictures(layer, x, 2, data_format)
    rows, columns = kernel = _several(size, 2, "sizes")
    window = _window(kernel, kernel if strides is None else strides, padding, dilations)
    spatial = tuple(window.output(n, axis) for axis, n in enumerate(source.torch_shape[2:]))
    padded = _windows.padded(layer, source, window)
    code = method(padded, "unfold", 2, window.effective(0), window.strides[0])
    code = method(code, "unfold", 3, window.effective(1), window.strides[1])  # (N, C, H, W, rows, columns)
    if window.dilation != (1, 1):
        code = index(code, f"..., ::{window.dilation[0]}, ::{window.dilation[1]}")
    code = method(method(code, "permute", 0, 4, 5, 1, 2, 3), "flatten", 1, 3)
    channels = source.torch_shape[1]
    features = None if channels is None else channels * rows * columns
    return _windows.channels_first_value(layer, code, padded, features, spatial)
