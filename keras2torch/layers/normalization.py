"""Keras family "normalization".

Where a torch module wants its axes in a certain place (axis 1, or the last ones), the tensor is arranged so that they
stand there; a shape of parameters in which Keras leaves axes of extent one is a view of the same numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from math import prod
from typing import Any

import numpy as np

from keras2torch.emit.code import Code, Value, call, method, template
from keras2torch.errors import LayerRefused, UnsupportedMask, UnsupportedOption
from keras2torch.layers._call import LayerCall
from keras2torch.layers._registry import ONLY_KERAS3, SINCE_TF_KERAS, FeatureAxis, Masks, converts, example
from keras2torch.source.model import Generation
from keras2torch.weights import Weight


def _axes(axis: Any, rank: int) -> tuple[int, ...]:
    """The axes that an option names, as it lists them, counted from the front."""
    listed = axis if isinstance(axis, list | tuple) else (axis,)
    if any(
        isinstance(each, bool) or not isinstance(each, int) or not -rank <= each < rank for each in listed
    ):
        raise UnsupportedOption(f"axis {axis!r} of a tensor of rank {rank} is not supported", "axis")
    found = tuple(each % rank for each in listed)
    if not found or len(set(found)) < len(found):
        raise UnsupportedOption(f"axis {axis!r} of a tensor of rank {rank} is not supported", "axis")
    if 0 in found:
        raise UnsupportedOption(f"axis {axis!r}: samples of a batch would depend on each other", "axis")
    return found


def _single_axis(axis: Any, rank: int) -> int:
    axes = _axes(axis, rank)
    if len(axes) > 1:
        raise UnsupportedOption(f"axis {axis!r}: several axes are not supported", "axis")
    return axes[0]


def _extents(x: Value, axes: tuple[int, ...]) -> tuple[int, ...]:
    extents = tuple(n for axis in axes if (n := x.shape[axis]) is not None)
    if len(extents) < len(axes):
        raise LayerRefused("the number of features is not known")
    return extents


def _constant(size: int, value: float) -> Weight:
    return Weight.constant(np.full(size, value, np.float32), f"constant {value:g}: the Keras layer has none")


def _with_axis_in_front(layer: LayerCall, x: Value, axes: tuple[int, ...]) -> Value:
    """`x` as (N, axes..., rest...), in the layout it has if that is one."""
    if x.axes[1 : 1 + len(axes)] == axes:
        return x
    return layer.arranged(x, (0, *axes, *(i for i in range(1, x.rank) if i not in axes)))


@converts(
    "BatchNormalization",
    "BatchNormalizationV1",
    "BatchNormalizationV2",
    "SyncBatchNormalization",
    examples=[
        example((5,)),
        example((6, 5, 3)),
        example((6, 3)),
        example((6, 3), _masked=True),
        example((6, 3), axis=1, center=False, scale=False, _masked=True),
        example((4, 5, 3, 2), epsilon=1e-5, momentum=0.9),
        example((6, 5, 3), scale=False),
        example((6, 5, 3), center=False),
        example((3, 6, 5), axis=1),
        example((2, 3, 4, 2, 3)),
        example((4, 5, 3), renorm=True),
        example((6, 5, 3), virtual_batch_size=2, _only=Generation.TF_KERAS),
        example((5, 6, 3), axis=[1], virtual_batch_size=1, center=False, _only=Generation.TF_KERAS),
        example((4, 5, 3), axis=[1, 3], _only=Generation.TF_KERAS),
        example((4, 5, 3), axis=[3, 2, 1], scale=False, _only=Generation.TF_KERAS),
    ],
    masks=Masks.PASS,
    feature_axis=FeatureAxis.KEEPS,
)
def batch_normalization(layer: LayerCall) -> Value:
    """`nn.BatchNorm1d/2d/3d`; Keras's momentum is one minus torch's. Several axes are flattened into one.

    A frozen one uses its statistics in training mode too, and one without a scale trains none: small subclasses.
    Behind a mask, Keras 3 takes the statistics of a batch of the steps that are kept: a part of its own.
    """
    x, options = layer.input, layer.options
    ghosts = options.take("virtual_batch_size", default=None) is not None
    axes = tuple(
        sorted(_axes_of_ghosts(layer, x.rank) if ghosts else _axes(options.take("axis", default=-1), x.rank))
    )
    extents = _extents(x, axes)
    options.must_be("adjustment", None)
    options.must_be("fused", None, True, False)
    options.must_be("synchronized", False, True)
    options.ignore("renorm_clipping", "renorm_momentum")
    epsilon = options.number("epsilon", default=1e-3, minimum=0.0)
    if options.take("mode", default=0) != 0:
        return _without_statistics(layer, axes, extents, epsilon)
    momentum = 1 - Decimal(repr(options.number("momentum", default=0.99)))
    order = x.order
    # torch normalises axis 1, so the axis goes there unless it stands there already.
    if x.rank > 2:
        x = _with_axis_in_front(layer, x, axes)
    features = prod(extents)
    stored = extents
    if len(axes) > 1 or ghosts:
        # Keras keeps its parameters in the shape of the input, with ones for the other axes.
        among_ones = tuple(n if i in axes else 1 for i, n in enumerate(_known(x.shape)))
        stored = (1, *among_ones) if ghosts else among_ones

    def parameter(role: str, *, trainable: bool = True) -> Weight:
        weight = layer.weight(role, *stored, trainable=trainable)
        return (weight.as_shape(features) if stored != extents else weight).in_order(order)

    scale, center = options.flag("scale", default=True), options.flag("center", default=True)
    gamma = parameter("gamma") if scale else _constant(features, 1.0)
    beta = parameter("beta") if center else _constant(features, 0.0)
    state: dict[str, Weight] = {"weight": gamma, "bias": beta} if scale or center else {}
    state["running_mean"] = parameter("moving_mean", trainable=False)
    state["running_var"] = parameter("moving_variance", trainable=False)
    state["num_batches_tracked"] = Weight.constant(
        np.zeros((), np.int64), "PyTorch's own counter, starts at 0"
    )
    if options.flag("renorm", default=False):
        for role in ("moving_stddev", "renorm_mean", "renorm_stddev"):
            layer.weight(role, *stored, trainable=False)
        layer.warn(
            "was trained with batch renormalization; in PyTorch, training goes on with plain statistics"
        )
    settings: dict[str, Any] = {"eps": epsilon, "momentum": float(momentum)}
    if _counts_with_masks(layer):
        kept = (
            {"running_mean", "running_var"}
            | ({"weight"} if scale else set())
            | ({"bias"} if center else set())
        )
        settings |= {name: False for name, has in (("scale", scale), ("center", center)) if not has}
        state = {name: weight for name, weight in state.items() if name in kept}
        norm = layer.module(layer.part("MaskedBatchNorm"), features, state=state, **settings)
        return layer.like(x, norm(x, *_counted(layer.input.mask, layer, axes)))
    if not state.keys() & {"weight", "bias"}:
        settings["affine"] = False
    rest = x.rank - 1 - len(axes)
    kind = f"BatchNorm{max(rest, 1) if rest <= 3 else 1}d"
    if layer.frozen:
        constructor = layer.part(f"Frozen{kind}")
    elif center and not scale:
        constructor = layer.part(f"Shifting{kind}")
    else:
        constructor = f"nn.{kind}"
    norm = layer.module(constructor, features, state=state, **settings)
    if len(axes) == 1 and rest <= 3:
        return layer.like(x, norm(x))
    x = layer.bind(x)
    flat: Value | Code = x if len(axes) == 1 else method(x, "flatten", 1, len(axes))
    if rest > 3:
        flat = method(flat, "flatten", 2)
    return layer.like(x, method(norm(flat), "reshape_as", x))


def _counts_with_masks(layer: LayerCall) -> bool:
    """Whether it takes the statistics of a batch of what a mask keeps, as Keras 3 does, in this call or another."""
    if layer.generation is not Generation.KERAS3 or layer.frozen:
        return False
    return layer.input.mask is not None or layer.masked_elsewhere


def _counted(mask: Value | None, layer: LayerCall, axes: tuple[int, ...]) -> list[Value]:
    """The mask with an extent of one along the axis of features, which stands in front."""
    if mask is None:
        return []
    (axis,) = axes
    shape = (*mask.shape, 1)
    if axis == mask.rank:
        order = (0, axis, *range(1, axis))
        return [Value(shape, "bool", order, method(mask, "unsqueeze", 1), hint="mask")]
    among = layer.value(method(mask, "unsqueeze", -1), shape, dtype="bool", hint="mask")
    return [layer.arranged(among, (0, axis, *(i for i in range(1, mask.rank + 1) if i != axis)))]


def _without_statistics(
    layer: LayerCall, axes: tuple[int, ...], extents: tuple[int, ...], epsilon: float
) -> Value:
    """The other modes that Keras 1 had, which use no moving statistics, though they store them."""
    options, x = layer.options, layer.input
    options.must_be("mode", 1, 2)
    samples = options.take("mode") == 1
    options.ignore("momentum")
    if samples and axes != (x.rank - 1,):
        raise UnsupportedOption(
            "mode=1 with parameters for an axis that it broadcasts along the last one", "axis"
        )
    layer.stand_in("BatchNormalizationWithoutStatistics")
    order = x.order
    x = layer.keras_layout(x) if samples else _with_axis_in_front(layer, x, axes)
    state = {
        name: layer.weight(role, *extents).in_order(order)
        for name, role in (("weight", "gamma"), ("bias", "beta"))
    }
    for role in ("moving_mean", "moving_variance"):
        layer.weight(role, *extents, trainable=False)
    if not samples:
        layer.warn(
            "normalises by the batch at hand, so what becomes of a sample depends on the others, as in Keras 1"
        )
    part = layer.part("SampleNorm" if samples else "BatchAtHandNorm")
    return layer.like(x, layer.module(part, *extents, state=state, eps=epsilon)(x))


def _axes_of_ghosts(layer: LayerCall, rank: int) -> tuple[int, ...]:
    """The axes of a layer with `virtual_batch_size`, which has an effect in training only.

    Once it is built, it counts an axis for the parts of the batch too, and that is how the axes are stored.
    """
    stored = layer.options.take("axis")
    if not isinstance(stored, list) or any(type(axis) is not int or not 1 < axis <= rank for axis in stored):
        raise UnsupportedOption(f"axis {stored!r} together with virtual_batch_size", "axis")
    layer.warn(
        "was trained on parts of each batch (virtual_batch_size); in PyTorch, training goes on with whole ones"
    )
    return _axes([axis - 1 for axis in stored], rank)


def _known(shape: tuple[int | None, ...]) -> tuple[int, ...]:
    return tuple(n or 1 for n in shape)


@converts(
    "LayerNormalization",
    examples=[
        example((5,)),
        example((6, 5)),
        example((4, 5, 3), axis=[-1]),
        example((6, 5), scale=False),
        example((6, 5), center=False, epsilon=1e-6),
        example((6, 5), scale=False, center=False),
        example((4, 5, 3), axis=[1, 2]),
        example((4, 5, 3), axis=[3, 1]),
        example((6, 5), axis=1),
        example((6, 5), rms_scaling=True, _only=Generation.KERAS3),
        example((4, 5, 3), axis=[1, 3], rms_scaling=True, scale=False, _only=Generation.KERAS3),
    ],
    masks=Masks.PASS,
    generations=SINCE_TF_KERAS,
    since=2,
)
def layer_normalization(layer: LayerCall) -> Value:
    """`nn.LayerNorm`; axes that do not stand last are brought there. Keras 3's `rms_scaling` becomes a part."""
    x, options = layer.input, layer.options
    axes, listed = _normalised_axes(layer, options.take("axis", default=-1), x)
    x = _with_axes_last(layer, x, axes)
    extents = _extents(x, axes)
    epsilon = options.number("epsilon", default=1e-3, minimum=0.0)
    scale, center = options.flag("scale", default=True), options.flag("center", default=True)
    stored = _extents(x, listed)
    if options.flag("rms_scaling", default=False):
        state = {"weight": layer.weight("gamma", *stored).as_shape(*extents)}
        norm = layer.module(layer.part("VarianceNorm"), extents, state=state, eps=epsilon)
        return layer.like(x, norm(x))
    state = {}
    settings: dict[str, Any] = {"eps": epsilon}
    if scale or center:
        gamma = layer.weight("gamma", *stored) if scale else _constant(prod(extents), 1.0)
        state["weight"] = gamma.as_shape(*extents) if gamma.shape != extents else gamma
        if center:
            beta = layer.weight("beta", *stored)
            state["bias"] = beta.as_shape(*extents) if beta.shape != extents else beta
        else:
            settings["bias"] = False
    else:
        settings["elementwise_affine"] = False
    norm = layer.module("nn.LayerNorm", extents[0] if len(extents) == 1 else extents, state=state, **settings)
    return layer.like(x, norm(x))


