"""Keras family "activations": activations that are layers with options of their own."""

from __future__ import annotations

from collections.abc import Sequence

from keras2torch.emit.code import Code, Value, call, template
from keras2torch.errors import LayerRefused, UnsupportedMask, UnsupportedOption
from keras2torch.layers._call import LayerCall
from keras2torch.layers._registry import SINCE_KERAS2, FeatureAxis, Masks, converts, example
from keras2torch.source.model import Generation


@converts(
    "ReLU",
    examples=[
        example((5,)),
        example((6, 5, 3), max_value=6.0),
        example((5,), negative_slope=0.1, threshold=0.5),
        example((5,), max_value=1.0, negative_slope=0.1, threshold=0.25),
    ],
    masks=Masks.PASS,
    feature_axis=FeatureAxis.KEEPS,
    generations=SINCE_KERAS2,
)
def relu(layer: LayerCall) -> Value:
    """`F.relu`, `F.relu6`, or Keras's general form: max above max, x above threshold, else slope * (x - threshold)."""
    x, options = layer.input, layer.options
    ceiling = options.take("max_value", default=None)
    slope = _zero_if_none(layer, "negative_slope")
    threshold = _zero_if_none(layer, "threshold")
    if ceiling is not None:
        ceiling = options.number("max_value", minimum=0.0)
    if slope == 0 and threshold == 0:
        if ceiling is None:
            return layer.like(x, call("F.relu", x))
        return layer.like(x, call("F.relu6", x) if ceiling == 6 else call("torch.clamp", x, 0, ceiling))
    if threshold == 0 and ceiling is None:
        return layer.like(x, call("F.leaky_relu", x, slope))
    x = layer.bind(x)
    below = template("{} * ({} - {})", slope, x, threshold) if slope else 0.0
    above = call("torch.clamp", x, max=ceiling) if ceiling is not None else x
    return layer.like(x, call("torch.where", template("{} >= {}", x, threshold), above, below))


def _zero_if_none(layer: LayerCall, option: str) -> float:
    return (
        0.0 if layer.options.take(option, default=None) is None else layer.options.number(option, minimum=0.0)
    )


@converts(
    "LeakyReLU",
    examples=[example((5,)), example((6, 5, 3))],
    masks=Masks.PASS,
    feature_axis=FeatureAxis.KEEPS,
)
def leaky_relu(layer: LayerCall) -> Value:
    """`F.leaky_relu`; the layer's slope is 0.3 unless it says otherwise."""
    slope = layer.options.number("negative_slope", "alpha", default=0.3)
    return layer.like(layer.input, call("F.leaky_relu", layer.input, slope))


@converts(
    "ELU",
    examples=[example((5,)), example((6, 5, 3), alpha=0.5)],
    masks=Masks.PASS,
    feature_axis=FeatureAxis.KEEPS,
)
def elu(layer: LayerCall) -> Value:
    """`F.elu`."""
    alpha = layer.options.number("alpha", default=1.0)
    return layer.like(layer.input, call("F.elu", layer.input, *([] if alpha == 1 else [alpha])))


@converts(
    "PReLU",
    examples=[
        example((5,)),
        example((6, 5, 3)),
        example((6, 5, 3), shared_axes=[1, 2]),
        example((6, 3), shared_axes=[1]),
    ],
    masks=Masks.PASS,
)
def prelu(layer: LayerCall) -> Value:
    """`nn.PReLU` where the slopes are one a channel, else a part with slopes of any shape."""
    x, options = layer.input, layer.options
    shared = options.take("shared_axes", default=None) or []
    if not isinstance(shared, list | tuple) or any(
        type(axis) is not int or not 1 <= axis < x.rank for axis in shared
    ):
        raise UnsupportedOption(f"shared_axes {shared!r} of a tensor of rank {x.rank}", "shared_axes")
    shape = tuple(1 if axis in shared else x.shape[axis] for axis in range(1, x.rank))
    if None in shape:
        raise LayerRefused("the shape of the slopes is not known")
    extents = tuple(n or 0 for n in shape)
    alpha = layer.weight("alpha", *extents)
    # The slopes lie as the tensor lies: torch axis i of both holds Keras axis axes[i].
    placed = alpha.transpose(*(axis - 1 for axis in x.axes[1:]))
    per_channel = x.rank > 1 and all(n == 1 for n in placed.shape[1:])
    if per_channel:
        module = layer.module("nn.PReLU", placed.shape[0], state={"weight": placed.as_shape(placed.shape[0])})
    else:
        module = layer.module(layer.part("ElementwisePReLU"), placed.shape, state={"weight": placed})
    return layer.like(x, module(x))


