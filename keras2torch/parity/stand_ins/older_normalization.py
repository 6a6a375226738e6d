"""The stand-in for BatchNormalization in the modes that only Keras 1 had.

Formulas follow `keras/layers/normalization.py` of Keras 1.2.2.
"""

from typing import Any

from keras2torch.parity.library import Library
from keras2torch.parity.stand_ins import stand_in


@stand_in(
    "BatchNormalizationWithoutStatistics",
    why="neither library has had this mode of BatchNormalization since Keras 2.0",
    libraries=("tf_keras",),
)
def _without_statistics(library: Library) -> Any:
    keras, tf = library.keras, library.tf

    class BatchNormalizationWithoutStatistics(keras.layers.Layer):  # type: ignore[misc, name-defined]
        """Mode 1 normalises each vector along the last axis, mode 2 each channel of the batch at hand."""

        def __init__(self, mode: int, axis: int = -1, epsilon: float = 1e-3, **kwargs: Any) -> None:
            kwargs.pop("momentum", None)
            super().__init__(**kwargs)
            self.mode, self.axis, self.epsilon, self.supports_masking = mode, axis, epsilon, True

        def build(self, shape: Any) -> None:
            extent = shape[self.axis]
            self.own_axis = self.axis % len(shape)
            self.gamma, self.beta = (
                self.add_weight(shape=(extent,), name=role) for role in ("gamma", "beta")
            )
            for role in ("moving_mean", "moving_variance"):
                self.add_weight(shape=(extent,), name=role, trainable=False)
            self.built = True

        def call(self, inputs: Any) -> Any:
            rank = len(inputs.shape)
            axes = [rank - 1] if self.mode == 1 else [axis for axis in range(rank) if axis != self.own_axis]
            mean = tf.reduce_mean(inputs, axes, keepdims=True)
            variance = tf.reduce_mean(tf.square(inputs - mean), axes, keepdims=True)
            deviation = tf.sqrt(variance + self.epsilon) + (self.epsilon if self.mode == 1 else 0)
            along = [-1 if axis == self.own_axis else 1 for axis in range(rank)]
            return (inputs - mean) / deviation * tf.reshape(self.gamma, along) + tf.reshape(self.beta, along)

    return BatchNormalizationWithoutStatistics
