"""Models full of Lambda layers, saved by real Keras in a sandbox child, and what their functions compute there."""

import base64
import importlib
import marshal  # noqa: TID251  to write what is read; nothing here reads with it
import types
from collections.abc import Callable
from typing import Any

import numpy as np

from keras2torch.bytecode.recognise import StoredFunction, recognise
from keras2torch.parity.float64 import exact_float64
from keras2torch.parity.stand_ins.operator_tree import evaluate

INPUTS: dict[str, tuple[int, ...]] = {"image": (6, 5, 3), "steps": (7, 4), "a": (5,), "b": (5,)}

BACKEND = {
    "image": [
        "lambda x: x / 127.5 - 1.",
        "lambda x: (x / 255.0) - 0.5",
        "lambda x: K.mean(x, axis=[1, 2])",
        "lambda x: K.mean(x, axis=-1, keepdims=True)",
        "lambda x: K.max(x, axis=3)",
        "lambda x: K.permute_dimensions(x, (0, 3, 1, 2))",
        "lambda x: K.reverse(x, axes=2)",
        "lambda x: K.resize_images(x, 2, 3, 'channels_last')",
        "lambda x: K.batch_flatten(x)",
        "lambda x: K.expand_dims(x, axis=-1)",
        "lambda x: K.squeeze(x[:, :1], axis=1)",
        "lambda x: x[:, ::2, 1:, 0]",
        "lambda x: x[..., ::-1]",
        "lambda x: K.concatenate([x, -x], axis=-1)",
        "lambda x: K.stack([x, K.square(x)], axis=1)",
        "lambda x: x - [103.939, 116.779, 123.68]",
        "lambda x: tf.transpose(x, perm=[0, 2, 1, 3])",
        "lambda x: tf.pad(x, [[0, 0], [1, 2], [0, 1], [0, 0]])",
        "lambda x: tf.nn.l2_normalize(x, axis=-1, epsilon=0.5)",
        "lambda x: tf.reshape(x, (-1, 10, 9))",
        "lambda x: K.reshape(x, (K.shape(x)[0], -1))",
        "lambda x: tf.compat.v1.image.resize_images(x, (9, 11))",
        "lambda x: tf.compat.v1.image.resize_images(x, (9, 11), align_corners=True)",
        "lambda x: tf.compat.v1.image.resize_images(x, (9, 11), tf.image.ResizeMethod.NEAREST_NEIGHBOR)",
        "lambda x: tf.compat.v1.image.resize(x, (9, 11))",
        "lambda x: tf.compat.v1.image.resize(x, (9, 11), method='bilinear', align_corners=True)",
        "lambda x: tf.compat.v1.image.flip_left_right(x)",
        "lambda x: tf.image.resize(x, (9, 11))",
        "lambda x: tf.nn.space_to_depth(x[:, :, :4], 2)",
        "lambda x: tf.concat([x[:, :, :2], x[:, :, 3:]], axis=2)",
        "lambda x: x[:, :, :x.shape[2] // 2] / x.shape[1]",
        "lambda x: K.reshape(x, (-1, K.int_shape(x)[1] * x.get_shape()[2], x.shape.as_list()[-1]))",
        "lambda x: tf.image.rgb_to_grayscale(x)",
        "lambda x: tf.image.resize(x, (5, 9), method='bicubic') + tf.image.resize(x, (5, 9), antialias=True)",
        "lambda x: tf.image.extract_patches(x, [1, 2, 2, 1], [1, 2, 2, 1], [1, 1, 1, 1], 'VALID')",
        "lambda x: tf.nn.lrn(x, depth_radius=1, bias=2.0, alpha=0.1, beta=0.75)",
        "lambda x: tf.nn.moments(x, axes=[1, 2], keepdims=True)[1]",
        (
            "def norm(x):\n    m, v = tf.nn.moments(x, [1, 2], keepdims=True)\n"
            "    return tf.nn.batch_normalization(x, m, v, None, None, 1e-5)"
        ),
        "lambda x: K.pool2d(x, (2, 2), strides=(2, 2), padding='same', pool_mode='avg')",
        "lambda x: K.spatial_2d_padding(x, ((1, 2), (0, 1)))",
        "lambda x: tf.image.per_image_standardization(x)",
        "lambda x: tf.image.adjust_contrast(tf.image.flip_left_right(tf.image.transpose(x)), 1.5)",
        "lambda x: tf.nn.max_pool2d(x, 2, 2, 'SAME') + tf.nn.avg_pool2d(x, 3, 2, 'SAME')",
        "def mean(x):\n    r, g, b = tf.unstack(x, axis=-1)\n    return tf.stack([r, (g + b) / 2.], axis=1)",
    ],
    "steps": [
        "lambda x: K.l2_normalize(x, axis=1)",
        "lambda x: K.sum(x, axis=1)",
        "lambda x: K.min(x, 1)",
        "lambda x: K.prod(x, axis=-1)",
        "lambda x: K.std(x, axis=1)",
        "lambda x: K.var(x, axis=2, keepdims=True)",
        "lambda x: K.sqrt(x)",
        "lambda x: K.abs(x) + K.exp(x) * K.sign(x) - K.round(x)",
        "lambda x: K.log(K.square(x) + K.epsilon())",
        "lambda x: K.sin(x) * K.cos(x)",
        "lambda x: K.clip(x, -0.5, 0.75)",
        "lambda x: K.pow(x, 3)",
        "lambda x: K.maximum(x, 0.25) - K.minimum(x, -0.25)",
        "lambda x: K.relu(x)",
        "lambda x: K.relu(x, max_value=0.5)",
        "lambda x: K.relu(x, alpha=0.3)",
        "lambda x: K.elu(x)",
        "lambda x: K.sigmoid(x) + K.tanh(x) + K.softplus(x) + K.softsign(x)",
        "lambda x: K.hard_sigmoid(x)",
        "lambda x: K.softmax(x)",
        "lambda x: K.softmax(x, axis=1)",
        "lambda x: K.cumsum(x, axis=1)",
        "lambda x: K.repeat_elements(x, 3, axis=1)",
        "lambda x: K.tile(x, [1, 2, 3])",
        "lambda x: K.reshape(x, (-1, 14, 2))",
        "lambda x: K.ones_like(x) - x + K.zeros_like(x)",
        "lambda x: K.stop_gradient(x) * 2",
        "lambda x: K.cast(K.greater(x, 0), K.floatx()) * x",
        "lambda x: K.constant([1., 2., 3., 4.]) * x",
        "lambda x: x[:, -1]",
        "lambda x: x[:, None, 2:5]",
        "lambda x: 2 ** x % 3 // 0.5",
        "lambda x: tf.nn.softmax(tf.math.multiply(x, 2.0), axis=1)",
        "lambda x: tf.reduce_mean(x, 1)",
        "lambda x: tf.math.reduce_max(x, axis=-1, keepdims=True)",
        "lambda x: tf.expand_dims(x, 1)",
        "lambda x: tf.reverse(x, axis=[1])",
        "lambda x: tf.where(x > 0.1, x, -x)",
        "lambda x: tf.clip_by_value(x, -1.0, 0.5)",
        "lambda x: tf.nn.leaky_relu(x, alpha=0.1) + tf.nn.selu(x)",
        "lambda x: tf.matmul(x, x, transpose_b=True)",
        "lambda x: x - tf.reduce_min(x, axis=1, keepdims=True)",
        "lambda x: tf.norm(x, axis=-1)",
        "lambda x: tf.math.squared_difference(x, 0.5)",
        "lambda x: tf.math.rsqrt(tf.math.square(x) + 1.0)",
        "lambda x: tf.gather(x, [0, 2], axis=-1)",
        "lambda x: tf.tile(x, [1, 2, 1])",
        "def gated(x):\n    a, b = tf.split(x, 2, axis=-1)\n    return a * tf.sigmoid(b)",
        "lambda x: K.dot(x, K.constant([[1., 2.], [0.5, -1.], [0.25, 3.], [2., 0.]]))",
        "lambda x: K.batch_dot(x, x, axes=2)",
        "lambda x: K.batch_dot(x, x, axes=[1, 1])",
        "lambda x: K.batch_dot(x, K.permute_dimensions(x, (0, 2, 1)))",
        "lambda x: tf.einsum('bij,bkj->bik', x, x)",
        "lambda x: tf.math.top_k(x, k=2)[0]",
        "lambda x: tf.nn.top_k(x, k=2).values",
        "lambda x: tf.keras.activations.swish(x) + tf.keras.activations.gelu(x) + tf.nn.gelu(x, approximate=True)",
        "lambda x: tf.where(tf.math.is_nan(x), tf.zeros_like(x), x)",
        "lambda x: tf.where(tf.logical_and(x > 0, x < 1), x, -x)",
        "lambda x: tf.argmax(x, axis=-1, output_type=tf.int32)",
        "lambda x: x * tf.cast(tf.range(4), K.floatx()) + np.arange(4) + np.eye(4)[1] - np.zeros((7, 1))",
        "lambda x: x + tf.cast(tf.range(tf.shape(x)[1])[:, None], K.floatx())",
        "lambda x: x + tf.ones((7, 4), K.floatx()) * 2 + K.arange(0, 8, 2, dtype=K.floatx())",
        "lambda x: x * tf.ones([tf.shape(x)[0], 1, 1], dtype=K.floatx()) + tf.zeros(tf.shape(x), K.floatx())",
        "lambda x: x[:, :4] + tf.linalg.band_part(x[:, :4], -1, 0)",
        "lambda x: tf.linalg.matvec(x, x[:, 0])",
        "lambda x: tf.nn.crelu(x)",
        "lambda x: K.temporal_padding(x, (2, 1))",
        "lambda x: K.bias_add(x, K.constant([1., 2., 3., 4.])) * max(2, 3) * sum([1, 2])",
        "lambda x: sum([x, x * x, 1.0])",
        "lambda x: x + (K.constant([1., 2., 3., 4.]) + K.constant([0.5, 1., 1.5, 2.]))",
        "lambda x: x * (np.array([1., 2., 3., 4.]) / 2 - np.array([[1.], [2.]])[0])",
    ],
    "a": ["lambda x: K.repeat(x, 3)", "lambda x, n=3: x * n", "lambda x: K.expand_dims(x)"],
    "a b": [
        "lambda x: K.abs(x[0] - x[1])",
        "lambda x: x[0] * x[1] + x[0]",
        "lambda x: K.concatenate(x)",
        "lambda x: K.concatenate([x[0], x[1], x[0] * x[1]], axis=1)",
        "lambda x: K.stack(x, axis=1)",
        "lambda x: K.batch_dot(x[0], x[1], axes=1)",
        "lambda t: tf.stack([t[1], t[0]], axis=-1)",
        "lambda x: K.mean(K.square(x[0] - x[1]), axis=-1, keepdims=True)",
        (
            "def distance(vectors):\n    x, y = vectors\n    total = K.sum(K.square(x - y), axis=1, keepdims=True)\n"
            "    return K.sqrt(K.maximum(total, K.epsilon()))"
        ),
        (
            "def cosine(vectors):\n    x, y = vectors[0], vectors[1]\n"
            "    x, y = K.l2_normalize(x, axis=-1), K.l2_normalize(y, axis=-1)\n"
            "    return -K.mean(x * y, axis=-1, keepdims=True)"
        ),
        "def imports(x):\n    import tensorflow as tf\n    return tf.math.add(x[0], tf.math.maximum(x[0], x[1]))",
    ],
}
"""Functions of Keras 2's backend and of TensorFlow, by the inputs that they are called on."""