_WITH_MASK = {"inputs": "#0", "mask": "#1"}


@converts(
    "Softmax",
    examples=[
        example((5,)),
        example((6, 5, 3)),
        example((6, 5, 3), axis=1),
        example((6, 5), axis=-2),
        example((6, 5, 3), axis=[1, 2]),
        example((4, 6, 5), axis=[-1, 1]),
        example((6, 5), (6, 5), _dtypes=("float32", "bool"), _call=_WITH_MASK),
        example((6, 5), (6, 5), axis=[1, 2], _dtypes=("float32", "int32"), _call=_WITH_MASK),
        example(
            (6, 5), (6, 5), _dtypes=("float32", "bool"), _call=_WITH_MASK, _behind=("Softmax", {"axis": 1})
        ),
    ],
    masks=Masks.HANDLE,
    feature_axis=FeatureAxis.KEEPS,
    generations=SINCE_KERAS2,
)
def softmax(layer: LayerCall) -> Value:
    """`torch.softmax` along the axis where Keras's axis stands; over several axes together by `torch.logsumexp`."""
    if len(layer.inputs) > 2:
        raise LayerRefused(f"called on {len(layer.inputs)} tensors")
    x = layer.inputs[0]
    mask = layer.inputs[1] if len(layer.inputs) == 2 else layer.argument("mask")
    robust = layer.options.flag("robust_masking", default=False)
    axes = layer.options.take("axis", default=-1)
    axes = axes if isinstance(axes, list | tuple) else [axes]
    if not axes or any(type(axis) is not int or not -x.rank <= axis < x.rank for axis in axes):
        raise UnsupportedOption(f"axis {axes!r} of a tensor of rank {x.rank} is not supported", "axis")
    if mask is None and x.mask is None:
        return layer.like(x, _softmax(layer, x, axes))
    if mask is None and not x.mask_spent:
        mask = x.mask
    if not isinstance(mask, Value) or mask.rank != x.rank or x.order is not None:
        raise UnsupportedMask(
            "a mask reaches Softmax that has not the rank of its input: Keras fails there, too"
        )
    x, stated = layer.bind(layer.keras_layout(x)), layer.keras_layout(mask)
    keras3 = layer.generation is Generation.KERAS3
    if stated.dtype == "bool":
        seen = layer.bind(stated)
    elif keras3 or robust:
        seen = layer.bind(layer.like(stated, template("{} > 0.5", stated), dtype="bool"))
    else:  # numbers: they say how much of the penalty an element is spared
        masked = layer.like(x, template("{} + ({} - 1) * 1e9", x, stated))
        result = layer.like(x, _softmax(layer, masked, axes))
        result.mask = mask
        return result
    hidden = -1e9 if keras3 or robust else template("{} - 1e9", x)
    result = layer.like(x, _softmax(layer, layer.like(x, call("torch.where", seen, x, hidden)), axes))
    if keras3:  # where all is masked, nothing is left of it
        result = layer.like(x, template("{} * {}", result, seen))
    result.mask = mask
    return result


def _softmax(layer: LayerCall, x: Value, axes: Sequence[int]) -> Code:
    dims = sorted({x.torch_axis(axis) for axis in axes})
    if len(dims) == 1:
        return call("torch.softmax", x, dim=-1 if dims[0] == x.rank - 1 else dims[0])
    if x.order is not None:
        raise LayerRefused("a softmax over flattened features and another axis")
    x = layer.bind(x)
    return call(
        "torch.exp", template("{} - {}", x, call("torch.logsumexp", x, dim=tuple(dims), keepdim=True))
    )


@converts(
    "ThresholdedReLU",
    examples=[example((5,), theta=0.5, _only=Generation.TF_KERAS)],
    masks=Masks.PASS,
    feature_axis=FeatureAxis.KEEPS,
)
def thresholded_relu(layer: LayerCall) -> Value:
    """`F.threshold`: x where x > theta, else 0."""
    theta = layer.options.number("theta", default=1.0)
    return layer.like(layer.input, call("F.threshold", layer.input, theta, 0.0))
