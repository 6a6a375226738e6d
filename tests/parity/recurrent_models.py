"""Models that put recurrent layers and wrappers together as people do, built with a real Keras library in a child."""

import importlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.parity.keras_models import randomise

Builder = Callable[[Any], Any]
BUILDERS: dict[str, Builder] = {}
WORDS = 7


def model(build: Builder) -> Builder:
    BUILDERS[build.__name__] = build
    return build


def _words(k: Any, steps: int) -> tuple[Any, Any]:
    """Ids, and their vectors with a mask."""
    ids = k.Input((steps,), dtype="int32")
    return ids, k.layers.Embedding(WORDS, 3, mask_zero=True)(ids)


@model
def translation(k: Any) -> Any:
    """The states of a masked encoder start a masked decoder; Keras 3 does not use the decoder's mask."""
    source, x = _words(k, 6)
    target, y = _words(k, 5)
    _, h, c = k.layers.LSTM(4, return_state=True)(x)
    y, _, _ = k.layers.LSTM(4, return_sequences=True, return_state=True)(y, initial_state=[h, c])
    return k.Model([source, target], k.layers.Dense(WORDS, activation="softmax")(y))


@model
def any_length(k: Any) -> Any:
    source, target = k.Input((None, 3)), k.Input((None, 5))
    x, h = k.layers.GRU(4, return_state=True)(source)
    y = k.layers.GRU(4, return_sequences=True, reset_after=False)(target, initial_state=h)
    return k.Model([source, target], [y, x])


@model
def masked_stack(k: Any) -> Any:
    """The mask goes through every layer, the one that runs backwards included, which does not turn it round."""
    ids, x = _words(k, 6)
    x = k.layers.LSTM(4, return_sequences=True, go_backwards=True)(x)
    x = k.layers.Bidirectional(k.layers.GRU(3, return_sequences=True, activation="relu"))(x)
    x = k.layers.TimeDistributed(k.layers.Dense(5, activation="relu"))(k.layers.Dropout(0.2)(x))
    return k.Model(ids, k.layers.Dense(2)(k.layers.SimpleRNN(4)(x)))


@model
def given_backward_layer(k: Any) -> Any:
    x = k.Input((6, 3))
    forward = k.layers.LSTM(4, return_sequences=True)
    other = k.layers.LSTM(4, return_sequences=True, go_backwards=True, activation="softsign")
    y = k.layers.Bidirectional(forward, backward_layer=other)(x)
    # The one that is called "forward" may be the one that runs backwards.
    forward = k.layers.LSTM(4, return_sequences=True, go_backwards=True)
    other = k.layers.LSTM(4, return_sequences=True)
    return k.Model(x, k.layers.Bidirectional(forward, backward_layer=other, merge_mode="mul")(y))


@model
def all_that_both_directions_give(k: Any) -> Any:
    x, *states = k.Input((6, 3)), *(k.Input((4,)) for _ in range(4))
    both = k.layers.Bidirectional(k.layers.LSTM(4, return_sequences=True, return_state=True), merge_mode=None)
    last = k.layers.Bidirectional(k.layers.LSTM(4, return_state=True), merge_mode="ave")
    return k.Model([x, *states], [*both(x, initial_state=states), *last(x)])


@model
def shared(k: Any) -> Any:
    a, b = k.Input((5, 3)), k.Input((6, 3))
    both = k.layers.Bidirectional(k.layers.LSTM(4))
    return k.Model([a, b], k.layers.Subtract()([both(a), both(b)]))


@model
def pictures_in_time(k: Any) -> Any:
    each, layers = k.layers.TimeDistributed, k.layers
    x = k.Input((4, 9, 8, 3))
    y = each(layers.Conv2D(4, 3, activation="relu"))(x)
    y = each(layers.Flatten())(each(layers.MaxPooling2D())(each(layers.BatchNormalization())(y)))
    y = layers.LSTM(5, return_sequences=True)(y)
    return k.Model(x, each(layers.Dense(2, activation="sigmoid"))(y))


@model
def model_at_each_step(k: Any) -> Any:
    """A partly frozen model with batch statistics inside another: the stored order of its weights tells."""
    layers = k.layers
    x = k.Input((7, 6, 3))
    y = layers.Conv2D(4, 3, padding="same", trainable=False)(x)
    y = layers.Add()([y, layers.BatchNormalization()(y)])
    inner = k.Model(x, layers.GlobalAveragePooling2D()(y))
    outer = k.Sequential([layers.Input((7, 6, 3)), inner, layers.Dense(5)])
    x = k.Input((None, 7, 6, 3))
    return k.Model(x, layers.GRU(3)(layers.TimeDistributed(outer)(x)))


@model
def sentences(k: Any) -> Any:
    """Words to sentences to a text; words are masked, sentences are not."""
    ids, x = _words(k, 6)
    sentence = k.Model(ids, k.layers.LSTM(4)(x))
    text = k.Input((3, 6), dtype="int32")
    return k.Model(text, k.layers.Bidirectional(k.layers.GRU(3))(k.layers.TimeDistributed(sentence)(text)))