OPS = {
    "image": [
        "lambda x: x / 127.5 - 1.",
        "lambda x: ops.mean(x, axis=(1, 2))",
        "lambda x: ops.transpose(x, (0, 3, 1, 2))",
        "lambda x: ops.concatenate([x, ops.negative(x)], axis=-1)",
        "lambda x: ops.reshape(x, (-1, 10, 9))",
        "lambda x: x[:, ::2, 1:, 0]",
    ],
    "steps": [
        "lambda x: ops.sqrt(ops.square(x)) * ops.exp(x)",
        "lambda x: ops.softmax(x, axis=1)",
        "lambda x: ops.clip(x, -0.5, 0.75)",
        "lambda x: ops.expand_dims(x, 1)",
        "lambda x: ops.max(x, axis=-1, keepdims=True)",
        "lambda x: ops.relu(x) + ops.sigmoid(x) - ops.tanh(x)",
        "lambda x: tf.reduce_sum(x, axis=1)",
        "lambda x: ops.silu(x) + ops.gelu(x) + ops.gelu(x, approximate=False) + ops.leaky_relu(x)",
        "lambda x: ops.hard_sigmoid(x) + ops.hard_silu(x) + ops.relu6(x) + ops.elu(x) + ops.selu(x)",
        "lambda x: ops.where(ops.greater(x, 0.1), x, ops.floor(x))",
        "lambda x: ops.matmul(x, ops.transpose(x, (0, 2, 1)))",
        "lambda x: ops.flip(x, axis=1) + ops.roll(x, 1, axis=1) + ops.cumsum(x, axis=2)",
        "def gated(x):\n    a, b = ops.split(x, 2, axis=-1)\n    return ops.tile(a * ops.sigmoid(b), [1, 2, 1])",
    ],
    "a b": ["lambda x: ops.abs(ops.subtract(x[0], x[1]))", "lambda x: ops.stack(x, axis=1)"],
}
"""Functions of Keras 3."""