def _normalised_axes(layer: LayerCall, axis: Any, x: Value) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """(the axes in ascending order, the axes as the stored parameters have them).

    Both libraries view the parameters in the ascending order without moving a number. Keras 3 sorts the axes before it
    makes them, but as they are written, so that -1 comes before 1; its predecessors do not sort.
    """
    listed = _axes(axis, x.rank)
    if layer.generation is Generation.KERAS3 and isinstance(axis, list | tuple):
        listed = _axes(sorted(axis), x.rank)
    return tuple(sorted(listed)), listed


def _with_axes_last(layer: LayerCall, x: Value, axes: tuple[int, ...]) -> Value:
    if x.axes[-len(axes) :] == axes:
        return x
    return layer.arranged(x, (0, *(i for i in range(1, x.rank) if i not in axes), *axes))


@converts(
    "RMSNormalization",
    examples=[
        example((5,)),
        example((4, 5, 3), epsilon=1e-3),
        example((4, 5, 3), axis=[3, 2]),
    ],
    masks=Masks.STOP,
    generations=ONLY_KERAS3,
)
def rms_normalization(layer: LayerCall) -> Value:
    """`nn.RMSNorm` over the trailing axes."""
    x, options = layer.input, layer.options
    axes, listed = _normalised_axes(layer, options.take("axis", default=-1), x)
    if axes != tuple(range(axes[0], x.rank)):
        raise UnsupportedOption(
            f"axis {axes}: Keras multiplies the last axes by what belongs to these", "axis"
        )
    x = _with_axes_last(layer, x, axes)
    extents = _extents(x, axes)
    if _extents(x, listed) != extents:
        raise UnsupportedOption("axis counts from both ends: Keras scales the axes in another order", "axis")
    epsilon = options.number("epsilon", default=1e-6, minimum=0.0)
    norm = layer.module(
        "nn.RMSNorm",
        extents[0] if len(extents) == 1 else extents,
        state={"weight": layer.weight("scale", *extents)},
        eps=epsilon,
    )
    return layer.like(x, norm(x))


