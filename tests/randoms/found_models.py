"""What random models have shown to be wrong, as small models of their own: built and saved in a sandbox child."""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.parity.keras_models import randomise
from tests.parity.registry_models import allow_lists_in_configs

Builder = Callable[[Any], Any]
BUILDERS: dict[str, tuple[Builder, str, tuple[str, ...]]] = {}
BOTH = ("keras", "tf_keras")


def model(*libraries: str, suffix: str = ".h5") -> Callable[[Builder], Builder]:
    """Register a model for one or both libraries, and the format to save it in."""

    def register(build: Builder) -> Builder:
        BUILDERS[build.__name__] = (build, suffix, libraries or BOTH)
        return build

    return register


def build_all(payload: dict[str, Any]) -> dict[str, dict[str, str]]:
    k = importlib.import_module(payload["library"])
    allow_lists_in_configs(payload["library"])
    answers = {}
    for name in payload["names"]:
        build, suffix, _ = BUILDERS[name]
        k.backend.clear_session()
        k.utils.set_random_seed(1)
        built = build(k)
        randomise(built)
        built.save(Path(payload["folder"]) / f"{name}{suffix}")
        answers[name] = {"source": f"{name}{suffix}"}
    return answers


def words(k: Any, steps: int = 5) -> tuple[Any, Any]:
    """Ids, and their vectors with a mask."""
    ids = k.Input((steps,), dtype="int32")
    return ids, k.layers.Embedding(7, 4, mask_zero=True)(ids)


@model()
def softplus_of_large_numbers(k: Any) -> Any:
    """A picture of bytes: exp(x) overflows, softplus(x) does not."""
    x = k.Input((4, 3, 2))
    return k.Model(x, k.layers.Activation("softplus")(k.layers.Dense(2)(x)))


@model()
def layer_that_changes_nothing_called_twice(k: Any) -> Any:
    """Both calls yield the value that goes in."""
    x = k.Input((4,))
    y = k.layers.Dense(3)(x)
    flatten, drop = k.layers.Flatten(), k.layers.Dropout(0.5)
    return k.Model(x, [flatten(flatten(y)), drop(y), drop(y)])


@model()
def softmax_of_channels_first(k: Any) -> Any:
    """The activation goes along the last axis that there is: the width."""
    x = k.Input((2, 5, 4))
    layer = k.layers.Conv2D(3, 2, padding="same", data_format="channels_first", activation="softmax")
    return k.Model(x, layer(x))


@model()
def softmax_in_a_channels_first_recurrence(k: Any) -> Any:
    x = k.Input((4, 2, 5))
    settings = {"data_format": "channels_first", "return_state": True, "return_sequences": True}
    layer = k.layers.ConvLSTM1D(3, 2, activation="softmax", **settings)
    return k.Model(x, k.layers.Bidirectional(layer)(x))


@model("keras")
def mask_before_channels_first(k: Any) -> Any:
    """It ends at a convolution, whichever way its channels lie."""
    ids, y = words(k)
    return k.Model(ids, k.layers.DepthwiseConv1D(3, data_format="channels_first")(y))


@model(suffix=".keras")
def spectral_normalization_in_an_archive(k: Any) -> Any:
    """The archive holds the kernel twice: with the wrapper, and with what it wraps."""
    x = k.Input((6,))
    wrap = k.layers.SpectralNormalization
    frozen = wrap(k.layers.Dense(3), trainable=False)
    return k.Model(x, frozen(wrap(k.layers.Dense(4))(x)))


@model(suffix=".keras")
def frozen_layers_in_a_wrapper(k: Any) -> Any:
    """Statistics stand where their layer stands, and not behind all that is trained; shapes do not tell."""
    x = k.Input((5, 4))
    inner = k.Sequential([k.layers.Input((4,)), *(k.layers.BatchNormalization() for _ in range(2))])
    return k.Model(x, k.layers.TimeDistributed(inner, trainable=False)(x))


@model("keras", suffix=".keras")
def frozen_spectral_normalization(k: Any) -> Any:
    x = k.Input((5, 4))
    wrapped = k.layers.SpectralNormalization(k.layers.Dense(4))
    return k.Model(x, k.layers.TimeDistributed(wrapped, trainable=False)(x))


@model("keras", suffix=".keras")
def class_that_python_calls_otherwise(k: Any) -> Any:
    """The configuration says GroupQueryAttention, the archive's groups grouped_query_attention; and it has a gate."""
    x = k.Input((5, 4))
    return k.Model(x, k.layers.GroupQueryAttention(3, 4, 2, use_gate=True)(x, x))


@model("tf_keras")
def slopes_of_a_step(k: Any) -> Any:
    """A PReLU inside a TimeDistributed has slopes for the elements of a step, not for every step."""
    x = k.Input((5, 3))
    y = k.layers.TimeDistributed(k.layers.Dense(4, activation="PReLU"))(x)
    return k.Model(x, k.layers.TimeDistributed(k.layers.PReLU())(y))


@model()
def mask_round_a_model_at_each_step(k: Any) -> Any:
    """No layer of the inner model does anything with a mask."""
    ids, y = words(k)
    inner = k.Sequential([k.layers.Input((4,)), k.layers.Dense(3, activation="relu"), k.layers.Dropout(0.1)])
    return k.Model(ids, k.layers.GRU(2)(k.layers.TimeDistributed(inner)(y)))


