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


@stand_in("TimeDistributedDense", why="what any Dense does since Keras 2")
def _time_distributed_dense(library: Library) -> Any:
    return type("TimeDistributedDense", (library.keras.layers.Dense,), {})


@stand_in("AtrousConvolution1D", why="a Conv1D since Keras 2")
def _atrous_convolution1d(library: Library) -> Any:
    return type("AtrousConvolution1D", (library.keras.layers.Conv1D,), {})


@stand_in("AtrousConvolution2D", why="a Conv2D since Keras 2")
def _atrous_convolution2d(library: Library) -> Any:
    return type("AtrousConvolution2D", (library.keras.layers.Conv2D,), {})


@stand_in("Merge", why=_VANISHED)
def _merge(library: Library) -> Any:
    keras, tf = library.keras, library.tf
    layers = {
        "sum": "Add",
        "mul": "Multiply",
        "ave": "Average",
        "max": "Maximum",
        "concat": "Concatenate",
        "dot": "Dot",
    }

    class Merge(keras.layers.Layer):  # type: ignore[misc, name-defined]
        """Of the modes that a later Keras has a layer for, that layer."""

        def __init__(self, mode: str = "sum", axis: int = -1, axes: Any = -1, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.mode, self.axis, self.axes, self.supports_masking = mode, axis, axes, True
            options = {"concat": {"axis": axis}, "dot": {"axes": axes}}.get(mode, {})
            self.inner = None if mode == "cos" else getattr(keras.layers, layers[mode])(**options)

        def build(self, shape: Any) -> None:
            if self.inner is not None:
                self.inner.build(shape)
            self.built = True

        def call(self, inputs: Any) -> Any:
            if self.inner is not None:
                return self.inner.call(inputs)
            left, right = inputs
            lengths = tf.sqrt(tf.reduce_sum(left * left, 1) * tf.reduce_sum(right * right, 1))
            lengths = tf.maximum(lengths, tf.constant(1e-7, lengths.dtype))
            return (tf.reduce_sum(left * right, 1) / lengths)[:, None, None]

        def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
            if self.inner is None or self.mode == "dot" or mask is None or all(each is None for each in mask):
                return None
            return self.inner.compute_mask(inputs, mask)

        def get_config(self) -> dict[str, Any]:
            axes = {"axes": self.axes}
            read = {"concat": {"axis": self.axis}, "dot": axes, "cos": axes}.get(self.mode, {})
            return {**super().get_config(), "mode": self.mode, **read}

    return Merge


@stand_in("ParametricSoftplus", why=_VANISHED)
def _parametric_softplus(library: Library) -> Any:
    tf = library.tf

    class ParametricSoftplus(_with_parameters(library, "alpha", "beta")):  # type: ignore[misc]
        def call(self, inputs: Any) -> Any:
            alpha, beta = self.parameters
            return alpha * tf.math.log1p(tf.exp(-tf.abs(beta * inputs))) + alpha * tf.maximum(
                beta * inputs, 0
            )

    return ParametricSoftplus


@stand_in("SReLU", why=_VANISHED)
def _srelu(library: Library) -> Any:
    tf = library.tf

    class SReLU(_with_parameters(library, "t_left", "a_left", "t_right", "a_right")):  # type: ignore[misc]
        def call(self, inputs: Any) -> Any:
            left, slope, width, upper_slope = self.parameters
            right = left + tf.abs(width)
            middle = tf.minimum(tf.maximum(inputs - left, 0), right - left) - slope * tf.maximum(
                left - inputs, 0
            )
            return left + middle + upper_slope * tf.maximum(inputs - right, 0)

    return SReLU


def _with_parameters(library: Library, *roles: str) -> Any:
    """A layer with parameters of the shape of one sample, but 1 along `shared_axes`."""

    class WithParameters(library.keras.layers.Layer):  # type: ignore[misc, name-defined]
        def __init__(self, shared_axes: Any = None, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.shared_axes, self.supports_masking = shared_axes, True

        def build(self, shape: Any) -> None:
            extents = [
                1 if axis in (self.shared_axes or ()) else shape[axis] for axis in range(1, len(shape))
            ]
            self.parameters = [self.add_weight(shape=extents, name=role) for role in roles]
            self.built = True

        def get_config(self) -> dict[str, Any]:
            return {**super().get_config(), "shared_axes": self.shared_axes}

    return WithParameters


@stand_in("Deconvolution2D", why=_VANISHED)
def _deconvolution2d(library: Library) -> Any:
    return _deconvolution(library, 2)


@stand_in("Deconvolution3D", why=_VANISHED)
def _deconvolution3d(library: Library) -> Any:
    return _deconvolution(library, 3)


def _deconvolution(library: Library, rank: int) -> Any:
    keras, tf = library.keras, library.tf
    name = f"Deconvolution{rank}D"

    class Deconvolution(keras.layers.Layer):  # type: ignore[misc, name-defined]
        """The gradient of a convolution that yields the input's size from the output's, which is given."""

        def __init__(self, filters: int, kernel_size: Any, output_shape: Any, **kwargs: Any) -> None:
            own = {
                "strides": kwargs.pop("strides", 1),
                "padding": kwargs.pop("padding", "valid"),
                "data_format": kwargs.pop("data_format", "channels_last"),
                "use_bias": kwargs.pop("use_bias", True),
            }
            self.activation = keras.activations.get(kwargs.pop("activation", None))
            super().__init__(**kwargs)
            self.own = {"filters": filters, "kernel_size": kernel_size, "output_shape": output_shape, **own}
            self.first = own["data_format"] == "channels_first"

        def build(self, shape: Any) -> None:
            window = _each(self.own["kernel_size"], rank)
            channels = shape[1] if self.first else shape[-1]
            self.kernel = self.add_weight(shape=(*window, self.own["filters"], channels), name="kernel")
            if self.own["use_bias"]:
                self.bias = self.add_weight(shape=(self.own["filters"],), name="bias")
            self.built = True

        def call(self, inputs: Any) -> Any:
            if self.first:
                inputs = tf.transpose(inputs, [0, *range(2, rank + 2), 1])
            shape = self.own["output_shape"]
            spatial = shape[2:] if self.first else shape[1:-1]
            transpose = tf.nn.conv2d_transpose if rank == 2 else tf.nn.conv3d_transpose
            outputs = transpose(
                inputs,
                self.kernel,
                [tf.shape(inputs)[0], *spatial, self.own["filters"]],
                _each(self.own["strides"], rank),
                self.own["padding"].upper(),
            )
            outputs = self.activation(outputs + self.bias if self.own["use_bias"] else outputs)
            return tf.transpose(outputs, [0, rank + 1, *range(1, rank + 1)]) if self.first else outputs

        def get_config(self) -> dict[str, Any]:
            activation = keras.activations.serialize(self.activation)
            return {**super().get_config(), **self.own, "activation": activation}

    Deconvolution.__name__ = name
    return Deconvolution


def _each(value: Any, rank: int) -> list[int]:
    return list(value) if isinstance(value, list | tuple) else [value] * rank
