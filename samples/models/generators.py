"""Models that make images and volumes."""

from samples.catalogue import Keras, Library, Model, sample


@sample(Library.KERAS_2)
def vae_decoder(keras: Keras) -> Model:
    """A point of the latent space to a 28x28 picture."""
    layers = keras.layers
    latent = keras.Input((8,), name="latent")
    x = layers.Dense(7 * 7 * 32, activation="relu", name="seed")(latent)
    x = layers.Reshape((7, 7, 32), name="grid")(x)
    x = layers.Conv2DTranspose(32, 3, strides=2, padding="same", activation="relu", name="up1")(x)
    x = layers.Conv2DTranspose(16, 3, strides=2, padding="same", activation="relu", name="up2")(x)
    picture = layers.Conv2DTranspose(1, 3, padding="same", activation="sigmoid", name="picture")(x)
    return keras.Model(latent, picture, name="vae_decoder")


@sample(Library.KERAS_3)
def volume_classifier(keras: Keras) -> Model:
    """A scan in three dimensions, pooled and classified."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((16, 24, 24, 1)),
            layers.Conv3D(8, 3, padding="same", activation="relu"),
            layers.MaxPooling3D((1, 2, 2)),
            layers.Conv3D(16, (2, 3, 3), strides=(1, 2, 2)),
            layers.BatchNormalization(),
            layers.ReLU(max_value=6.0),
            layers.AveragePooling3D(2),
            layers.Flatten(),
            layers.Dense(4, activation="softmax"),
        ],
        name="volume",
    )
