"""Family "applications": the layers that keras.applications defines for its own models.

A file tells classes by name alone, and anybody may have a layer of that name; so each rule says what it took it for.
"""

from __future__ import annotations

from keras2torch.emit.code import Value, template
from keras2torch.errors import LayerRefused, UnsupportedOption
from keras2torch.layers._call import LayerCall
from keras2torch.layers._registry import SINCE_TF_KERAS, FeatureAxis, converts, example


def _say(layer: LayerCall) -> None:
    message = "taken for the layer of keras.applications; one of your own with that name may differ"
    layer.warn(message, of_class=True)


@converts(
    "CustomScaleLayer",
    "Custom>CustomScaleLayer",
    examples=[
        example((5,), (5,), scale=0.17),
        example((6, 5, 3), (6, 5, 3), scale=1.0),
    ],
    generations=SINCE_TF_KERAS,
)
def custom_scale_layer(layer: LayerCall) -> Value:
    """`x + scale * y`, the residual connection of InceptionResNetV2."""
    scale = layer.options.number("scale")
    if len(layer.inputs) != 2 or layer.inputs[0].shape != layer.inputs[1].shape:
        raise LayerRefused("called on anything but two tensors of one shape")
    _say(layer)
    x, y = layer.bring_together(layer.inputs)
    return layer.like(x, template("{} + {} * {}", x, y, scale))


@converts(
    "LayerScale",
    examples=[
        example((5,), init_values=0.1, projection_dim=5),
        example((6, 4, 3), init_values=1e-6, projection_dim=3),
    ],
    generations=SINCE_TF_KERAS,
)
def layer_scale(layer: LayerCall) -> Value:
    """A part that multiplies every channel by a factor of its own."""
    x = layer.input
    layer.options.ignore("init_values")
    channels = layer.options.integer("projection_dim")
    if x.shape[-1] != channels:
        raise UnsupportedOption(f"{channels} factors for {x.shape[-1]} channels", "projection_dim")
    _say(layer)
    # Where channels are not last, axes of extent 1 behind them let the factors broadcast.
    shape = (channels, *(1,) * (x.rank - 1 - x.torch_axis(-1)))
    gamma = layer.weight("gamma", channels).as_shape(*shape)
    return layer.like(x, layer.module(layer.part("LayerScale"), shape, state={"weight": gamma})(x))


@converts(
    "StochasticDepth",
    examples=[example((5,), drop_path_rate=0.3), example((6, 5, 3), drop_path_rate=0.1)],
    feature_axis=FeatureAxis.KEEPS,
    generations=SINCE_TF_KERAS,
)
def stochastic_depth(layer: LayerCall) -> Value:
    """Drops whole samples while training."""
    rate = layer.options.number("drop_path_rate", minimum=0.0)
    if rate >= 1:
        raise UnsupportedOption(f"drop_path_rate {rate} keeps nothing", "drop_path_rate")
    _say(layer)
    return layer.like(layer.input, layer.module(layer.part("StochasticDepth"), rate)(layer.input))
