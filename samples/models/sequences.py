"""Text and time series: recurrent models with masks, and convolutions over time."""

from samples.catalogue import Keras, Library, Model, Training, sample
from samples.data import padded_sentences, waves


@sample(Library.KERAS_2, Training(padded_sentences(2000, 60), "binary_crossentropy"))
def sentiment_lstm(keras: Keras) -> Model:
    """Padding is masked by the embedding; the last real word decides."""
    layers = keras.layers
    return keras.Sequential(
        [
            layers.Embedding(2000, 32, mask_zero=True, input_length=60),
            layers.LSTM(48, return_sequences=True, dropout=0.2),
            layers.LSTM(24),
            layers.Dense(1, activation="sigmoid"),
        ],
        name="sentiment",
    )


@sample(Library.KERAS_3, Training(padded_sentences(1500, 40), "binary_crossentropy"))
def sentiment_gru(keras: Keras) -> Model:
    """A bidirectional GRU over a masked embedding, any length."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((None,), dtype="int32", name="words"),
            layers.Embedding(1500, 24, mask_zero=True, name="embedding"),
            layers.Bidirectional(layers.GRU(32, return_sequences=True), name="context"),
            layers.GRU(16, name="summary"),
            layers.Dense(8, activation="gelu", name="hidden"),
            layers.Dense(1, activation="sigmoid", name="positive"),
        ],
        name="sentiment_gru",
    )


@sample(Library.KERAS_3)
def tagger(keras: Keras) -> Model:
    """A tag for every word: bidirectional SimpleRNN and a classifier applied at each step.

    Keras 3 writes the mask of a functional model as an operation of its own, in a file it cannot read back.
    """
    layers = keras.layers
    words = keras.Input((30,), dtype="int32", name="words")
    x = layers.Embedding(800, 16, mask_zero=True, name="embedding")(words)
    x = layers.Bidirectional(layers.SimpleRNN(20, return_sequences=True), merge_mode="sum", name="rnn")(x)
    x = layers.TimeDistributed(layers.Dense(9, activation="softmax"), name="tags")(x)
    return keras.Model(words, x, name="tagger")


@sample(Library.KERAS_2, Training(waves(96, 3), "mse", steps=30))
def forecast_conv1d(keras: Keras) -> Model:
    """Dilated causal convolutions with gates and residual sums."""
    layers = keras.layers
    series = keras.Input((96, 3), name="series")
    x = layers.Conv1D(16, 1, name="lift")(series)
    for rate in (1, 2, 4, 8):
        value = layers.Conv1D(
            16, 3, padding="causal", dilation_rate=rate, activation="tanh", name=f"value{rate}"
        )(x)
        gate = layers.Conv1D(
            16, 3, padding="causal", dilation_rate=rate, activation="sigmoid", name=f"gate{rate}"
        )(x)
        x = layers.Add(name=f"sum{rate}")([x, layers.Multiply(name=f"gated{rate}")([value, gate])])
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.MaxPooling1D(4, name="pool")(x)
    x = layers.Conv1D(8, 5, strides=2, activation="relu", name="reduce")(x)
    x = layers.Flatten(name="flatten")(x)
    return keras.Model(series, layers.Dense(1, name="next")(x), name="forecast")


@sample(Library.KERAS_2)
def gait_autoencoder(keras: Keras) -> Model:
    """Sequence to vector to sequence; steps that are all zero are masked on the way in."""
    layers = keras.layers
    return keras.Sequential(
        [
            layers.Masking(input_shape=(24, 6)),
            layers.GRU(20, return_sequences=True, reset_after=False, recurrent_activation="hard_sigmoid"),
            layers.LSTM(12),
            layers.RepeatVector(24),
            layers.LSTM(20, return_sequences=True),
            layers.TimeDistributed(layers.Dense(6)),
        ],
        name="gait",
    )
