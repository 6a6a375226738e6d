"""Models to plant faults in: one a family, each layer with odd sizes and options in which a mistake shows.

All end as real models do, so that a comparison of outputs alone has the chance that it has with those.
"""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.parity.keras_models import menagerie

Builder = Callable[[Any], Any]


def pictures(k: Any) -> Any:
    """What is done to pictures."""
    layers = k.layers
    picture = k.Input((13, 12, 4), name="picture")
    x = layers.Rescaling(0.02, offset=-1.0, name="rescale")(picture)
    x = layers.Normalization(mean=[0.1, -0.2, 0.3, -0.4], variance=[0.3, 0.6, 1.7, 2.5], name="standardize")(
        x
    )
    x = layers.Conv2D(8, (3, 2), groups=2, padding="same", name="grouped")(x)
    x = layers.GroupNormalization(groups=4, name="groups")(x)
    x = layers.PReLU(shared_axes=[1, 2], name="prelu")(x)
    x = layers.DepthwiseConv2D(3, depth_multiplier=2, name="depthwise")(x)
    x = layers.BatchNormalization(momentum=0.8, name="norm")(x)
    x = layers.ReLU(max_value=2, name="bounded")(x)
    pooled = layers.AveragePooling2D(3, strides=2, padding="same", name="average")(x)
    y = layers.SeparableConv2D(6, 3, depth_multiplier=2, padding="same", name="separable")(pooled)
    y = layers.LayerNormalization(name="layernorm")(y)
    y = layers.ELU(0.7, name="elu")(y)
    y = layers.Conv2D(6, 3, dilation_rate=2, padding="same", use_bias=False, name="dilated")(y)
    y = layers.Resizing(7, 8, interpolation="nearest", name="nearest")(y)
    y = layers.Cropping2D(((1, 0), (0, 1)), name="crop")(y)
    y = layers.ZeroPadding2D(((0, 1), (2, 0)), name="pad")(y)
    y = layers.Conv2DTranspose(4, 3, strides=2, padding="same", name="deconv")(y)
    y = layers.Activation("silu", name="silu")(y)
    y = layers.MaxPooling2D(3, strides=2, name="strided")(y)
    flat = layers.Flatten(name="flat")(y)
    peak = layers.GlobalMaxPooling2D(name="peak")(pooled)
    joined = layers.Concatenate(name="join")([layers.Dense(12, activation="relu", name="dense")(flat), peak])
    return k.Model(picture, layers.Dense(10, activation="softmax", name="head")(joined))


def sequences(k: Any) -> Any:
    """What is done to words and series."""
    layers = k.layers
    words, series = k.Input((9,), dtype="int32", name="words"), k.Input((9, 5), name="series")
    x = layers.Embedding(17, 8, mask_zero=True, name="embed")(words)
    x = layers.GRU(6, return_sequences=True, name="after")(x)
    x = layers.GRU(6, return_sequences=True, reset_after=False, name="before")(x)
    x = layers.Bidirectional(layers.LSTM(5, return_sequences=True), merge_mode="mul", name="both")(x)
    told = layers.GlobalAveragePooling1D(name="average")(x)
    y = layers.Conv1D(8, 3, padding="causal", name="causal")(series)
    y = layers.LayerNormalization(epsilon=1e-5, name="layernorm")(y)
    attended = layers.MultiHeadAttention(2, 4, name="attention")(y, y, use_causal_mask=True)
    y = layers.Add(name="residual")([y, attended])
    y = layers.EinsumDense("abc,cd->abd", output_shape=(None, 8), bias_axes="d", name="einsum")(y)
    y = layers.Activation("gelu", name="gelu")(y)
    y = layers.Dense(6, activation="hard_sigmoid", name="gate")(y)
    y = layers.SimpleRNN(6, return_sequences=True, name="simple")(y)
    y = layers.Attention(use_scale=True, name="dotted")([y, y])
    z = layers.Masking(mask_value=-1.0, name="masking")(series)
    z, hidden, cell = layers.LSTM(6, return_state=True, go_backwards=True, name="encoder")(z)
    y = layers.LSTM(6, recurrent_activation="hard_sigmoid", name="decoder")(y, initial_state=[hidden, cell])
    joined = layers.Concatenate(name="join")([told, y, z])
    return k.Model([words, series], layers.Dense(7, activation="softmax", name="head")(joined))


