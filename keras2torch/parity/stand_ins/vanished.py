"""Stand-ins for classes that Keras dropped after Keras 1.

Formulas follow `keras/legacy/layers.py` of Keras 2.0.
"""

from typing import Any

from keras2torch.parity.library import Library
from keras2torch.parity.stand_ins import stand_in

_VANISHED = "neither library has had the class since Keras 2.0"


@stand_in("Highway", why=_VANISHED)
def _highway(library: Library) -> Any:
    keras, tf = library.keras, library.tf

    class Highway(keras.layers.Layer):  # type: ignore[misc, name-defined]
        def __init__(self, activation: Any = None, use_bias: bool = True, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.activation, self.use_bias = keras.activations.get(activation), use_bias

        def build(self, shape: Any) -> None:
            size = shape[-1]
            self.kernel = self.add_weight(shape=(size, size), name="kernel")
            self.carry_kernel = self.add_weight(shape=(size, size), name="carry_kernel")
            if self.use_bias:
                self.bias = self.add_weight(shape=(size,), name="bias")
                self.carry_bias = self.add_weight(shape=(size,), name="carry_bias")
            self.built = True

        def call(self, inputs: Any) -> Any:
            new, gate = tf.matmul(inputs, self.kernel), tf.matmul(inputs, self.carry_kernel)
            if self.use_bias:
                new, gate = new + self.bias, gate + self.carry_bias
            gate = tf.sigmoid(gate)
            return gate * self.activation(new) + (1 - gate) * inputs

        def get_config(self) -> dict[str, Any]:
            own = {"activation": keras.activations.serialize(self.activation), "use_bias": self.use_bias}
            return {**super().get_config(), **own}

    return Highway


@stand_in("MaxoutDense", why=_VANISHED)
def _maxout_dense(library: Library) -> Any:
    keras, tf = library.keras, library.tf

    class MaxoutDense(keras.layers.Layer):  # type: ignore[misc, name-defined]
        def __init__(self, units: int, nb_feature: int = 4, use_bias: bool = True, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.units, self.nb_feature, self.use_bias = units, nb_feature, use_bias

        def build(self, shape: Any) -> None:
            self.kernel = self.add_weight(shape=(self.nb_feature, shape[-1], self.units), name="kernel")
            if self.use_bias:
                self.bias = self.add_weight(shape=(self.nb_feature, self.units), name="bias")
            self.built = True

        def call(self, inputs: Any) -> Any:
            pieces = tf.einsum("ni,kio->nko", inputs, self.kernel)
            return tf.reduce_max(pieces + self.bias if self.use_bias else pieces, axis=1)

        def get_config(self) -> dict[str, Any]:
            own = {"units": self.units, "nb_feature": self.nb_feature, "use_bias": self.use_bias}
            return {**super().get_config(), **own}

    return MaxoutDense