@model
def stacked_cells(k: Any) -> Any:
    """States of several cells travel from a masked encoder to a decoder, and cells run in both directions."""
    cells = k.layers
    ids, x = _words(k, 6)
    encoder = k.layers.RNN([cells.LSTMCell(4), cells.GRUCell(3)], return_state=True)
    both = k.layers.RNN([cells.SimpleRNNCell(3), cells.LSTMCell(4)], return_sequences=True, return_state=True)
    y, *states = encoder(x)
    target = k.Input((5, 3))
    z = k.layers.RNN([cells.LSTMCell(4), cells.GRUCell(3)], return_sequences=True)(
        target, initial_state=states
    )
    return k.Model([ids, target], [y, z, *k.layers.Bidirectional(both)(x)])


@model
def pictures_with_states(k: Any) -> Any:
    layers = k.layers
    x = k.Input((4, 6, 5, 3))
    conv = {"kernel_size": 3, "padding": "same", "return_sequences": True, "return_state": True}
    y, h, c = layers.ConvLSTM2D(2, **conv)(x)
    y = layers.BatchNormalization()(y)
    y, *_ = layers.ConvLSTM2D(2, **conv)(y, initial_state=[h, c])
    return k.Model(x, [layers.Conv3D(2, 3, padding="same")(y), c])


@model
def films_in_time(k: Any) -> Any:
    """Layers that have a time of their own, at each step of another; and a wrapper in a wrapper."""
    each, layers = k.layers.TimeDistributed, k.layers
    x = k.Input((2, 3, 6, 5, 3))
    y = each(layers.ConvLSTM2D(2, 3))(x)
    z = each(each(layers.Conv2D(2, 2)))(x)
    return k.Model(x, [y, each(layers.Bidirectional(layers.LSTM(2)))(each(each(layers.Flatten()))(z))])


@model
def masked_sentences(k: Any) -> Any:
    """Masks of the words in each sentence, for layers and for a model; before Keras 3, masks of sentences too."""
    layers, each = k.layers, k.layers.TimeDistributed
    ids = k.Input((3, 6), dtype="int32")
    x = layers.Embedding(WORDS, 4, mask_zero=True)(ids)
    words = k.Input((6, 4))
    sentence = k.Model(words, layers.GRU(2)(layers.LSTM(3, return_sequences=True)(words)))
    y = each(layers.Bidirectional(layers.LSTM(3, return_sequences=True)))(x)
    outputs = [each(sentence)(x), each(layers.GlobalAveragePooling1D())(y)]
    if k.__name__ == "tf_keras":
        outputs.append(layers.GRU(3)(each(layers.LSTM(3))(y)))
    return k.Model(ids, outputs)


@model
def memory(k: Any) -> Any:
    """States that are kept from call to call, in both directions and in a stack."""
    x = k.Input((5, 3), batch_size=2)
    y = k.layers.Bidirectional(k.layers.GRU(3, stateful=True, return_sequences=True))(x)
    return k.Model(x, k.layers.Dense(2)(k.layers.LSTM(4, stateful=True)(y)))


@model
def memory_that_is_given(k: Any) -> Any:
    """What a call gives goes before what is kept, or in tf.keras behind it, in each direction by itself."""
    x, *states = (k.Input(shape, batch_size=2) for shape in ((5, 3), (4,), (4,), (4,), (4,)))
    both = k.layers.Bidirectional(k.layers.LSTM(4, stateful=True))
    return k.Model([x, *states], both(x, initial_state=states))


def build_cudnn(payload: dict[str, Any]) -> None:
    """Save `<class>-as-<class>.h5` files of layers whose weights have the form of another class than their own."""
    k = importlib.import_module("tf_keras")
    h5py, layers = importlib.import_module("h5py"), importlib.import_module("tf_keras.src.layers")
    gru = {"activation": "tanh", "recurrent_activation": "sigmoid", "use_bias": True, "reset_after": True}
    lstm = {key: gru[key] for key in gru if key != "reset_after"}
    for kind, plain in (("LSTM", lstm), ("GRU", gru)):
        for made, named in ((f"CuDNN{kind}", kind), (kind, f"CuDNN{kind}")):
            k.backend.clear_session()
            x = k.Input((6, 3))
            y = k.layers.Bidirectional(getattr(layers, made)(4, return_sequences=True))(x)
            built = k.Model(x, getattr(layers, made)(5)(y))
            randomise(built)
            path = Path(payload["folder"]) / f"{made}-as-{named}.h5"
            built.save(path)
            with h5py.File(path, "r+") as file:
                config = json.loads(file.attrs["model_config"])
                outer, inner = config["config"]["layers"][2], config["config"]["layers"][1]["config"]["layer"]
                for entry in (outer, inner):
                    kept = {key: value for key, value in entry["config"].items() if key not in plain}
                    entry["class_name"] = named
                    entry["config"] = kept if named.startswith("CuDNN") else {**kept, **plain}
                file.attrs["model_config"] = json.dumps(config)
                for owner in (file, file["model_weights"]):
                    owner.attrs["keras_version"] = "2.2.4"
