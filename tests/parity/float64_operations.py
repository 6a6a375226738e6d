"""Runs each operation that has a stand-in both ways; inside a sandbox child with TensorFlow."""

import importlib
import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from keras2torch.parity.float64 import exact_float64

Array = np.ndarray[Any, np.dtype[Any]]
Operation = Callable[[Any, Any], Any]


def pool_truth(x: Array, reduce: Callable[[Array], Any], size: tuple[int, int, int], step: int) -> Array:
    """Pooling with "same" padding, one window at a time, padding left out."""
    spans = []
    for n, k in zip(x.shape[1:4], size, strict=True):
        out = -(-n // step)
        before = max((out - 1) * step + k - n, 0) // 2
        spans.append([(max(i * step - before, 0), min(i * step - before + k, n)) for i in range(out)])
    truth = np.empty((x.shape[0], *map(len, spans), x.shape[4]))
    for index in np.ndindex(*truth.shape):
        d, h, w = (slice(*spans[axis][index[1 + axis]]) for axis in range(3))
        truth[index] = reduce(x[index[0], d, h, w, index[4]])
    return truth


def bilinear_truth(x: Array, new: tuple[int, int]) -> Array:
    for axis, size in ((1, new[0]), (2, new[1])):
        old = x.shape[axis]
        at = np.clip((np.arange(size) + 0.5) * old / size - 0.5, 0, old - 1)
        lower = np.floor(at).astype(int)
        upper = np.minimum(lower + 1, old - 1)
        shape = [1, 1, 1, 1]
        shape[axis] = size
        share = (at - lower).reshape(shape)
        x = x.take(lower, axis) * (1 - share) + x.take(upper, axis) * share
    return x


def sampled_truth(
    x: Array, new: tuple[int, int], weight: Callable[[Array], Array], *, antialias: bool = False
) -> Array:
    """Every new pixel as the weighted mean of all old ones, by how many pixels they lie apart: old pixels, or with
    `antialias` those of the two that are larger.
    """
    for axis, size in ((1, new[0]), (2, new[1])):
        old = x.shape[axis]
        apart = np.arange(old) + 0.5 - ((np.arange(size) + 0.5) * old / size)[:, None]
        shares = weight(np.abs(apart) / (max(old / size, 1) if antialias else 1))
        shares = shares / shares.sum(1, keepdims=True)
        x = np.moveaxis(np.tensordot(shares, x, (1, axis)), 0, axis)
    return x


def area_truth(x: Array, new: tuple[int, int]) -> Array:
    for axis, size in ((1, new[0]), (2, new[1])):
        old = x.shape[axis]
        x = x.repeat(size, axis)  # as fine as both
        x = x.reshape(*x.shape[:axis], size, old, *x.shape[axis + 1 :]).mean(axis + 1)
    return x


def nearest_truth(x: Array, new: tuple[int, int]) -> Array:
    for axis, size in ((1, new[0]), (2, new[1])):
        x = x.take([(2 * i + 1) * x.shape[axis] // (2 * size) for i in range(size)], axis)
    return x


def keys(x: Array) -> Array:
    near, far = 1.5 * x**3 - 2.5 * x**2 + 1, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return np.where(x < 1, near, np.where(x < 2, far, 0))


def mitchell(x: Array) -> Array:
    near, far = 7 * x**3 - 12 * x**2 + 16 / 3, -7 / 3 * x**3 + 12 * x**2 - 20 * x + 32 / 3
    return np.where(x < 1, near, np.where(x < 2, far, 0)) / 6


def lanczos(radius: int) -> Callable[[Array], Array]:
    return lambda x: np.where(x < radius, np.sinc(x) * np.sinc(x / radius), 0)


def gaussian(x: Array) -> Array:
    return np.where(x < 1.5, np.exp(-((x / 0.5) ** 2) / 2), 0)


def gelu_truth(x: Array) -> Any:
    return x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def gelu_tanh_truth(x: Array) -> Any:
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def faint_truth(x: Array) -> Any:
    """Pictures so faint that their deviation is bounded from below."""
    mean, deviation = x.mean(axis=(1, 2, 3), keepdims=True), x.std(axis=(1, 2, 3), keepdims=True)
    return (x - mean) * 1e-3 / np.maximum(deviation * 1e-3, 1 / math.sqrt(x[0].size))


OPERATIONS: dict[str, tuple[tuple[int, ...], Operation, Callable[[Array], Any]]] = {
    "cast": ((3, 5), lambda tf, x: x * tf.cast(0.1, x.dtype), lambda x: x * 0.1),
    "leaky_relu": ((3, 5), lambda tf, x: tf.nn.leaky_relu(x, 0.3), lambda x: np.where(x > 0, x, x * 0.3)),
    "gelu": ((3, 5), lambda tf, x: tf.nn.gelu(x), gelu_truth),
    "gelu_tanh": ((3, 5), lambda tf, x: tf.nn.gelu(x, approximate=True), gelu_tanh_truth),
    "standardized": (
        (2, 5, 4, 3),
        lambda tf, x: tf.image.per_image_standardization(x * tf.cast(1e-3, x.dtype)),
        faint_truth,
    ),
    "max_pool3d": (
        (2, 5, 4, 7, 3),
        lambda tf, x: tf.nn.max_pool3d(x, (2, 3, 2), 2, "SAME"),
        lambda x: pool_truth(x, np.max, (2, 3, 2), 2),
    ),
    "avg_pool3d": (
        (2, 5, 4, 7, 3),
        lambda tf, x: tf.nn.avg_pool3d(x, (3, 2, 3), 2, "SAME"),
        lambda x: pool_truth(x, np.mean, (3, 2, 3), 2),
    ),
    "resize_bilinear": (
        (2, 3, 4, 2),
        lambda tf, x: tf.image.resize(x, (7, 12), method="bilinear"),
        lambda x: bilinear_truth(x, (7, 12)),
    ),
    "resize_area": (
        (2, 3, 8, 2),
        lambda tf, x: tf.image.resize(x, (7, 5), method="area"),
        lambda x: area_truth(x, (7, 5)),
    ),
    "resize_nearest": (
        (2, 3, 8, 2),
        lambda tf, x: tf.image.resize(x, (7, 5), method="nearest"),
        lambda x: nearest_truth(x, (7, 5)),
    ),
    "resize_bilinear_antialias": (
        (2, 9, 8, 2),
        lambda tf, x: tf.image.resize(x, (4, 11), method="bilinear", antialias=True),
        lambda x: sampled_truth(x, (4, 11), lambda apart: np.maximum(1 - apart, 0), antialias=True),
    ),
    # Twice and four times as large: at positions that float32, and a table, hold exactly.
    **{
        f"resize_{method}": (
            (2, 3, 4, 2),
            partial(lambda method, tf, x: tf.image.resize(x, (6, 16), method=method), method),
            partial(lambda weight, x: sampled_truth(x, (6, 16), weight), weight),
        )
        for method, weight in {
            "bicubic": keys,
            "lanczos3": lanczos(3),
            "lanczos5": lanczos(5),
            "mitchellcubic": mitchell,
            "gaussian": gaussian,
        }.items()
    },
}


def compare_all(payload: dict[str, Any]) -> dict[str, Any]:
    tf = importlib.import_module("tensorflow")
    before = [tf.nn.gelu, importlib.import_module("tensorflow.python.ops.gen_nn_ops").leaky_relu]
    answers: dict[str, Any] = {}
    for name, (shape, operation, truth) in OPERATIONS.items():
        x = np.random.default_rng(0).normal(size=shape)
        rounded = operation(tf, tf.constant(x, tf.float32)).numpy()
        with exact_float64(tf):
            exact = operation(tf, tf.constant(x, tf.float64))
            within = operation(tf, tf.constant(x, tf.float32)).numpy()
        assert np.array_equal(within, rounded), f"{name}: float32 is not TensorFlow's own any more"
        answers[name] = {
            "dtype": exact.dtype.name,
            "to_float32": float(np.abs(exact.numpy() - rounded).max()),
            "to_truth": float(np.abs(exact.numpy() - truth(x)).max()),
        }
    after = [tf.nn.gelu, importlib.import_module("tensorflow.python.ops.gen_nn_ops").leaky_relu]
    return {**answers, "restored": before == after}
