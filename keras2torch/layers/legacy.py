"""What only Keras 1 had, under names that no later Keras knows. Options stand in Keras 2's spelling (see `dialects`).

Formulas follow `keras/legacy/layers.py` of Keras 2.0.
"""

from __future__ import annotations

from typing import Any

from keras2torch.emit.code import Value, call, method, template
from keras2torch.errors import LayerRefused
from keras2torch.layers._call import LayerCall
from keras2torch.layers._registry import Generations, converts, example
from keras2torch.source.model import Generation

ONLY_KERAS1: Generations = frozenset({Generation.KERAS1})


@converts(
    "Highway",
    examples=[example((5,), activation="relu"), example((4,), use_bias=False, activation="tanh")],
    generations=ONLY_KERAS1,
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
    generations=ONLY_KERAS1,
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
