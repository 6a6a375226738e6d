"""channels_first layers on a CPU, for which TensorFlow has no kernels."""

from collections.abc import Callable
from typing import Any

from keras2torch.parity.library import Library


def _channels_first_function(tf: Any, function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """An activation that sees channels first what comes channels last: a softmax goes along the last axis it sees."""

    def apply(x: Any) -> Any:
        rank = len(x.shape)
        there, back = [0, rank - 1, *range(1, rank - 1)], [0, *range(2, rank), 1]
        return tf.transpose(function(tf.transpose(x, there)), back)

    return apply


def _show_channels_first(library: Library, layer: Any) -> None:
    """Have the activations of a layer see its numbers channels first."""
    for attribute in ("activation", "recurrent_activation"):
        function = getattr(layer, attribute, None)
        if function is not None and not isinstance(function, library.keras.layers.Layer):
            setattr(layer, attribute, _channels_first_function(library.tf, function))


def channels_first_class(library: Library) -> Any:
    """A layer that computes what its inner, channels_last layer computes, on channels_first tensors.

    Weights have the same shapes either way, and their order is the inner layer's.
    """
    keras, tf = library.keras, library.tf

    class ChannelsFirst(keras.layers.Layer):  # type: ignore[misc, name-defined]
        def __init__(self, layer: dict[str, Any], go_backwards: bool | None = None, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            # Recurrent layers have the time before the channels, in their input and in outputs of that rank.
            self.in_time = str(layer["class_name"]).startswith("ConvLSTM")
            if go_backwards is not None:
                layer = {**layer, "config": {**layer["config"], "go_backwards": go_backwards}}
            self.inner_config = layer
            self.layer = keras.layers.deserialize(layer)
            _show_channels_first(library, getattr(self.layer, "cell", self.layer))
            if self.in_time:  # what a Bidirectional asks its halves for
                for attribute in ("go_backwards", "return_sequences", "return_state", "stateful"):
                    setattr(self, attribute, getattr(self.layer, attribute))
                self.states = None if library.name == "keras" else [None, None]

        def get_config(self) -> dict[str, Any]:
            direction = {"go_backwards": self.go_backwards} if self.in_time else {}
            return {**super().get_config(), "layer": self.inner_config, **direction}

        def build(self, shape: Any) -> None:
            first, axis = tuple(shape), 2 if self.in_time else 1
            self.layer.build((*first[:axis], *first[axis + 1 :], first[axis]))
            self.built = True

        def compute_output_shape(self, shape: Any) -> Any:
            if library.name == "tf_keras":  # which finds out by itself
                return super().compute_output_shape(shape)
            first, axis = tuple(shape), 2 if self.in_time else 1
            shapes = self.layer.compute_output_shape((*first[:axis], *first[axis + 1 :], first[axis]))

            def channels_first(own: tuple[Any, ...]) -> tuple[Any, ...]:
                axis = 2 if self.in_time and len(own) == len(first) else 1
                return (*own[:axis], own[-1], *own[axis:-1])

            if isinstance(shapes[0], tuple):
                return tuple(channels_first(own) for own in shapes)
            return channels_first(shapes)

        def call(self, inputs: Any, mask: Any = None, initial_state: Any = None) -> Any:
            rank = len(inputs.shape)
            axis = 2 if self.in_time else 1
            given = {"mask": mask} if mask is not None and self.in_time else {}  # no other takes one
            if initial_state is not None:
                given["initial_state"] = [
                    tf.transpose(state, [0, *range(2, rank - 1), 1]) for state in initial_state
                ]
            outputs = self.layer(tf.transpose(inputs, [*range(axis), *range(axis + 1, rank), axis]), **given)

            def channels_first(output: Any) -> Any:
                own = len(output.shape)
                axis = 2 if self.in_time and own == rank else 1
                return tf.transpose(output, [*range(axis), own - 1, *range(axis, own - 1)])

            return tf.nest.map_structure(channels_first, outputs)

    return ChannelsFirst
