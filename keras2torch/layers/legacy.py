"""What only Keras 1 had, under names that no later Keras knows. Options stand in Keras 2's spelling (see `dialects`).

Formulas follow `keras/legacy/layers.py` of Keras 2.0.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from keras2torch.emit.code import Value, call, method, template
from keras2torch.errors import LayerRefused, UnsupportedMask, UnsupportedOption
from keras2torch.layers import convolutional, core, merging
from keras2torch.layers._call import LayerCall
from keras2torch.layers._convolving import transposed
from keras2torch.layers._lambda import apply_function, check_shape
from keras2torch.layers._registry import Generations, Masks, converts, example
from keras2torch.source.model import Generation

ONLY_KERAS1: Generations = frozenset({Generation.KERAS1})
BEFORE_TF_KERAS = ONLY_KERAS1 | {Generation.KERAS2}
"""What Keras 2 kept for the files of those who had it from Keras 1."""


@converts(
    "Highway",
    examples=[example((5,), activation="relu"), example((4,), use_bias=False, activation="tanh")],
    generations=BEFORE_TF_KERAS,
)
def highway(layer: LayerCall) -> Value:
    """`t * f(A x) + (1 - t) * x` with a gate t = sigmoid(B x): two `nn.Linear`."""
    x = layer.keras_layout(layer.bind(layer.input))
    size = _features(x)
    use_bias = layer.options.flag("use_bias", default=True)
    kernel, carry = layer.weight("kernel", size, size), layer.weight("carry_kernel", size, size)
    new = {"weight": kernel.transpose(1, 0)}
    gate = {"weight": carry.transpose(1, 0)}
    if use_bias:
        new["bias"] = layer.weight("bias", size)
        gate["bias"] = layer.weight("carry_bias", size)
    plain: dict[str, Any] = {} if use_bias else {"bias": False}
    linear = layer.module("nn.Linear", size, size, state=new, **plain)
    gating = layer.module("nn.Linear", size, size, state=gate, suffix="gate", **plain)
    candidate = layer.activation(layer.like(x, linear(x)))
    share = layer.bind(layer.like(x, call("torch.sigmoid", gating(x))))
    return layer.like(x, template("{} * {} + (1 - {}) * {}", share, candidate, share, x))


@converts(
    "MaxoutDense",
    examples=[example((5,), units=3, nb_feature=4), example((4,), units=2, nb_feature=3, use_bias=False)],
    generations=BEFORE_TF_KERAS,
)
def maxout_dense(layer: LayerCall) -> Value:
    """The largest of several `nn.Linear`, written as one."""
    x = layer.keras_layout(layer.input)
    size = _features(x)
    units = layer.options.integer("units")
    pieces = layer.options.integer("nb_feature", default=4)
    # (pieces, in, units) -> (pieces * units, in)
    kernel = layer.weight("kernel", pieces, size, units).transpose(0, 2, 1)
    state = {"weight": kernel.as_shape(pieces * units, size)}
    if use_bias := layer.options.flag("use_bias", default=True):
        state["bias"] = layer.weight("bias", pieces, units).as_shape(pieces * units)
    settings: dict[str, Any] = {} if use_bias else {"bias": False}
    linear = layer.module("nn.Linear", size, pieces * units, state=state, **settings)
    split = method(linear(x), "unflatten", -1, (pieces, units))
    return layer.value(method(split, "amax", -2), (x.shape[0], units))


def _features(x: Value) -> int:
    if x.rank != 2 or x.shape[1] is None:
        raise LayerRefused(f"called on a tensor of shape {x.shape}")
    return x.shape[1]


# -------------------------------------------------------------------- what went on under another name


@converts(
    "TimeDistributedDense",
    examples=[
        example((4, 3), units=5, activation="tanh"),
        example((4, 3), units=2, use_bias=False, _masked=True),
    ],
    masks=Masks.PASS,
    generations=ONLY_KERAS1,
)
def time_distributed_dense(layer: LayerCall) -> Value | list[Value]:
    """`nn.Linear`, which any step goes through."""
    return core.dense(layer)


@converts(
    "AtrousConvolution1D",
    "AtrousConv1D",
    examples=[example((9, 3), filters=4, kernel_size=3, dilation_rate=2)],
    masks=Masks.STOP,
    generations=ONLY_KERAS1,
)
def atrous_convolution1d(layer: LayerCall) -> Value | list[Value]:
    """`nn.Conv1d` with a dilation."""
    return convolutional.conv1d(layer)


@converts(
    "AtrousConvolution2D",
    "AtrousConv2D",
    examples=[
        example((9, 8, 3), filters=4, kernel_size=[3, 2], dilation_rate=[2, 1], padding="same"),
        example((3, 9, 8), filters=4, kernel_size=3, dilation_rate=2, data_format="channels_first"),
    ],
    masks=Masks.STOP,
    generations=ONLY_KERAS1,
)
def atrous_convolution2d(layer: LayerCall) -> Value | list[Value]:
    """`nn.Conv2d` with a dilation."""
    return convolutional.conv2d(layer)


# ---------------------------------------------------------------------------------------------------- Merge

_MODES: dict[str, Callable[[LayerCall], Value | list[Value]]] = {
    "sum": merging.add,
    "mul": merging.multiply,
    "ave": merging.average,
    "max": merging.maximum,
    "concat": merging.concatenate,
}


@converts(
    "Merge",
    examples=[
        example((4, 3), (4, 3), (4, 3), mode="sum", _masked=True),
        example((4,), (4,), mode="mul"),
        example((4,), (4,), (4,), mode="ave"),
        example((4,), (4,), mode="max"),
        example((4, 3), (2, 3), mode="concat", axis=1),
        example((4, 3), (4, 2), mode="concat", _masked=True),
        example((5,), (5,), mode="dot", axes=1),
        example((3, 5), (4, 5), mode="dot", axes=[2, 2]),
        example((5,), (5,), mode="cos", axes=-1),
    ],
    masks=Masks.HANDLE,
    generations=BEFORE_TF_KERAS,
)
def merge(layer: LayerCall) -> Value | list[Value]:
    """What `mode` says: the merging layers of today, or the cosine of the angle between two vectors."""
    mode = layer.options.take("mode", default="sum")
    if mode in ("dot", "cos"):
        _check_axes(layer)
        return merging.dot(layer) if mode == "dot" else _cosine(layer)
    if not isinstance(mode, str):
        return _merged_by_function(layer, mode)
    if mode not in _MODES:
        raise UnsupportedOption(
            "merges by a function of its author's, of which the file holds nothing but the name: "
            "give a class of yours for this layer with --replace",
            "mode",
        )
    return _MODES[mode](layer)


def _merged_by_function(layer: LayerCall, function: Any) -> Value:
    """The expression that is read from its bytecode, see `lambdas`."""
    if any(value.mask is not None for value in layer.inputs):
        raise UnsupportedMask("a mask reaches a Merge by a function")
    options = layer.options
    kind, arguments = options.take("mode_type", default=None), options.take("arguments", default=None)
    options.must_be("output_mask", None)
    options.ignore("output_mask_type", "node_indices", "tensor_indices")
    result = apply_function(layer, layer.inputs, function, kind, arguments)
    recorded = options.take("output_shape", default=None)
    check_shape(result, recorded, options.take("output_shape_type", default="raw"))
    return result


def _check_axes(layer: LayerCall) -> None:
    if len(layer.inputs) != 2:
        raise LayerRefused(f"called on {len(layer.inputs)} tensors, expected two")
    axes = layer.options.take("axes", default=-1)
    # One number was taken for an axis from the front by one version, from the back by another.
    if type(axes) is int and axes in (1, -1) and all(value.rank == 2 for value in layer.inputs):
        return
    if isinstance(axes, list | tuple) and len(axes) == 2 and all(type(axis) is int for axis in axes):
        return
    raise UnsupportedOption(
        f"dot_axes={axes!r} was read differently by different versions of Keras 1", "dot_axes"
    )


def _cosine(layer: LayerCall) -> Value:
    """Of (N, d) and (N, d), as (N, 1, 1); the product of the lengths is held above 1e-7."""
    left, right = (layer.bind(value) for value in layer.inputs)
    if left.rank != 2 or left.shape != right.shape:
        raise LayerRefused(f"the cosine between tensors of shape {left.shape} and {right.shape}")
    code = call(layer.part("cosine"), left, right)
    return layer.value(code, (left.shape[0], 1, 1))


# ------------------------------------------------------------------------------------------ activations


@converts(
    "ParametricSoftplus",
    examples=[example((5,)), example((6, 5, 3), shared_axes=[1, 2])],
    masks=Masks.PASS,
    generations=ONLY_KERAS1,
)
def parametric_softplus(layer: LayerCall) -> Value:
    """`alpha * softplus(beta * x)` with trained `alpha` and `beta`."""
    return _with_parameters(layer, "ParametricSoftplus", "alpha", "beta")


@converts(
    "SReLU",
    examples=[example((5,)), example((6, 5, 3), shared_axes=[1, 2]), example((6, 3))],
    masks=Masks.PASS,
    generations=ONLY_KERAS1,
)
def srelu(layer: LayerCall) -> Value:
    """Three straight lines, with trained bends and outer slopes."""
    return _with_parameters(layer, "SReLU", "t_left", "a_left", "t_right", "a_right")


def _with_parameters(layer: LayerCall, part: str, *roles: str) -> Value:
    """A part whose parameters, each of the shape of one sample, lie as the tensor lies."""
    x = layer.input
    shared = layer.options.take("shared_axes", default=None) or []
    if not isinstance(shared, list | tuple) or any(type(n) is not int or not 1 <= n < x.rank for n in shared):
        raise UnsupportedOption(f"shared_axes {shared!r} of a tensor of rank {x.rank}", "shared_axes")
    shape = tuple(1 if axis in shared else x.shape[axis] for axis in range(1, x.rank))
    if None in shape:
        raise LayerRefused("the shape of the parameters is not known")
    extents = tuple(n or 0 for n in shape)
    places = tuple(axis - 1 for axis in x.axes[1:])
    state = {role: layer.weight(role, *extents).transpose(*places) for role in roles}
    module = layer.module(layer.part(part), state[roles[0]].shape, state=state)
    return layer.like(x, module(x))


# ---------------------------------------------------------------------------------------- deconvolutions


@converts(
    "Deconvolution2D",
    examples=[
        example(
            (5, 4, 3), filters=2, kernel_size=3, strides=2, padding="same", output_shape=[None, 10, 8, 2]
        ),
        example((5, 4, 3), filters=2, kernel_size=3, strides=2, padding="same", output_shape=[None, 9, 7, 2]),
        example(
            (5, 4, 3),
            filters=2,
            kernel_size=[3, 2],
            strides=2,
            output_shape=[None, 12, 8, 2],
            activation="relu",
        ),
        example(
            (3, 5, 4),
            filters=2,
            kernel_size=3,
            output_shape=[None, 2, 7, 6],
            use_bias=False,
            data_format="channels_first",
        ),
    ],
    masks=Masks.STOP,
    generations=ONLY_KERAS1,
)
def deconvolution2d(layer: LayerCall) -> Value:
    """`nn.ConvTranspose2d`, cropped or filled up to the output size that the layer names."""
    return _deconvolution(layer, 2)


@converts(
    "Deconvolution3D",
    examples=[
        example(
            (3, 4, 3, 2), filters=3, kernel_size=3, strides=2, padding="same", output_shape=[None, 6, 7, 6, 3]
        )
    ],
    masks=Masks.STOP,
    generations=ONLY_KERAS1,
)
def deconvolution3d(layer: LayerCall) -> Value:
    """`nn.ConvTranspose3d`, cropped or filled up to the output size that the layer names."""
    return _deconvolution(layer, 3)


def _deconvolution(layer: LayerCall, rank: int) -> Value:
    shape = layer.options.take("output_shape")
    if not isinstance(shape, list | tuple) or len(shape) != rank + 2:
        raise UnsupportedOption(f"output_shape is {shape!r}", "output_shape")
    spatial = shape[2:] if layer.data_format() == "channels_first" else shape[1:-1]
    if any(type(n) is not int or n < 1 for n in spatial):
        raise UnsupportedOption(f"output_shape is {shape!r}", "output_shape")
    return transposed(layer, rank, tuple(spatial))
