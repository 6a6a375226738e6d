"""Models that put attention together as people do, built with a real Keras library in a child."""

from collections.abc import Callable
from typing import Any

Builder = Callable[[Any], Any]
BUILDERS: dict[str, Builder] = {}
WORDS = 7


def model(build: Builder) -> Builder:
    BUILDERS[build.__name__] = build
    return build


def _words(k: Any, steps: int, size: int) -> tuple[Any, Any]:
    """Ids, and their vectors with a mask."""
    ids = k.Input((steps,), dtype="int32")
    return ids, k.layers.Embedding(WORDS, size, mask_zero=True)(ids)


def _block(k: Any, x: Any, size: int, dropout: float = 0.0, **arguments: Any) -> Any:
    """A block of a transformer; the mask reaches the second one by other ways in Keras 3 than in tf_keras."""
    layers = k.layers
    y = layers.MultiHeadAttention(2, size // 2, dropout=dropout)(x, x, **arguments)
    x = layers.LayerNormalization(epsilon=1e-6)(layers.Add()([x, layers.Dropout(0.1)(y)]))
    y = layers.Dense(size)(layers.Dense(2 * size, activation="gelu")(x))
    return layers.LayerNormalization(epsilon=1e-6)(layers.Add()([x, y]))


@model
def masked_encoder(k: Any) -> Any:
    ids, x = _words(k, 6, 4)
    x = _block(k, _block(k, x, 4), 4, dropout=0.1)
    return k.Model(ids, [k.layers.GlobalAveragePooling1D()(x), k.layers.LSTM(3)(x)])


@model
def picture_in_patches(k: Any) -> Any:
    layers = k.layers
    x = k.Input((8, 12, 3))
    y = layers.Reshape((6, 8))(layers.Conv2D(8, 4, strides=4)(x))
    y = _block(k, _block(k, y, 8), 8)
    return k.Model(x, layers.Dense(3, activation="softmax")(layers.Flatten()(y)))


@model
def translation(k: Any) -> Any:
    """A masked decoder reads itself from left to right, and a masked encoder."""
    layers = k.layers
    source, x = _words(k, 6, 4)
    target, y = _words(k, 5, 6)
    x = _block(k, x, 4)
    y = _block(k, y, 6, use_causal_mask=True)
    z, weights = layers.MultiHeadAttention(3, 2)(y, value=x, key=x, return_attention_scores=True)
    y = layers.MultiHeadAttention(2, 4, value_dim=3)(query=layers.Add()([y, z]), value=x)
    return k.Model([source, target], [layers.Dense(WORDS, activation="softmax")(y), weights])


@model
def of_any_length(k: Any) -> Any:
    x = k.Input((None, 6))
    return k.Model(x, _block(k, x, 6, use_causal_mask=True))


@model
def shared(k: Any) -> Any:
    a, b = k.Input((5, 3)), k.Input((4, 3))
    attention = k.layers.MultiHeadAttention(2, 2)
    return k.Model([a, b], [attention(a, b), attention(b, a)])


@model
def picture_looks_at_itself(k: Any) -> Any:
    x = k.Input((6, 7, 3))
    y = k.layers.Conv2D(4, 3, padding="same")(x)
    y = k.layers.Add()([y, k.layers.MultiHeadAttention(2, 2)(y, y)])
    rows = k.layers.MultiHeadAttention(2, 2, attention_axes=(2,))(y, y)
    return k.Model(x, k.layers.Conv2D(2, 3)(rows))


@model
def words_that_matter(k: Any) -> Any:
    """Attention behind a recurrent layer; the mask goes on from one kind of attention to the other."""
    layers = k.layers
    ids, x = _words(k, 6, 4)
    x = layers.Bidirectional(layers.LSTM(3, return_sequences=True))(x)
    y = layers.Attention(use_scale=True)([x, x])
    z, weights = layers.AdditiveAttention()([y, x], return_attention_scores=True)
    y = layers.GlobalAveragePooling1D()(layers.Concatenate()([y, z]))
    return k.Model(ids, [layers.Dense(2)(y), weights])


@model
def attention_of_two_kinds(k: Any) -> Any:
    """In Keras 3, the first takes the mask away from the second."""
    ids, x = _words(k, 6, 4)
    y = k.layers.MultiHeadAttention(2, 2)(x, x)
    z = k.layers.Attention()([x, y])
    return k.Model(ids, k.layers.Add()([y, z]))
