"""Exact stand-ins for what TensorFlow cannot do in float64 on a CPU, or does there with float32 constants.

Nothing of Keras is replaced, only single operations beneath it, and only where they get float64: the float32
run uses TensorFlow's own, so a stand-in that meant something else would fail the deployment tier.
"""

import importlib
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from math import sqrt
from typing import Any

import numpy as np

from keras2torch.parity.float64_images import image_stand_ins


@contextmanager
def exact_float64(tf: Any) -> Iterator[None]:
    """While this lasts, operations on float64 tensors are exact to float64."""
    nn_ops = importlib.import_module("tensorflow.python.ops.gen_nn_ops")
    image_ops = importlib.import_module("tensorflow.python.ops.gen_image_ops")
    stand_ins: dict[tuple[Any, str], Callable[..., Any]] = {
        (nn_ops, "leaky_relu"): _leaky_relu(tf),
        (tf.nn, "local_response_normalization"): _lrn(tf),
        (tf.nn, "lrn"): _lrn(tf),
        (nn_ops, "max_pool3d"): _pool3d(tf.nn.max_pool2d, tf),
        (nn_ops, "avg_pool3d"): _pool3d(tf.nn.avg_pool2d, tf),
        # The two Keras libraries reach this one by different ways.
        (tf.nn, "gelu"): _gelu(tf),
        (tf.compat.v2.nn, "gelu"): _gelu(tf),
    }
    pictures: Any = importlib.import_module("tensorflow.python.ops.image_ops_impl")
    stand_ins[pictures, "convert_image_dtype"] = lambda image, *_, **__: image
    stand_ins[image_ops, "adjust_contrastv2"] = _contrast(tf)
    for name, stand_in in image_stand_ins(tf, image_ops).items():
        stand_ins[image_ops, name] = stand_in
    keras_images = sys.modules.get("tf_keras.src.layers.preprocessing.image_preprocessing")
    if keras_images is not None:
        # tf_keras rounds images to float32 before it resizes them.
        stand_ins[keras_images, "convert_inputs"] = lambda inputs, *_, **__: inputs
    # Both libraries compile convolutions in groups with XLA, because TensorFlow has no gradient for them on a CPU; in
    # float64 that takes up to a hundred times as long (and a ConvNeXt minutes).
    keras_nn = sys.modules.get("keras.src.backend.tensorflow.nn")
    if keras_nn is not None:
        stand_ins[keras_nn, "conv"] = _convolution(tf)
    tf_keras_conv = sys.modules.get("tf_keras.src.layers.convolutional.base_conv")
    if tf_keras_conv is not None:
        # A method, so what is asked for its type here is the layer.
        stand_ins[tf_keras_conv.Conv, "_jit_compiled_convolution_op"] = lambda layer, inputs, kernel: (
            layer.convolution_op(inputs, kernel)
        )
    layers_of_symbols = sys.modules.get("tf_keras.src.layers.core.tf_op_layer")
    symbols = [] if layers_of_symbols is None else [(layers_of_symbols, "get_symbol_from_name")]
    casts = [(tf, "cast"), (tf.compat.v2, "cast")]
    dilated = [(nn_ops, "conv2d_backprop_input"), (nn_ops, "conv3d_backprop_input_v2")]
    standardized = pictures.math_ops
    pictures.math_ops = _WithoutNarrowing(tf, standardized)
    originals = {place: getattr(*place) for place in (*stand_ins, *casts, *dilated, *symbols)}
    try:
        for (module, name), stand_in in stand_ins.items():
            setattr(module, name, _by_dtype(tf, stand_in, originals[module, name]))
        for module, name in casts:
            setattr(module, name, _cast(tf, originals[module, name]))
        for module, name in symbols:
            setattr(module, name, _symbol(tf, originals[module, name]))
        for module, name in dilated:
            setattr(module, name, _dilated(tf, originals[module, name]))
        yield
    finally:
        pictures.math_ops = standardized
        for (module, name), original in originals.items():
            setattr(module, name, original)


