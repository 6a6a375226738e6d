"""The stand-in for a layer that Keras 3 can save in a row of layers, but not read back."""

from typing import Any

from keras2torch.parity.library import Library
from keras2torch.parity.stand_ins import stand_in


@stand_in(
    "Equalization",
    why="Keras's own yields, when a graph is built, the very tensor that goes in; it acts in training only",
    libraries=("keras",),
)
def _equalization(library: Library) -> Any:
    class Equalization(library.keras.layers.Layer):  # type: ignore[misc, name-defined]
        def __init__(self, bins: int = 256, value_range: Any = (0, 255), **kwargs: Any) -> None:
            for option in ("data_format", "bounding_box_format", "factor"):
                kwargs.pop(option, None)
            super().__init__(**kwargs)
            self.options = {"bins": bins, "value_range": value_range}

        def call(self, inputs: Any) -> Any:
            return library.tf.identity(inputs)

        def get_config(self) -> dict[str, Any]:
            return {**super().get_config(), **self.options}

    return Equalization
