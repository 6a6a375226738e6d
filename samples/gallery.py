"""Writes down the gallery's nets that are not in keras.applications: `python -m samples.gallery`, with real Keras.

What is kept is what Keras's own `to_json` says, less initializers and the like, so that the gallery itself
needs no Keras.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from samples.architectures import pruned_model

TARGET = Path("docs/gallery/architectures")


def two_conv_classifier(keras: Any) -> Any:
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(10, activation="softmax"),
        ],
        name="digits",
    )


def unet(keras: Any) -> Any:
    layers = keras.layers

    def twice(x: Any, filters: int) -> Any:
        for _ in range(2):
            x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
            x = layers.BatchNormalization()(x)
            x = layers.Activation("relu")(x)
        return x

    image = keras.Input((128, 128, 3), name="image")
    x, kept = image, []
    for filters in (32, 64, 128, 256):
        x = twice(x, filters)
        kept.append(x)
        x = layers.MaxPooling2D(2)(x)
    x = twice(x, 512)
    for filters, skip in zip((256, 128, 64, 32), reversed(kept), strict=True):
        x = layers.Conv2DTranspose(filters, 2, strides=2, padding="same")(x)
        x = twice(layers.Concatenate()([x, skip]), filters)
    mask = layers.Conv2D(1, 1, activation="sigmoid", name="mask")(x)
    return keras.Model(image, mask, name="unet")


def bilstm_tagger(keras: Any) -> Any:
    layers = keras.layers
    words = keras.Input((None,), dtype="int32", name="words")
    x = layers.Embedding(20000, 128, mask_zero=True, name="embedding")(words)
    for number in (1, 2):
        lstm = layers.LSTM(128, return_sequences=True)
        x = layers.Bidirectional(lstm, name=f"bilstm{number}")(x)
    tags = layers.Dense(17, activation="softmax", name="tags")(layers.Dropout(0.3)(x))
    return keras.Model(words, tags, name="bilstm_tagger")


def transformer_encoder(keras: Any) -> Any:
    layers = keras.layers
    words = keras.Input((128,), dtype="int32", name="words")
    x = layers.Embedding(20000, 256, name="embedding")(words)
    for number in range(4):
        name = f"encoder{number}"
        heads = layers.MultiHeadAttention(8, 32, dropout=0.1, name=f"{name}_attention")(x, x)
        x = layers.LayerNormalization(epsilon=1e-6, name=f"{name}_norm1")(x + heads)
        y = layers.Dense(1024, activation="gelu", name=f"{name}_expand")(x)
        y = layers.Dense(256, name=f"{name}_project")(y)
        y = layers.Dropout(0.1, name=f"{name}_dropout")(y)
        x = layers.LayerNormalization(epsilon=1e-6, name=f"{name}_norm2")(x + y)
    x = layers.GlobalAveragePooling1D()(x)
    label = layers.Dense(2, activation="softmax", name="label")(x)
    return keras.Model(words, label, name="transformer_encoder")


def vae(keras: Any) -> Any:
    """Deterministic: the code is the mean, as at inference, and the log variance is an output beside the picture."""
    layers = keras.layers
    image = keras.Input((28, 28, 1), name="image")
    x = layers.Conv2D(32, 3, strides=2, padding="same", activation="relu")(image)
    x = layers.Conv2D(64, 3, strides=2, padding="same", activation="relu")(x)
    x = layers.Dense(16, activation="relu")(layers.Flatten()(x))
    mean = layers.Dense(2, name="z_mean")(x)
    log_variance = layers.Dense(2, name="z_log_var")(x)
    # Drawn in training alone, as this layer's noise is: else the mean is decoded.
    noise = layers.GaussianNoise(1.0, name="noise")(keras.ops.zeros_like(mean))
    z = layers.Add(name="z")([mean, keras.ops.exp(0.5 * log_variance) * noise])
    encoder = keras.Model(image, [mean, log_variance, z], name="encoder")
    code = keras.Input((2,), name="code")
    x = layers.Dense(7 * 7 * 64, activation="relu")(code)
    x = layers.Reshape((7, 7, 64))(x)
    x = layers.Conv2DTranspose(64, 3, strides=2, padding="same", activation="relu")(x)
    x = layers.Conv2DTranspose(32, 3, strides=2, padding="same", activation="relu")(x)
    picture = layers.Conv2DTranspose(1, 3, padding="same", activation="sigmoid")(x)
    decoder = keras.Model(code, picture, name="decoder")
    mean, log_variance, z = encoder(image)
    return keras.Model(image, [decoder(z), mean, log_variance], name="vae")


def recommender(keras: Any) -> Any:
    layers = keras.layers
    user = keras.Input((1,), dtype="int32", name="user")
    item = keras.Input((1,), dtype="int32", name="item")
    features = keras.Input((12,), name="features")
    u = layers.Flatten()(layers.Embedding(10000, 64, name="user_embedding")(user))
    i = layers.Flatten()(layers.Embedding(5000, 64, name="item_embedding")(item))
    match = layers.Dot(axes=1, name="match")([u, i])
    x = layers.Concatenate(name="all")([u, i, features, match])
    for number, units in enumerate((128, 64), 1):
        x = layers.Dense(units, activation="relu", name=f"dense{number}")(x)
        x = layers.Dropout(0.2, name=f"dropout{number}")(x)
    score = layers.Dense(1, activation="sigmoid", name="score")(x)
    return keras.Model([user, item, features], score, name="recommender")


NETS: Mapping[str, Callable[[Any], Any]] = {
    build.__name__: build
    for build in (two_conv_classifier, unet, bilstm_tagger, transformer_encoder, vae, recommender)
}


def _pruned(value: Any) -> Any:
    """Nested models too."""
    if value["class_name"] == "Sequential" or "input_layers" not in value["config"]:
        return value
    layers = [
        _pruned(layer) if layer["class_name"] == "Functional" else layer
        for layer in value["config"]["layers"]
    ]
    return {**value, "config": pruned_model({**value["config"], "layers": layers})}


def main() -> int:
    keras = importlib.import_module("keras")
    TARGET.mkdir(parents=True, exist_ok=True)
    for name, build in NETS.items():
        keras.backend.clear_session()
        described = json.loads(build(keras).to_json())
        kept = {key: described[key] for key in ("class_name", "config")}
        text = json.dumps({**_pruned(kept), "keras_version": keras.__version__}, sort_keys=True)
        (TARGET / f"{name}.json").write_text(text + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