@converts(
    "GroupNormalization",
    examples=[
        example((4, 5, 6), groups=3),
        example((6,), groups=2, epsilon=1e-5),
        example((4, 6), groups=-1),
        example((6, 5, 4), groups=2, axis=1, scale=False),
        example((4, 6, 5, 3), groups=3, axis=-3, center=False),
        example((None, None, 4), groups=4, scale=False, center=False),
        example((5, 6), groups=2, _masked=True, _only=Generation.KERAS3),
    ],
    masks=Masks.HANDLE,
    generations=SINCE_TF_KERAS,
    since=11,
)
def group_normalization(layer: LayerCall) -> Value:
    """`nn.GroupNorm`; `groups=-1` means one a channel."""
    x, options = layer.input, layer.options
    axis = _single_axis(options.take("axis", default=-1), x.rank)
    (channels,) = _extents(x, (axis,))
    groups = options.integer("groups", default=32, minimum=-1)
    groups = channels if groups == -1 else groups
    if groups < 1 or channels % groups:
        raise UnsupportedOption(f"groups={groups} does not divide {channels} channels", "groups")
    if x.mask is not None and layer.generation is not Generation.KERAS3:
        # tf_keras weighs the moments with the mask, but lines its axes up with the last ones of the input.
        raise UnsupportedMask("a mask reaches GroupNormalization, where tf_keras fails in nearly all shapes")
    mask = x.mask
    if x.rank > 2:
        given, x = x, _with_axis_in_front(layer, x, (axis,))
        if x is not given:
            # Over channels that lie last in memory, torch on a CPU sums squares, which loses small deviations.
            x = layer.like(x, method(x, "contiguous"))
    epsilon = options.number("epsilon", default=1e-3, minimum=0.0)
    scale, center = options.flag("scale", default=True), options.flag("center", default=True)
    state: dict[str, Weight] = {}
    settings: dict[str, Any] = {"eps": epsilon}
    if scale or center:
        state["weight"] = layer.weight("gamma", channels) if scale else _constant(channels, 1.0)
        state["bias"] = layer.weight("beta", channels) if center else _constant(channels, 0.0)
    else:
        settings["affine"] = False
    if groups == channels and all(extent == 1 for extent in x.torch_shape[2:]):
        raise LayerRefused("normalises groups of one number: beta is all that comes out, whatever goes in")
    norm = layer.module("nn.GroupNorm", groups, channels, state=state, **settings)
    result = layer.like(x, norm(x))
    result.mask = mask
    return result


