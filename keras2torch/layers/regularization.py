"""Keras family "regularization": layers that act only in training."""

from __future__ import annotations

from keras2torch.emit.code import Value, expression
from keras2torch.errors import UnsupportedOption
from keras2torch.layers._call import LayerCall
from keras2torch.layers._registry import SINCE_KERAS2, FeatureAxis, Masks, converts, example
from keras2torch.source.model import Generation


def _rate(layer: LayerCall) -> float:
    _ignore_seed(layer)
    rate = layer.options.number("rate", minimum=0.0)
    if rate > 1:
        raise UnsupportedOption(f"rate {rate} is above 1", "rate")
    # 0.2 * 6 / 16 is 0.07500000000000001: of a probability, nobody can tell the last digits.
    return float(f"{rate:.12g}")


def _ignore_seed(layer: LayerCall) -> None:
    layer.options.ignore("seed", "rng_type")


def _shared_axes(layer: LayerCall) -> tuple[int, ...] | None:
    """The axes of the torch tensor along which a `noise_shape` shares one draw; None where there is none."""
    x, noise = layer.input, layer.options.take("noise_shape", default=None)
    if noise is None:
        return None
    if not isinstance(noise, list | tuple) or len(noise) != x.rank:
        raise UnsupportedOption(f"noise_shape {noise!r} for a tensor of rank {x.rank}", "noise_shape")
    return tuple(
        sorted(x.torch_axis(axis) for axis, extent in enumerate(noise) if extent == 1 and x.shape[axis] != 1)
    )


@converts(
    "Dropout",
    examples=[
        example((5,), rate=0.3),
        example((6, 5, 3), rate=0.0),
        example((6, 3), rate=0.5, noise_shape=[None, 1, 3]),
    ],
    masks=Masks.PASS,
    feature_axis=FeatureAxis.KEEPS,
)
def dropout(layer: LayerCall) -> Value:
    """`nn.Dropout`; a `noise_shape` becomes a part that shares one draw along the axes of extent 1."""
    x = layer.input
    rate = _rate(layer)
    shared = _shared_axes(layer)
    if shared is None:
        return layer.like(x, layer.module("nn.Dropout", rate)(x))
    return layer.like(x, layer.module(layer.part("SharedDropout"), rate, shared)(x))


@converts("SpatialDropout1D", examples=[example((6, 3), rate=0.3)], masks=Masks.PASS)
def spatial_dropout_1d(layer: LayerCall) -> Value:
    """Drops whole features over all steps."""
    return _spatial_dropout(layer)


@converts(
    "SpatialDropout2D",
    examples=[example((6, 5, 3), rate=0.3), example((3, 6, 5), rate=0.3, data_format="channels_first")],
    masks=Masks.PASS,
)
def spatial_dropout_2d(layer: LayerCall) -> Value:
    """Drops whole channels, as `nn.Dropout2d` does."""
    return _spatial_dropout(layer)


@converts("SpatialDropout3D", examples=[example((4, 5, 3, 2), rate=0.3)], masks=Masks.PASS)
def spatial_dropout_3d(layer: LayerCall) -> Value:
    """Drops whole channels, as `nn.Dropout3d` does."""
    return _spatial_dropout(layer)


def _spatial_dropout(layer: LayerCall) -> Value:
    x = layer.input
    rate = _rate(layer)
    layer.options.ignore("noise_shape")  # Keras writes it and makes its own
    channel = x.torch_axis(1 if layer.data_format() == "channels_first" and x.rank > 3 else -1)
    if channel == 1 and x.rank in (4, 5):
        return layer.like(x, layer.module(f"nn.Dropout{x.rank - 2}d", rate)(x))
    shared = tuple(axis for axis in range(1, x.rank) if axis != channel)
    return layer.like(x, layer.module(layer.part("SharedDropout"), rate, shared)(x))


@converts(
    "AlphaDropout",
    examples=[
        example((5,), rate=0.3),
        example((6, 3), rate=0.3, noise_shape=[None, 1, 3], _only=Generation.KERAS3),
    ],
    masks=Masks.PASS,
    feature_axis=FeatureAxis.KEEPS,
    generations=SINCE_KERAS2,
)
def alpha_dropout(layer: LayerCall) -> Value:
    """`nn.AlphaDropout`; a `noise_shape` becomes a part that shares one draw along the axes of extent 1."""
    x, rate, shared = layer.input, _rate(layer), _shared_axes(layer)
    if shared is None:
        return layer.like(x, layer.module("nn.AlphaDropout", rate)(x))
    return layer.like(x, layer.module(layer.part("SharedAlphaDropout"), rate, shared)(x))


@converts(
    "GaussianDropout",
    examples=[example((5,), rate=0.3), example((6, 5, 3), rate=0.5)],
    masks=Masks.PASS,
    feature_axis=FeatureAxis.KEEPS,
)
def gaussian_dropout(layer: LayerCall) -> Value:
    """Multiplies by noise around one while training."""
    rate = _rate(layer)
    if rate == 1:
        raise UnsupportedOption("rate 1 multiplies by noise of infinite variance", "rate")
    return layer.like(layer.input, layer.module(layer.part("GaussianDropout"), rate)(layer.input))


@converts(
    "GaussianNoise",
    examples=[example((5,), stddev=0.3), example((6, 5, 3), stddev=0.1)],
    masks=Masks.PASS,
    feature_axis=FeatureAxis.KEEPS,
)
def gaussian_noise(layer: LayerCall) -> Value:
    """Adds noise while training."""
    _ignore_seed(layer)
    stddev = layer.options.number("stddev", minimum=0.0)
    return layer.like(layer.input, layer.module(layer.part("GaussianNoise"), stddev)(layer.input))


@converts(
    "ActivityRegularization",
    examples=[example((5,), l1=0.1, l2=0.1)],
    masks=Masks.PASS,
    feature_axis=FeatureAxis.KEEPS,
)
def activity_regularization(layer: LayerCall) -> Value:
    """Nothing: it adds to the loss only."""
    layer.options.ignore("l1", "l2")
    return layer.input


@converts(
    "AddLoss",
    examples=[example((5,), unconditional=False)],
    masks=Masks.HANDLE,
    feature_axis=FeatureAxis.KEEPS,
    generations=frozenset({Generation.TF_KERAS}),
)
def add_loss(layer: LayerCall) -> Value:
    """Nothing: it adds to the loss only."""
    layer.options.ignore("unconditional")
    return _without_mask(layer)


@converts(
    "AddMetric",
    examples=[example((5,), metric_name="m")],
    masks=Masks.HANDLE,
    feature_axis=FeatureAxis.KEEPS,
    generations=frozenset({Generation.TF_KERAS}),
)
def add_metric(layer: LayerCall) -> Value:
    """Nothing: it is watched only."""
    layer.options.ignore("aggregation", "metric_name")
    return _without_mask(layer)


def _without_mask(layer: LayerCall) -> Value:
    # A value of its own, so that the input keeps its mask for others.
    return layer.input if layer.input.mask is None else layer.like(layer.input, expression(layer.input))