@contextmanager
def groups_apart(tf: Any) -> Iterator[None]:
    """While this lasts, convolve group by group: TensorFlow has no gradient of convolutions in groups on a CPU."""
    operations = importlib.import_module("tensorflow.python.ops.gen_nn_ops")
    originals = {name: getattr(operations, name) for name in ("conv2d", "conv3d")}

    def apart(original: Callable[..., Any]) -> Callable[..., Any]:
        def convolve(input: Any, filter: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: A002  the operation's names
            groups = input.shape[-1] // filter.shape[-2]
            pairs = zip(tf.split(input, groups, -1), tf.split(filter, groups, -1), strict=True)
            return tf.concat([original(part, kernel, *args, **kwargs) for part, kernel in pairs], -1)

        return convolve

    try:
        for name, original in originals.items():
            setattr(operations, name, apart(original))
        yield
    finally:
        for name, original in originals.items():
            setattr(operations, name, original)


def _by_dtype(tf: Any, for_float64: Callable[..., Any], otherwise: Callable[..., Any]) -> Callable[..., Any]:
    def either(*args: Any, **kwargs: Any) -> Any:
        features = (*args, *kwargs.values())[0]
        return (for_float64 if features.dtype == tf.float64 else otherwise)(*args, **kwargs)

    return either


def _cast(tf: Any, original: Callable[..., Any]) -> Callable[..., Any]:
    """The function makes Python's numbers float32 before it casts them."""

    def cast(x: Any, dtype: Any, name: str | None = None) -> Any:
        numbers = x if isinstance(x, list | tuple) else [x]
        exact = all(isinstance(number, int | float) and not isinstance(number, bool) for number in numbers)
        if exact and tf.as_dtype(dtype) == tf.float64:
            return tf.constant(x, tf.float64)
        return original(x, dtype, name)

    return cast


def _symbol(tf: Any, original: Callable[..., Any]) -> Callable[..., Any]:
    """Layers of single operations find these in a table, not in their module."""

    def get_symbol_from_name(name: str) -> Any:
        found = original(name)
        if name != "nn.local_response_normalization":
            return found
        return wraps(found)(_by_dtype(tf, _lrn(tf), found))

    return get_symbol_from_name


class _WithoutNarrowing:
    """TensorFlow's mathematics for its functions of pictures, which make float32 of whatever they get."""

    def __init__(self, tf: Any, original: Any) -> None:
        self._tf, self._original = tf, original
        self._root: tuple[Any, Any] = (None, None)
        """What the last `rsqrt` gave in float32, and the same in float64."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._original, name)

    def cast(self, x: Any, dtype: Any, name: str | None = None) -> Any:
        wide = getattr(x, "dtype", None) == self._tf.float64 and dtype == self._tf.float32
        return x if wide else self._original.cast(x, dtype, name)

    def rsqrt(self, x: Any) -> Any:
        self._root = (self._original.rsqrt(x), self._original.rsqrt(self._tf.cast(x, self._tf.float64)))
        return self._root[0]

    def maximum(self, x: Any, y: Any) -> Any:
        rounded, exact = self._root
        if y is rounded and x.dtype == self._tf.float64:
            return self._original.maximum(x, exact)
        return self._original.maximum(x, self._tf.cast(y, x.dtype))

    def tensordot(self, a: Any, b: Any, axes: Any) -> Any:
        return self._original.tensordot(a, self._tf.constant(b, a.dtype), axes)


def _contrast(tf: Any) -> Callable[..., Any]:
    """The kernel takes no other floats than float32."""

    def adjust_contrastv2(images: Any, contrast_factor: Any, **_: Any) -> Any:
        mean = tf.reduce_mean(images, axis=[-3, -2], keepdims=True)
        return (images - mean) * tf.cast(contrast_factor, images.dtype) + mean

    return adjust_contrastv2


def _dilated(tf: Any, original: Callable[..., Any]) -> Callable[..., Any]:
    """There is no dilated transposed convolution on a CPU, in any type: the kernel is spread out instead."""

    def conv_backprop_input(
        input_sizes: Any,
        filter: Any,  # noqa: A002  the operation's own name, by which it is called
        out_backprop: Any,
        *args: Any,
        dilations: Sequence[int] = (),
        **kwargs: Any,
    ) -> Any:
        kernel = filter
        for axis, step in enumerate(dilations[1:-1]):
            if step > 1:
                size = kernel.shape[axis]
                spread = tf.constant(np.eye((size - 1) * step + 1)[:, ::step], kernel.dtype)
                order = [*range(1, axis + 1), 0, *range(axis + 1, len(kernel.shape))]
                kernel = tf.transpose(tf.tensordot(spread, kernel, [[1], [axis]]), order)
        return original(input_sizes, kernel, out_backprop, *args, **kwargs)

    return conv_backprop_input


def _convolution(tf: Any) -> Callable[..., Any]:
    """Keras 3's, not compiled; channels_last, since the reference knows no other, see `channels_first`."""

    def conv(
        inputs: Any,
        kernel: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
    ) -> Any:
        if data_format == "channels_first":
            raise ValueError(f"no float64 convolution for {data_format}")
        # Said outright, since the gradient of a convolution of volumes asks for it.
        axes = {1: "NWC", 2: "NHWC", 3: "NDHWC"}[len(kernel.shape) - 2]
        return tf.nn.convolution(inputs, kernel, strides, padding.upper(), axes, dilation_rate)

    return conv


def _leaky_relu(tf: Any) -> Callable[..., Any]:
    """The operation holds its slope as float32."""

    def leaky_relu(features: Any, alpha: float = 0.2, **_: Any) -> Any:
        return tf.where(features > 0, features, features * tf.constant(alpha, tf.float64))

    return leaky_relu


def _lrn(tf: Any) -> Callable[..., Any]:
    """There is no float64 kernel."""

    def lrn(
        input: Any,  # noqa: A002  the operation's own name, by which it is called
        depth_radius: int = 5,
        bias: float = 1.0,
        alpha: float = 1.0,
        beta: float = 0.5,
        **_: Any,
    ) -> Any:
        channels = np.arange(int(input.shape[-1]))
        near = np.abs(channels[:, None] - channels) <= depth_radius
        total = tf.tensordot(input * input, tf.constant(near.astype("float64")), 1)
        return input / (bias + alpha * total) ** beta

    return lrn


def _gelu(tf: Any) -> Callable[..., Any]:
    """The function casts its constants from float32."""

    def gelu(features: Any, approximate: bool = False, **_: Any) -> Any:
        def constant(value: float) -> Any:
            return tf.constant(value, tf.float64)

        if approximate:
            inner = features + constant(0.044715) * features * features * features
            return features * (1 + tf.tanh(constant(sqrt(2 / np.pi)) * inner)) / 2
        return features * (1 + tf.math.erf(features / constant(sqrt(2)))) / 2

    return gelu


def _pool3d(pool2d: Callable[..., Any], tf: Any) -> Callable[..., Any]:
    """There is no float64 kernel; the largest, and the mean with padding left out, may be taken plane by
    plane.
    """

    def pool3d(
        tensor: Any,
        ksize: Sequence[int],
        strides: Sequence[int],
        padding: str,
        data_format: str = "NDHWC",
        **_: Any,
    ) -> Any:
        if data_format != "NDHWC":
            raise ValueError(f"no float64 pooling for {data_format}")
        _, depth, height, width, channels = _extents(tf, tensor)
        planes = tf.reshape(tensor, (-1, height, width, channels))
        planes = pool2d(planes, ksize[2:4], strides[2:4], padding)
        _, height, width, _ = _extents(tf, planes)
        columns = tf.reshape(planes, (-1, depth, height * width, channels))
        columns = pool2d(columns, (ksize[1], 1), (strides[1], 1), padding)
        return tf.reshape(columns, (-1, _extents(tf, columns)[1], height, width, channels))

    return pool3d


def _extents(tf: Any, tensor: Any) -> list[Any]:
    """The shape, as numbers where they are known (while Keras builds a model, some are not)."""
    return [tf.shape(tensor)[axis] if n is None else n for axis, n in enumerate(tensor.shape)]
