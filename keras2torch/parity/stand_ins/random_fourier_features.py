"""The stand-in for a layer that tf_keras reads back only if it is told the class, and that rounds all to float32."""

from typing import Any

from keras2torch.parity.library import Library
from keras2torch.parity.stand_ins import stand_in


@stand_in(
    "RandomFourierFeatures",
    why="its library computes it in float32 whatever the model says",
    libraries=("tf_keras",),
)
def _random_fourier_features(library: Library) -> Any:
    keras, tf = library.keras, library.tf

    class RandomFourierFeatures(keras.layers.Layer):  # type: ignore[misc, name-defined]
        def __init__(self, output_dim: int, scale: float | None = None, **kwargs: Any) -> None:
            kwargs.pop("kernel_initializer", None)
            super().__init__(**kwargs)
            self.output_dim, self.scale = output_dim, scale

        def build(self, shape: Any) -> None:
            self.kernel_scale = self.add_weight(shape=(1,), name="kernel_scale")
            kernel = (shape[-1], self.output_dim)
            self.unscaled_kernel = self.add_weight(shape=kernel, name="unscaled_kernel", trainable=False)
            self.bias = self.add_weight(shape=(self.output_dim,), name="bias", trainable=False)
            self.built = True

        def call(self, inputs: Any) -> Any:
            return tf.cos(tf.matmul(inputs, self.unscaled_kernel) / self.kernel_scale + self.bias)

        def get_config(self) -> dict[str, Any]:
            own = {"output_dim": self.output_dim, "kernel_initializer": "gaussian", "scale": self.scale}
            return {**super().get_config(), **own}

    return RandomFourierFeatures