def cases(library: str) -> list[tuple[str, str, str]]:
    """(name of a layer, its inputs, source of its function)."""
    functions = OPS if library == "keras" else BACKEND
    return [
        (f"{inputs.replace(' ', '')}_{number}", inputs, source)
        for inputs, sources in functions.items()
        for number, source in enumerate(sources)
    ]


def _made(k: Any, tf: Any, source: str) -> Callable[..., Any]:
    names = {"K": k.backend, "tf": tf, "np": np, "ops": getattr(k, "ops", None)}
    exec(f"f = {source}" if source.startswith("lambda") else source, names)  # noqa: S102  our own text
    (function,) = [each for each in names.values() if isinstance(each, types.FunctionType)]
    # Keras 3 keeps the bytecode of functions of this name only.
    if hasattr(k, "ops"):
        function.__name__ = "<lambda>"
    return function


def save(payload: dict[str, Any]) -> None:
    """A model with an output for every function."""
    k, tf = importlib.import_module(payload["library"]), importlib.import_module("tensorflow")
    inputs = {name: k.Input(shape, name=name) for name, shape in INPUTS.items()}
    outputs = []
    for name, called_on, source in cases(payload["library"]):
        tensors = [inputs[each] for each in called_on.split()]
        layer = k.layers.Lambda(_made(k, tf, source), name=name)
        outputs.append(layer(tensors if len(tensors) > 1 else tensors[0]))
    if payload["library"] == "keras":  # the other keeps no more of an activation than that it was one
        outputs.append(k.layers.Dense(3, activation=lambda x: x * x - 1, name="dense")(inputs["a"]))
    k.Model(list(inputs.values()), outputs).save(payload["path"])


def compare_with_calls(payload: dict[str, Any]) -> dict[str, float]:
    """How far, in float64, each expression is from what its function yields when Keras calls it."""
    k, tf = importlib.import_module(payload["library"]), importlib.import_module("tensorflow")
    k.backend.set_floatx("float64")
    generator = np.random.default_rng(5)
    tensors = {name: tf.constant(generator.normal(size=(3, *shape))) for name, shape in INPUTS.items()}
    errors = {}
    for _, called_on, source in cases(payload["library"]):
        function = _made(k, tf, source)
        code = base64.b64encode(marshal.dumps(function.__code__)).decode("ascii")
        found = recognise(StoredFunction(code, list(function.__defaults__ or ())))
        given = [tensors[each] for each in called_on.split()]
        argument = given if len(given) > 1 else given[0]
        with exact_float64(tf):
            ours, theirs = evaluate(tf, "float64", found.tree, argument), function(argument)
        if ours.shape != theirs.shape:
            errors[source] = float("inf")
        else:
            difference = np.abs(np.asarray(ours, float) - np.asarray(theirs, float))
            errors[source] = float(np.nan_to_num(difference, nan=0.0).max())
    return errors
