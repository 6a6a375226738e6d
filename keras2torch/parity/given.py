"""A layer whose meaning is the caller's own code: Keras gets its output from the candidate.

So everything before such a layer and everything behind it is compared, and the layer itself is not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras2torch.parity.arrays import trace_key
from keras2torch.parity.library import Library


def given_entry(name: str, path: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The entry of such a layer in a canonical configuration; `given` is what the plan says of it."""
    return {"class_name": "Given", "config": {"name": name, "layer_path": path, **given}}


def given_class(library: Library) -> Any:
    """A layer that yields what it was given for the case that runs (see `give`), and holds weights unused."""
    keras, tf = library.keras, library.tf

    class Given(keras.layers.Layer):  # type: ignore[misc, name-defined]
        def __init__(
            self,
            layer_path: str,
            shape: Sequence[int | None],
            tensors: str,
            weights: Sequence[Any],
            **kwargs: Any,
        ) -> None:
            super().__init__(**kwargs)
            self.layer_path = layer_path
            self._shape = tuple(shape)
            self._tensors = tensors
            self._own = weights
            self.value: Any = None

        def build(self, *_: Any) -> None:
            for number, (shape, trainable) in enumerate(self._own):
                self.add_weight(
                    name=f"weight_{number}", shape=tuple(shape), trainable=trainable, initializer="zeros"
                )
            self.built = True

        def compute_output_spec(self, *_: Any, **__: Any) -> Any:
            dtype = self.compute_dtype if self._tensors.startswith("float") else self._tensors
            return keras.KerasTensor(self._shape, dtype)

        def call(self, inputs: Any, **_: Any) -> Any:
            dtype = self.compute_dtype if self._tensors.startswith("float") else self._tensors
            if tf.executing_eagerly():
                return tf.constant(self.value, dtype)
            # Keras builds: only the shape counts.
            batch = tf.shape(tf.nest.flatten(inputs)[0])[0]
            sizes = [batch if extent is None else extent for extent in self._shape]
            return tf.ensure_shape(tf.zeros(tf.stack(sizes), dtype), self._shape)

    return Given


def give(library: Library, model: Any, file: Path) -> None:
    """Hand every such layer of `model` what the candidate computed for one case."""
    layers = [layer for layer in library.layers_of(model) if type(layer).__name__ == "Given"]
    if layers:
        with np.load(file) as arrays:
            for layer in layers:
                layer.value = arrays[trace_key(layer.layer_path, 0)]