@model()
def product_of_masked_and_plain(k: Any) -> Any:
    """Keras 3 counts masked steps as one; where everything is masked, it yields zeros."""
    ids, y = words(k)
    more, z = words(k)
    plain, vector = k.Input((5, 4)), k.Input((4,))
    multiply = k.layers.Multiply
    outputs = [multiply()([y, plain, y]), multiply()([vector, y]), multiply()([y, z]), multiply()([y, y])]
    return k.Model([ids, more, plain, vector], [*outputs, k.layers.LSTM(2)(outputs[2])])


@model()
def extremes_of_masked_and_plain(k: Any) -> Any:
    """In Keras 3 a tensor counts only at the steps that it does not mask."""
    ids, y = words(k)
    more, z = words(k)
    plain, vector = k.Input((5, 4)), k.Input((4,))
    largest, smallest = k.layers.Maximum, k.layers.Minimum
    outputs = [
        largest()([y, plain, z]),
        smallest()([plain, y, z]),
        largest()([y, vector]),
        smallest()([y, z, y]),
    ]
    return k.Model([ids, more, plain, vector], [*outputs, k.layers.LSTM(2)(outputs[3])])


@model("keras")
def embedding_in_reverse_behind_a_mask(k: Any) -> Any:
    """The mask ends there."""
    ids, y = words(k)
    scores = k.layers.ReversibleEmbedding(9, 4)(y, reverse=True)
    return k.Model(ids, k.layers.GlobalAveragePooling1D()(scores))


@model("keras")
def sum_that_looks_like_a_bias(k: Any) -> Any:
    """Keras 3 on TensorFlow takes it for one in a batch of one, and adds it along another axis than in any other."""
    x = k.Input((4, 4))
    return k.Model(x, x + k.ops.mean(x, axis=-1, keepdims=True))


@model()
def mask_of_the_callers_own(k: Any) -> Any:
    """Given to recurrent layers by name; it goes on with what comes out, and counts more than the one that came in."""
    ids, y = words(k)
    x, mask = k.Input((5, 3)), k.Input((5,), dtype="bool")
    once = k.layers.LSTM(3, return_sequences=True)(x, mask=mask)
    both = k.layers.Bidirectional(k.layers.GRU(2, return_sequences=True))(y, mask=mask)
    cell = k.layers.SimpleRNNCell(3)
    return k.Model([ids, x, mask], [k.layers.RNN(cell)(once), k.layers.GlobalAveragePooling1D()(both)])


@model("tf_keras")
def window_larger_than_the_volume(k: Any) -> Any:
    """Padding makes it fit; torch's average wants it to fit without."""
    x = k.Input((5, 2, 4, 2))
    return k.Model(x, k.layers.AveragePooling3D(3, strides=1, padding="same")(x))


@model("tf_keras")
def equal_parts_of_an_open_axis(k: Any) -> Any:
    tf = importlib.import_module("tensorflow")
    x = k.Input((None, 4))
    first, *_, last = tf.split(x, 3, 1)
    return k.Model(x, [first, last])


@model()
def nested_model_that_ends_in_a_recurrence(k: Any) -> Any:
    """What is called yields states too, which the class that the model becomes must not hand on."""
    x, y = k.Input((9, 4)), k.Input((9, 4))
    cells = [k.layers.LSTMCell(4), k.layers.LSTMCell(4)]
    pictures, stacked = (
        k.layers.ConvLSTM1D(2, 3, return_sequences=True),
        k.layers.RNN(cells, return_sequences=True),
    )
    first, second, of_both = k.Input((9, 4)), k.Input((9, 4)), k.Input((9, 4, 1))
    inner = k.Model(first, stacked(first))
    once = k.layers.LSTM(3, return_sequences=True)
    plain = k.Model(second, once(k.layers.Dense(3)(second)))
    frames = k.Model(of_both, pictures(of_both))
    return k.Model([x, y], [inner(x), plain(y), frames(k.layers.Reshape((9, 4, 1))(inner(y)))])


@model()
def recurrence_behind_a_mask_and_without(k: Any) -> Any:
    """One layer, called both ways within one model that is called twice."""
    x, inside = k.Input((4, 4)), k.Input((4, 4))
    each, last, _ = k.layers.LSTM(4, return_sequences=True, return_state=True)(inside)
    inner = k.Model(inside, [each, last])
    masked, plain = inner(k.layers.Masking(0.5)(x)), inner(x)
    return k.Model(x, [*masked, *plain])


@model()
def flags_normalized(k: Any) -> Any:
    """Keras makes numbers of them first."""
    x = k.Input((6, 5), dtype="bool")
    return k.Model(x, k.layers.Normalization()(x))


@model("tf_keras")
def strides_over_pictures_of_any_size(k: Any) -> Any:
    """How much goes before and behind is known when the pictures are."""
    x, y = k.Input((3, None, 2)), k.Input((2, 5, None, 2))
    rows = k.layers.ConvLSTM1D(3, 3, strides=2, padding="same")(x)
    frames = k.layers.ConvLSTM2D(2, 4, strides=2, padding="same", return_sequences=True)(y)
    return k.Model([x, y], [rows, frames])


@model("tf_keras")
def groups_of_channels_that_lie_last(k: Any) -> Any:
    """Of numbers far from zero, torch loses the deviations in float32 unless channels lie in front in memory too."""
    x = k.Input((9, 8, 2))
    y = k.layers.MultiHeadAttention(num_heads=2, key_dim=3)(x, value=x)
    return k.Model(x, k.layers.GroupNormalization(groups=2)(y))