def vectors(k: Any) -> Any:
    """Activations, merging, encodings, sharing, and what only tf_keras has."""
    layers = k.layers
    left, right = k.Input((6, 4), name="left"), k.Input((6, 4), name="right")
    number, kind = k.Input((3,), name="number"), k.Input((4,), dtype="int32", name="kind")
    shared = layers.Dense(4, name="shared")
    a, b = shared(left), shared(right)
    a = layers.Activation("hard_sigmoid", name="hard_sigmoid")(a)
    b = layers.ThresholdedReLU(0.4, name="threshold")(b)
    b = layers.LocallyConnected1D(4, 1, name="local")(b)
    a = layers.Activation("softplus", name="softplus")(a)
    b = layers.Activation("selu", name="selu")(b)
    c = layers.Subtract(name="minus")([a, b])
    d = layers.Dot(axes=(2, 2), normalize=True, name="dot")([a, b])
    e = layers.Maximum(name="larger")([a, c])
    d = layers.Softmax(axis=1, name="softmax")(d)
    e = layers.Permute((2, 1), name="permute")(e)
    e = layers.Reshape((3, 8), name="reshape")(e)
    e = layers.UnitNormalization(axis=1, name="unit")(e)
    f = layers.Average(name="mean")(
        [layers.Flatten(name="flat")(d), layers.Flatten()(layers.Dense(12, name="wide")(e))]
    )
    bins = layers.Discretization(bin_boundaries=[-0.5, 0.0, 0.75], name="bins")(number)
    codes = layers.CategoryEncoding(5, output_mode="count", name="codes")(kind)
    g = layers.RepeatVector(3, name="repeat")(codes)
    g = layers.Activation("tanh", name="tanh")(layers.Flatten()(g))
    h = layers.Flatten()(layers.Embedding(4, 3, name="binned")(bins))
    f = layers.Activation("softsign", name="softsign")(f)
    joined = layers.Concatenate(name="join")([f, g, h])
    return k.Model([left, right, number, kind], layers.Dense(5, activation="sigmoid", name="head")(joined))


FAULT_MODELS: dict[str, tuple[str, Builder]] = {
    "menagerie": ("tf_keras", menagerie),
    "pictures": ("keras", pictures),
    "sequences": ("keras", sequences),
    "vectors": ("tf_keras", vectors),
}
"""The library that builds each, and how."""


def save_all(payload: dict[str, Any]) -> None:
    """Save the models of one library, with weights such as training leaves, as `<name>.h5`."""
    k = importlib.import_module(payload["library"])
    for name, (library, build) in FAULT_MODELS.items():
        if library == payload["library"]:
            k.backend.clear_session()
            k.utils.set_random_seed(0)
            built = build(k)
            as_trained(built)
            built.save(Path(payload["folder"]) / f"{name}.h5")


def as_trained(built: Any) -> None:
    """Kernels that keep the scale of what passes, no two alike, and vectors that no fresh model has."""
    rng = np.random.default_rng(7)
    for weight in built.weights:
        name, shape = weight.name, tuple(weight.shape)
        if "variance" in name or "gamma" in name:
            values = rng.uniform(0.5, 1.5, shape)
        elif len(shape) < 2 or "bias" in name:
            values = rng.normal(0, 0.3, shape)
        else:
            values = rng.normal(0, 1.4 / np.sqrt(np.prod(shape[:-1])), shape)
        if weight.dtype in ("float32", "float64") or "float" in str(weight.dtype):
            weight.assign(values)
