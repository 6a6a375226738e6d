"""A recurrent cell as a module: that of `nn` where it computes the same, else a loop from `keras2torch.parts`.

Keras adds one bias where torch adds two.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from keras2torch.emit.code import Argument, Raw, Value, call, render
from keras2torch.errors import LayerRefused, UnsupportedOption
from keras2torch.layers import _functions, _padding
from keras2torch.layers._call import LayerCall
from keras2torch.layers._convolving import CONV
from keras2torch.layers._recurrent import GRU, LSTM, RNN, Cell
from keras2torch.source.model import Generation
from keras2torch.weights import Weight, by_stored_shape, in_shape, sum_of

# Parameters of nn.LSTM and its kin, by their names in a loop.
_IN_A_LOOP = {
    "weight_ih": "input.weight",
    "weight_hh": "recurrent.weight",
    "bias_ih": "input.bias",
    "bias_hh": "recurrent.bias",
}
_ONE_BIAS = "zeros: Keras has one bias, torch adds two"


@dataclass(frozen=True)
class Kept:
    """A state that is kept from call to call."""

    shape: tuple[int, ...]
    resumes: bool
    """Whether it goes before the state that a call gives, once it is no longer zeros."""


def module(cell: Cell, x: Value, kept: Kept | None) -> Raw:
    """The module of `nn` for a cell called on `x`. `kept`: the state that outlives a call, if one does."""
    weights = {f"{name}_l0": weight for name, weight in _weights(cell, x, both_biases=True).items()}
    arguments: tuple[Argument, ...] = (x.shape[2], cell.units)
    if not cell.recurrent_dropout:
        return _declare(cell, cell.kind.module, arguments, weights, cell.module_settings, kept)
    arguments = (call(cell.kind.module, *arguments, **cell.module_settings), cell.recurrent_dropout)
    weights = {f"rnn.{name}": weight for name, weight in weights.items()}
    return _declare(cell, cell.layer.part("RecurrentDropout"), arguments, weights, {}, kept)


def module_of_both(layer: LayerCall, forward: Cell, backward: Cell, x: Value) -> Raw:
    """One module of `nn` for two cells that run in opposite directions."""
    weights = {
        f"{name}_l0{suffix}": weight
        for half, suffix in ((forward, ""), (backward, "_reverse"))
        for name, weight in _weights(half, x, both_biases=True).items()
    }
    settings = {**forward.module_settings, "bidirectional": True}
    return layer.submodule(forward.kind.module, x.shape[2], forward.units, state=weights, **settings)


def loop(cell: Cell, x: Value, kept: Kept | None) -> Raw:
    """A loop over the steps of `x`."""
    layer, kind = cell.layer, cell.kind
    if cell.recurrent_dropout:
        layer.warn(
            "recurrent_dropout, which acts in training only, is not converted in a loop over the steps"
        )
    settings: dict[str, Any] = {}
    if not _functions.is_plain(cell.activation, "tanh"):
        settings["activation"] = _function(cell, cell.activation, "activation")
    if kind is not RNN and not _functions.is_plain(cell.recurrent_activation, "sigmoid"):
        settings["recurrent_activation"] = _function(cell, cell.recurrent_activation, "recurrent_activation")
    if kind.spatial:
        arguments, weights = _convolutions(cell, x)
        return _declare(cell, layer.part(kind.part), arguments, weights, settings, kept)
    weights = {_IN_A_LOOP[name]: weight for name, weight in _weights(cell, x, both_biases=False).items()}
    if kind is GRU and not cell.reset_after:
        settings["reset_after"] = False
    if not cell.use_bias:
        settings["bias"] = False
    return _declare(cell, layer.part(kind.part), (x.shape[2], cell.units), weights, settings, kept)


def _declare(
    cell: Cell,
    constructor: str,
    arguments: tuple[Argument, ...],
    weights: dict[str, Weight],
    settings: dict[str, Any],
    kept: Kept | None,
) -> Raw:
    layer = cell.layer
    if kept is None:
        return layer.submodule(constructor, *arguments, state=weights, **settings)
    zeros = Weight.constant(
        np.zeros(kept.shape, np.float32), "zeros: the state in which the first call starts"
    )
    state = {f"rnn.{name}": weight for name, weight in weights.items()}
    state |= {"h": zeros, "c": zeros} if cell.kind.states == 2 else {"h": zeros}
    flags: dict[str, Any] = {"cell_state": True} if cell.kind.states == 2 else {}
    if kept.resumes:
        flags["resumes"] = True
    inner = call(constructor, *arguments, **settings)
    return layer.submodule(layer.part("Stateful"), inner, kept.shape, state=state, **flags)


def _weights(cell: Cell, x: Value, *, both_biases: bool) -> dict[str, Weight]:
    """Weights by their names in `nn`, asked for in Keras's order. `both_biases`: zeros for a bias that Keras lacks."""
    layer, kind, units, features = cell.layer, cell.kind, cell.units, x.shape[2]
    if features is None:
        raise LayerRefused("the number of input features is not known")
    width = len(kind.gates) * units

    def in_order(weight: Weight) -> Weight:
        return weight if kind.gates == tuple(range(len(kind.gates))) else weight.reorder_gates(kind.gates)

    kernel, recurrent = (
        layer.weight("kernel", features, width),
        layer.weight("recurrent_kernel", units, width),
    )
    weights = {
        "weight_ih": in_order(kernel.transpose(1, 0)),
        "weight_hh": in_order(recurrent.transpose(1, 0)),
    }
    if not cell.use_bias:
        return weights
    shape = (2, width) if cell.reset_after else (width,)
    cudnn_shape = (2 * width,)
    cudnn_too = (
        cell.may_be_cudnn
        and layer.generation is not Generation.KERAS3
        and (kind is LSTM or (kind is GRU and cell.reset_after))
    )
    key = layer.weight_key("bias", shape, other_shapes=(cudnn_shape,) if cudnn_too else ())
    bias, flat = Weight.stored(key), in_shape(key, cudnn_shape)
    if cell.reset_after:
        weights["bias_ih"], weights["bias_hh"] = (
            in_order(bias.take(i, i + 1).reshape(width)) for i in (0, 1)
        )
    else:
        weights["bias_ih"] = in_order(bias)
        if both_biases:
            weights["bias_hh"] = Weight.constant(np.zeros(width, np.float32), _ONE_BIAS)
    if not cudnn_too:
        return weights
    # cuDNN holds the matrices of the gates one after the other, each as torch does, and both biases.
    halves = [flat.take(0, width), flat.take(width, 2 * width)]
    in_cudnn = {
        "weight_ih": in_order(_gates_below_each_other(kernel, len(kind.gates))),
        "weight_hh": in_order(_gates_below_each_other(recurrent, len(kind.gates))),
        # Of an LSTM, Keras only ever uses the sum, rounded to float32.
        "bias_ih": in_order(halves[0] if cell.reset_after else sum_of(*halves)),
        "bias_hh": in_order(halves[1]) if cell.reset_after else weights.get("bias_hh"),
    }
    return {
        name: weight
        if (other := in_cudnn[name]) is None or other is weight
        else by_stored_shape(key, {shape: weight, cudnn_shape: other})
        for name, weight in weights.items()
    }


