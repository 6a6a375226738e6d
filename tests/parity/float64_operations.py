"""Runs each operation that has a stand-in both ways; inside a sandbox child with TensorFlow."""

import importlib
import math
from collections.abc import Callable
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


def gelu_truth(x: Array) -> Any:
    return x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def gelu_tanh_truth(x: Array) -> Any:
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


OPERATIONS: dict[str, tuple[tuple[int, ...], Operation, Callable[[Array], Any]]] = {
    "cast": ((3, 5), lambda tf, x: x * tf.cast(0.1, x.dtype), lambda x: x * 0.1),
    "leaky_relu": ((3, 5), lambda tf, x: tf.nn.leaky_relu(x, 0.3), lambda x: np.where(x > 0, x, x * 0.3)),
    "gelu": ((3, 5), lambda tf, x: tf.nn.gelu(x), gelu_truth),
    "gelu_tanh": ((3, 5), lambda tf, x: tf.nn.gelu(x, approximate=True), gelu_tanh_truth),
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