@converts(
    "UnitNormalization",
    examples=[
        example((5,)),
        example((4, 5, 3)),
        example((4, 5, 3), axis=1),
        example((4, 5, 3), axis=[1, 2]),
        example((4, 5, 3), axis=[3, 1]),
    ],
    masks=Masks.PASS,
    feature_axis=FeatureAxis.KEEPS,
    generations=SINCE_TF_KERAS,
)
def unit_normalization(layer: LayerCall) -> Value:
    """`F.normalize`: every vector along one axis gets length 1, or every block along several."""
    x = layer.input
    axes = _axes(layer.options.take("axis", default=-1), x.rank)
    # Keras 3 bounds the length from below, tf_keras its square.
    smallest = 1e-12 if layer.generation is Generation.KERAS3 else 1e-6
    dims = tuple(sorted(x.torch_axis(axis) for axis in axes))
    if len(dims) == 1:
        return layer.like(x, call("F.normalize", x, dim=dims[0], eps=smallest))
    x = layer.bind(x)
    length = method(call("torch.linalg.vector_norm", x, dim=dims, keepdim=True), "clamp", min=smallest)
    return layer.like(x, template("{} / {}", x, length))


@converts(
    "SpectralNormalization",
    examples=[
        example((5,), _inner=("Dense", {"units": 4, "activation": "relu"})),
        example((6, 5, 3), _inner=("Conv2D", {"filters": 4, "kernel_size": 3}), power_iterations=2),
        example((5,), _inner=("Dense", {"units": 4}), trainable=False),
        example(
            (6,),
            _inner=("Embedding", {"input_dim": 11, "output_dim": 4}),
            _integers_below=11,
            _only=Generation.TF_KERAS,
        ),
    ],
    generations=SINCE_TF_KERAS,
    since=13,
)
def spectral_normalization(layer: LayerCall) -> Value:
    """The layer inside, whose kernel is stored as the last training step normalised it."""
    entry = layer.options.take("layer")
    layer.options.ignore("power_iterations")
    if not isinstance(entry, Mapping):
        raise UnsupportedOption("a wrapped layer without class_name and config", "layer")
    if layer.generation is Generation.KERAS3 and not layer.input.dtype.startswith("float"):
        raise LayerRefused(f"Keras 3 casts what comes out to the {layer.input.dtype} that goes in")
    result = layer.sublayer(entry, [layer.input], "")
    if result.mask is not None:
        raise UnsupportedMask(f"the {entry.get('class_name')} inside makes a mask")
    kernel = next(iter(layer.weights_so_far()), None)
    if kernel is None or not kernel.role.endswith(("kernel", "embeddings")):
        raise LayerRefused(f"the {entry.get('class_name')} inside has no kernel to normalize")
    # Keras finds the kernel on the wrapper too, and then the vector, before what else the layer inside has.
    layer.weight("vector_u", 1, kernel.shape[-1], trainable=False, after=kernel)
    layer.warn("PyTorch trains the kernel on without spectral normalization; see nn.utils.parametrizations")
    return result
