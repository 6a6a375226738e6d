"""Keras family "normalization"."""

from __future__ import annotations

from decimal import Decimal
from math import prod
from typing import Any

import numpy as np

from keras2torch.emit.code import Value, call
from keras2torch.errors import LayerRefused, UnsupportedOption
from keras2torch.layers._call import LayerCall
from keras2torch.layers._registry import FeatureAxis, Masks, converts, example
from keras2torch.source.model import Generation
from keras2torch.weights import Weight


@converts(
    "BatchNormalization",
    "BatchNormalizationV1",
    "BatchNormalizationV2",
    examples=[
        example((5,)),
        example((6, 5, 3)),
        example((6, 3)),
        example((4, 5, 3, 2), epsilon=1e-5, momentum=0.9),
        example((6, 5, 3), scale=False),
        example((6, 5, 3), center=False),
        example((3, 6, 5), axis=1),
    ],
    masks=Masks.PASS,
    feature_axis=FeatureAxis.KEEPS,
)
def batch_normalization(layer: LayerCall) -> Value:
    """`nn.BatchNorm1d/2d/3d`; Keras's momentum is one minus torch's."""
    x, options = layer.input, layer.options
    axis = _single_axis(options.take("axis", default=-1), x.rank)
    features = x.shape[axis]
    if features is None:
        raise LayerRefused("the number of features is not known")
    options.must_be("renorm", False)
    options.must_be("virtual_batch_size", None)
    options.must_be("adjustment", None)
    options.must_be("fused", None, True, False)
    options.must_be("synchronized", False, True)
    options.ignore("renorm_clipping", "renorm_momentum", "mode")
    epsilon = options.number("epsilon", default=1e-3, minimum=0.0)
    momentum = 1 - Decimal(repr(options.number("momentum", default=0.99)))
    rank = x.rank
    if rank > 5:
        raise LayerRefused(f"called on a tensor of shape {x.shape}")
    order = x.order
    # torch normalises axis 1, so the axis goes there unless it stands there already.
    if rank > 2 and x.torch_axis(axis) != 1:
        x = layer.arranged(x, (0, axis, *(i for i in range(1, rank) if i != axis)))
    scale, center = options.flag("scale", default=True), options.flag("center", default=True)
    gamma = layer.weight("gamma", features).in_order(order) if scale else _constant(features, 1.0)
    beta = layer.weight("beta", features).in_order(order) if center else _constant(features, 0.0)
    state: dict[str, Weight] = {"weight": gamma, "bias": beta} if scale or center else {}
    state["running_mean"] = layer.weight("moving_mean", features, trainable=False).in_order(order)
    state["running_var"] = layer.weight("moving_variance", features, trainable=False).in_order(order)
    state["num_batches_tracked"] = Weight.constant(
        np.zeros((), np.int64), "PyTorch's own counter, starts at 0"
    )
    settings: dict[str, Any] = {"eps": epsilon, "momentum": float(momentum)}
    if not state.keys() & {"weight", "bias"}:
        settings["affine"] = False
    norm = layer.module(f"nn.BatchNorm{max(rank - 2, 1)}d", features, state=state, **settings)
    return layer.like(x, norm(x))


def _constant(size: int, value: float) -> Weight:
    return Weight.constant(np.full(size, value, np.float32), f"constant {value:g}: the Keras layer has none")


def _single_axis(axis: Any, rank: int) -> int:
    if isinstance(axis, list | tuple) and len(axis) == 1:
        axis = axis[0]
    if isinstance(axis, bool) or not isinstance(axis, int) or not -rank <= axis < rank or axis % rank == 0:
        raise UnsupportedOption(f"axis {axis!r} of a tensor of rank {rank} is not supported", "axis")
    return axis % rank


@converts(
    "LayerNormalization",
    examples=[
        example((5,)),
        example((6, 5)),
        example((4, 5, 3), axis=[-1]),
        example((6, 5), scale=False),
        example((6, 5), center=False, epsilon=1e-6),
        example((6, 5), scale=False, center=False),
    ],
    masks=Masks.PASS,
)
def layer_normalization(layer: LayerCall) -> Value:
    """`nn.LayerNorm` over the trailing axes."""
    x, options = layer.keras_layout(layer.input), layer.options
    axes = options.take("axis", default=-1)
    axes = axes if isinstance(axes, list | tuple) else [axes]
    if any(
        isinstance(axis, bool) or not isinstance(axis, int) or not -x.rank <= axis < x.rank for axis in axes
    ):
        raise UnsupportedOption(f"axis {axes!r} of a tensor of rank {x.rank}", "axis")
    where = sorted({axis % x.rank for axis in axes})
    if not where or where != list(range(where[0], x.rank)) or where[0] == 0:
        raise UnsupportedOption(f"axis {axes!r}: only trailing axes can be normalised", "axis")
    options.must_be("rms_scaling", False)
    extents = tuple(x.shape[axis] or 0 for axis in where)
    if 0 in extents:
        raise LayerRefused("the number of features is not known")
    epsilon = options.number("epsilon", default=1e-3, minimum=0.0)
    scale, center = options.flag("scale", default=True), options.flag("center", default=True)
    size = prod(extents)
    state: dict[str, Weight] = {}
    settings: dict[str, Any] = {"eps": epsilon}
    if scale or center:
        gamma = layer.weight("gamma", *extents) if scale else _constant(size, 1.0).as_shape(*extents)
        state["weight"] = gamma
        if center:
            state["bias"] = layer.weight("beta", *extents)
        else:
            settings["bias"] = False
    else:
        settings["elementwise_affine"] = False
    norm = layer.module("nn.LayerNorm", extents[0] if len(extents) == 1 else extents, state=state, **settings)
    return layer.like(x, norm(x))


@converts(
    "UnitNormalization",
    examples=[example((5,)), example((4, 5, 3)), example((4, 5, 3), axis=1)],
    masks=Masks.PASS,
    feature_axis=FeatureAxis.KEEPS,
)
def unit_normalization(layer: LayerCall) -> Value:
    """`F.normalize`: every vector along one axis gets length 1."""
    x = layer.input
    axis = _single_axis(layer.options.take("axis", default=-1), x.rank)
    # Keras 3 bounds the length from below, tf_keras its square.
    smallest = 1e-12 if layer.generation is Generation.KERAS3 else 1e-6
    return layer.like(x, call("F.normalize", x, dim=x.torch_axis(axis), eps=smallest))
