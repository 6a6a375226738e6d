"""What a real zoo also holds: a model that must be refused, with the reason."""

from samples.catalogue import Keras, Library, Model, sample


@sample(Library.KERAS_3)
def custom_layer(keras: Keras) -> Model:
    """Its own Python class is not in the file, so no converter can know what it computes."""

    class SpectralGate(keras.layers.Layer):  # type: ignore[misc]  # the base class has no annotations
        def build(self, shape: tuple[int | None, ...]) -> None:
            self.gate = self.add_weight(name="gate", shape=(shape[-1],))

        def call(self, x: Model) -> Model:
            return keras.ops.sin(x * self.gate)

    layers = keras.layers
    return keras.Sequential(
        [keras.Input((16,)), layers.Dense(8), SpectralGate(name="gate"), layers.Dense(2)], name="custom"
    )
