"""Operations as people put them between layers: what real models do with them."""

import importlib
from collections.abc import Callable
from typing import Any

Builder = Callable[[Any], Any]
PATTERNS: dict[str, dict[str, Builder]] = {"keras": {}, "tf_keras": {}}


def pattern(library: str) -> Callable[[Builder], Builder]:
    def register(build: Builder) -> Builder:
        PATTERNS[library][build.__name__] = build
        return build

    return register


@pattern("tf_keras")
def channel_shuffle(k: Any) -> Any:
    """The ShuffleNet way, with shapes that are computed."""
    tf = importlib.import_module("tensorflow")
    x = k.Input((6, 5, 3))
    y = k.layers.Conv2D(8, 3, padding="same", activation="relu")(x)
    n, h, w = tf.shape(y)[0], tf.shape(y)[1], tf.shape(y)[2]
    y = tf.reshape(y, [n, h, w, 2, 4])
    y = tf.reshape(tf.transpose(y, [0, 1, 2, 4, 3]), tf.stack([n, h, w, 8]))
    return k.Model(x, k.layers.Conv2D(2, 1)(y))


@pattern("tf_keras")
def preprocessing(k: Any) -> Any:
    """Channels turned round, a mean taken off, edges mirrored: in front of a convolution."""
    tf = importlib.import_module("tensorflow")
    x = k.Input((None, None, 3))
    y = x[..., ::-1] - [103.939, 116.779, 123.68]
    y = tf.pad(y / 127.5, [[0, 0], [2, 1], [1, 1], [0, 0]], mode="REFLECT")
    y = k.layers.Conv2D(4, 3, strides=2, name="conv")(y)
    up = tf.image.resize(y, tf.shape(x)[1:3])
    return k.Model(x, tf.concat([x, tf.nn.sigmoid(up)], axis=-1))


@pattern("tf_keras")
def attention(k: Any) -> Any:
    """Scaled dot products written out, and a pooling weighted by them."""
    tf = importlib.import_module("tensorflow")
    x = k.Input((7, 6))
    q, key, v = (k.layers.Dense(4, name=name)(x) for name in ("q", "k", "v"))
    scores = tf.matmul(q, key, transpose_b=True) / tf.sqrt(4.0)
    weights = tf.nn.softmax(scores, axis=-1)
    heads = tf.split(tf.matmul(weights, v), 2, axis=-1)
    y = tf.concat([tf.reduce_max(heads[0], axis=1), tf.math.l2_normalize(heads[1][:, -1], axis=-1)], axis=-1)
    return k.Model(x, k.layers.Dense(3)(tf.where(y > 0.0, y, tf.exp(y) - 1.0)))


@pattern("tf_keras")
def shared_by_a_nested_model(k: Any) -> Any:
    """A model with operations in it that is called twice."""
    tf = importlib.import_module("tensorflow")
    x = k.Input((5, 4))
    inner = k.Model(
        x, tf.reduce_mean(k.layers.Dense(3, name="d")(x * [0.5, 1.0, 2.0, 4.0]), axis=1), name="inner"
    )
    a, b = k.Input((5, 4), name="a"), k.Input((5, 4), name="b")
    return k.Model([a, b], tf.abs(inner(a) - inner(b)))


@pattern("tf_keras")
def whole_numbers(k: Any) -> Any:
    """Ids compared, counted and cast: floats from what was none."""
    tf = importlib.import_module("tensorflow")
    ids = k.Input((6,), dtype="int32", name="ids")
    present = tf.cast(tf.not_equal(ids, 0), tf.float32)
    vectors = k.layers.Embedding(10, 3, name="embed")(ids)
    total = tf.reduce_sum(vectors * present[:, :, tf.newaxis], axis=1)
    return k.Model(ids, total / (tf.reduce_sum(present, axis=1, keepdims=True) + 0.1))


@pattern("keras")
def squeeze_and_excite(k: Any) -> Any:
    """A gate from the mean over a picture."""
    ops = k.ops
    x = k.Input((6, 5, 3))
    y = ops.relu(k.layers.Conv2D(8, 3, padding="same", name="conv")(x))
    gate = k.layers.Dense(8, name="gate")(ops.mean(y, axis=[1, 2], keepdims=True))
    y = y * ops.sigmoid(gate) + 1.0
    return k.Model(x, ops.concatenate([ops.max(y, axis=(1, 2)), 2.0 * ops.var(y, axis=(1, 2))], axis=-1))


@pattern("keras")
def patches(k: Any) -> Any:
    """Pictures cut into patches by reshapes and transposes, a position added, heads by einsum."""
    ops = k.ops
    x = k.Input((8, 8, 3))
    y = ops.reshape(x, (-1, 2, 4, 2, 4, 3))
    y = ops.reshape(ops.transpose(y, (0, 1, 3, 2, 4, 5)), (-1, 4, 48))
    y = k.layers.Dense(6, name="project")(y) + ops.reshape(ops.arange(24, dtype="float32") / 8.0, (4, 6))
    scores = ops.softmax(ops.einsum("bij,bkj->bik", y, y) / 2.5)
    y = ops.gelu(ops.matmul(scores, y))[:, 1:, ::2]
    return k.Model(x, ops.norm(y, axis=-1))


@pattern("keras")
def merges_and_operations(k: Any) -> Any:
    """Layers and operations of one name, side by side; a mask that stops at an operation."""
    ops = k.ops
    x = k.Input((5, 4))
    y = k.layers.Masking()(x)
    y = k.layers.LSTM(4, return_sequences=True, name="lstm")(y)
    layered = k.layers.Add(name="layer_add")([y, x])
    plain = ops.add(layered, y)
    y = ops.maximum(k.layers.Maximum(name="layer_max")([layered, plain]), 0.25)
    y = k.layers.Reshape((10, 2), name="layer_reshape")(ops.reshape(y, (-1, 4, 5)))
    return k.Model(x, ops.where(y > 0.5, y, ops.zeros_like(y)))


@pattern("tf_keras")
def losses_that_only_training_reads(k: Any) -> Any:
    """A variational autoencoder as a graph: its losses stand in it too, and are no part of what it yields."""
    tf = importlib.import_module("tensorflow")
    x = k.Input((6,))
    mean, spread = k.layers.Dense(2)(x), k.layers.Dense(2)(x)
    y = k.layers.Dense(6, activation="sigmoid")(mean + tf.exp(0.5 * spread))
    model = k.Model(x, y)
    crossentropy = k.losses.binary_crossentropy(x, y)
    divergence = -0.5 * tf.reduce_sum(1 + spread - tf.square(mean) - tf.exp(spread), axis=-1)
    model.add_loss(tf.reduce_mean(crossentropy + divergence))
    model.add_metric(divergence, name="divergence", aggregation="mean")
    return model
