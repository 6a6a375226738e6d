"""Models with a layer that only their owner knows, saved by real Keras in a sandbox child."""

import importlib
from typing import Any

from tests.parity.keras_models import randomise


def save(payload: dict[str, Any]) -> None:
    """A custom layer with weights between two Dense layers, then a Lambda, as `.h5`."""
    k = importlib.import_module(payload["library"])
    saving = k.saving if payload["library"] == "keras" else k.utils

    @saving.register_keras_serializable(package="zoo", name="Scale")
    class Scale(k.layers.Layer):  # type: ignore[misc, name-defined]
        def __init__(self, factor: float = 1.0, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.factor = factor

        def build(self, shape: Any) -> None:
            self.scale = self.add_weight(name="scale", shape=(shape[-1],))
            self.built = True

        def call(self, inputs: Any) -> Any:
            return inputs * self.factor * self.scale

        def get_config(self) -> dict[str, Any]:
            return {**super().get_config(), "factor": self.factor}

    x = k.Input((4,))
    y = k.layers.Dense(5, activation="tanh", name="before")(x)
    y = Scale(factor=0.5, name="own")(y)
    y = k.layers.Dense(6, name="between")(y)
    y = k.layers.Lambda(_centre, output_shape=(6,), name="centre")(y)
    model = k.Model(x, k.layers.Dense(2, name="behind")(y))
    randomise(model)
    model.save(payload["path"])


def _centre(x: Any) -> Any:
    tf = importlib.import_module("tensorflow")
    if (
        tf.reduce_sum(x) is None
    ):  # a condition: nothing that could be read from the bytecode as one expression
        return x
    return x - tf.reduce_mean(x, axis=1, keepdims=True)