def _gates_below_each_other(weight: Weight, gates: int) -> Weight:
    """(rows, gates * units), whose gates are (units, rows) in truth, as (gates * units, rows)."""
    rows, width = weight.shape
    units = width // gates
    return weight.reshape(rows, gates, units).transpose(1, 0, 2).reshape(width, rows)


def _convolutions(cell: Cell, x: Value) -> tuple[tuple[Argument, ...], dict[str, Weight]]:
    """The two convolutions of a step, as arguments of the part, and their weights. `x` is (N, T, C, spatial...)."""
    layer, window, rank = cell.layer, cell.window, cell.kind.spatial
    channels = x.torch_shape[2]
    if window is None or channels is None:
        raise LayerRefused("the number of channels is not known")
    width, conv = 4 * cell.units, CONV[rank]
    to_torch = (rank + 1, rank, *range(rank))
    weights = {
        "input.weight": layer.weight("kernel", *window.kernel, channels, width).transpose(*to_torch),
        "recurrent.weight": layer.weight("recurrent_kernel", *window.kernel, cell.units, width).transpose(
            *to_torch
        ),
    }
    settings: dict[str, Any] = {}
    if any(n != 1 for n in window.strides):
        settings["stride"] = _padding.short(window.strides)
    elif window.padding == "same":
        settings["padding"] = "same"
    if any(n != 1 for n in window.dilation):
        settings["dilation"] = _padding.short(window.dilation)
    if cell.use_bias:
        weights["input.bias"] = layer.weight("bias", width)
    else:
        settings["bias"] = False
    size = _padding.short(window.kernel)
    # The state keeps its size, whatever becomes of the input; Keras does not dilate this one.
    return (
        call(conv, channels, width, size, **settings),
        call(conv, cell.units, width, size, padding="same", bias=False),
    ), weights


def _function(cell: Cell, spec: Any, option: str) -> Raw:
    """An activation as a function object: by its name where it has one, else as a lambda."""
    layer = cell.layer
    name, inner = _functions.parse(spec, option, layer.generation)
    if inner is not None and inner.get("class_name") not in _functions.LAYERS:
        raise UnsupportedOption(f"{option} {spec!r} is no activation", option)
    if name == "hard_sigmoid" and layer.generation is not Generation.KERAS3:
        return Raw(layer.part("hard_sigmoid"))
    spatial = cell.kind.spatial
    channels_first = cell.data_format == "channels_first"
    axes = tuple(range(2 + spatial)) if channels_first else (0, spatial + 1, *range(1, spatial + 1))
    shape = (
        (None, cell.units, *(None,) * spatial) if channels_first else (None, *(None,) * spatial, cell.units)
    )
    x = Value(shape, "float32", axes, hint="x")
    result = layer.apply_activation(x, spec, option)
    if result is x:
        return Raw("nn.Identity()")
    if result.shape != x.shape or result.axes != x.axes or result.code is None:
        raise UnsupportedOption(f"{option} {spec!r} has no meaning inside a recurrent layer", option)
    text = render(result.code, lambda value: "x" if value is x else None)
    if "self." in text:
        raise UnsupportedOption(
            f"{option} is a layer with weights, which is not supported inside a recurrent layer", option
        )
    function, *rest = result.code.parts
    return Raw(str(function) if rest == ["(", x, ")"] else f"lambda x: {text}")
