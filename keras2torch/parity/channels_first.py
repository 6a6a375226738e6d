"""channels_first layers on a CPU, for which TensorFlow has no kernels."""

from typing import Any

from keras2torch.parity.library import Library


def channels_first_class(library: Library) -> Any:
    """A layer that computes what its inner, channels_last layer computes, on channels_first tensors.

    Weights have the same shapes either way, and their order is the inner layer's.
    """
    keras, tf = library.keras, library.tf

    class ChannelsFirst(keras.layers.Layer):  # type: ignore[misc, name-defined]
        def __init__(self, layer: dict[str, Any], **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.layer = keras.layers.deserialize(layer)

        def build(self, shape: Any) -> None:
            first = tuple(shape)
            self.layer.build((first[0], *first[2:], first[1]))
            self.built = True

        def call(self, inputs: Any) -> Any:
            rank = len(inputs.shape)
            outputs = self.layer(tf.transpose(inputs, [0, *range(2, rank), 1]))
            return tf.transpose(outputs, [0, rank - 1, *range(1, rank - 1)])

    return ChannelsFirst
