"""Models whose interest is their wiring: several inputs and outputs, nested and shared layers."""

from samples.catalogue import Keras, Library, Model, Training, sample
from samples.data import houses

_HOUSE_LOSSES = {"price": "mse", "sold": "binary_crossentropy"}


@sample(Library.KERAS_3, Training(houses(12, 40), _HOUSE_LOSSES, steps=40))
def house_prices(keras: Keras) -> Model:
    """Two inputs (a table and a category), two outputs."""
    layers = keras.layers
    features = keras.Input((12,), name="features")
    district = keras.Input((1,), dtype="int32", name="district")
    place = layers.Flatten(name="place")(layers.Embedding(40, 6, name="districts")(district))
    x = layers.LayerNormalization(name="norm")(features)
    x = layers.Concatenate(name="join")([x, place])
    x = layers.Dense(32, activation="relu", name="hidden")(x)
    x = layers.BatchNormalization(name="hidden_norm")(x)
    price = layers.Dense(1, name="price")(x)
    sold = layers.Dense(1, activation="sigmoid", name="sold")(
        layers.Concatenate(name="with_price")([x, price])
    )
    return keras.Model([features, district], [price, sold], name="house_prices")


@sample(Library.KERAS_2)
def twins(keras: Keras) -> Model:
    """Two signatures through one nested encoder (shared weights), compared in four ways."""
    layers = keras.layers
    encoder = keras.Sequential(
        [
            layers.Conv2D(8, 5, strides=2, activation="relu", input_shape=(40, 60, 1), name="strokes"),
            layers.ZeroPadding2D(((1, 0), (0, 1)), name="pad"),
            layers.MaxPooling2D(3, strides=2, padding="same", name="pool"),
            layers.Conv2D(12, 3, padding="same", activation="relu", name="shapes"),
            layers.Cropping2D(((0, 1), (1, 0)), name="crop"),
            layers.Flatten(name="flatten"),
            layers.Dense(24, name="code"),
        ],
        name="encoder",
    )
    left = keras.Input((40, 60, 1), name="left")
    right = keras.Input((40, 60, 1), name="right")
    a, b = encoder(left), encoder(right)
    parts = [
        layers.Subtract(name="difference")([a, b]),
        layers.Multiply(name="product")([a, b]),
        layers.Maximum(name="upper")([a, b]),
        layers.Average(name="mean")([a, b]),
    ]
    x = layers.Dense(16, activation="selu", name="compare")(layers.Concatenate(name="facts")(parts))
    return keras.Model(
        [left, right], layers.Dense(1, activation="sigmoid", name="same_hand")(x), name="twins"
    )


@sample(Library.KERAS_3)
def credit_score(keras: Keras) -> Model:
    """A plain table model that goes through the activation layers."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((20,)),
            layers.GaussianNoise(0.1),
            layers.Dense(32),
            layers.PReLU(),
            layers.LayerNormalization(),
            layers.Dense(24),
            layers.LeakyReLU(),
            layers.Dense(24, activation="softplus"),
            layers.BatchNormalization(),
            layers.Dense(16),
            layers.ELU(alpha=0.5),
            layers.AlphaDropout(0.1),
            layers.Dense(3, activation="softmax"),
        ],
        name="credit_score",
    )
