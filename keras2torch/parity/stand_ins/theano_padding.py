"""The stand-in for convolutions whose input Theano padded, as Keras's backend for it said (`theano_backend.py`)."""

from typing import Any

from keras2torch.parity.library import Library
from keras2torch.parity.stand_ins import stand_in


@stand_in("PaddedByTheano", why="Theano's padding is no other backend's", libraries=("tf_keras",))
def _padded_by_theano(library: Library) -> Any:
    keras, tf = library.keras, library.tf

    class PaddedByTheano(keras.layers.Layer):  # type: ignore[misc, name-defined]
        """`layer`, which pads nothing, behind padding; of "half", what is more than a step for every stride is cut off.

        The other options are those of `layer`.
        """

        def __init__(
            self,
            layer: dict[str, Any],
            padding: str,
            kernel_size: Any,
            strides: Any = 1,
            dilation_rate: Any = 1,
            data_format: str | None = None,
            **kwargs: Any,
        ) -> None:
            super().__init__(**kwargs)
            self.layer = keras.layers.deserialize(layer)
            self.half, self.first = padding == "half", data_format == "channels_first"
            self.window = kernel_size, strides, dilation_rate

        def build(self, shape: Any) -> None:
            self.layer.build(shape)
            self.built = True

        def call(self, inputs: Any) -> Any:
            rank = len(inputs.shape) - 2
            sizes, strides, dilations = (
                [value] * rank if isinstance(value, int) else value for value in self.window
            )
            pads = [[0, 0] for _ in inputs.shape]
            kept = [slice(None) for _ in inputs.shape]
            for axis, size, stride, dilation in zip(
                range(2, rank + 2) if self.first else range(1, rank + 1),
                sizes,
                strides,
                dilations,
                strict=True,
            ):
                reach = (size - 1) * dilation
                pads[axis] = [(reach + 1) // 2 if self.half else reach] * 2
                if self.half:
                    kept[axis] = slice(None, (tf.shape(inputs)[axis] + stride - 1) // stride)
            return self.layer(tf.pad(inputs, pads))[tuple(kept)]

    return PaddedByTheano
