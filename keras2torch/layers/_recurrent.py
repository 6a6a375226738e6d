"""One recurrent layer of Keras as one of torch: its options, its weights, and the call that runs it.

The module of `nn` where it computes the same, otherwise a loop from `keras2torch.parts`. Keras orders the gates
i, f, c, o and z, r, h, torch i, f, g, o and r, z, n; Keras adds one bias where torch adds two.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from keras2torch.emit.code import Code, Raw, Value, call, index, method, render, template
from keras2torch.errors import LayerRefused, UnsupportedOption
from keras2torch.layers import _functions
from keras2torch.layers._call import LayerCall
from keras2torch.source.model import Generation
from keras2torch.weights import Weight


@dataclass(frozen=True)
class Kind:
    """A class of recurrent layer: the module of `nn`, the part that stands in for it, its gates in torch's order."""

    module: str
    part: str
    gates: tuple[int, ...]
    states: int


_RNN = Kind("nn.RNN", "StepByStepRNN", (0,), 1)
_LSTM = Kind("nn.LSTM", "StepByStepLSTM", (0, 1, 2, 3), 2)
_GRU = Kind("nn.GRU", "StepByStepGRU", (1, 0, 2), 1)
_KINDS = {"SimpleRNN": _RNN, "LSTM": _LSTM, "GRU": _GRU}
_STATE_NAMES = ("h", "c")
# Parameters of nn.LSTM and its kin, by their names in a loop.
_IN_A_LOOP = {
    "weight_ih": "input.weight",
    "weight_hh": "recurrent.weight",
    "bias_ih": "input.bias",
    "bias_hh": "recurrent.bias",
}


@dataclass(frozen=True)
class Recurrent:
    """One recurrent layer as its configuration describes it; `layer` is asked for its weights."""

    layer: LayerCall
    kind: Kind
    units: int
    activation: Any
    recurrent_activation: Any
    use_bias: bool
    reset_after: bool
    sequences: bool
    states: bool
    backwards: bool
    zero_masked: bool
    unroll: bool
    dropout: float

    @property
    def fits_module(self) -> bool:
        """Whether the module of `nn` computes this."""
        if self.kind is _RNN:
            return any(_functions.is_plain(self.activation, name) for name in ("tanh", "relu"))
        usual = _functions.is_plain(self.activation, "tanh") and _functions.is_plain(
            self.recurrent_activation, "sigmoid"
        )
        return usual and (self.kind is _LSTM or self.reset_after)

    @property
    def module_settings(self) -> dict[str, Any]:
        """Keyword arguments of the module of `nn`."""
        relu = (
            {"nonlinearity": "relu"}
            if self.kind is _RNN and _functions.is_plain(self.activation, "relu")
            else {}
        )
        return {**relu, **({} if self.use_bias else {"bias": False}), "batch_first": True}


def read(layer: LayerCall) -> Recurrent:
    """Read every option of a recurrent layer that bears on what it computes."""
    kind = _KINDS.get(layer.class_name)
    if kind is None:
        raise LayerRefused(f"wraps {layer.class_name}, which is not supported")
    options = layer.options
    if options.flag("stateful", default=False):
        raise UnsupportedOption(
            "stateful=True carries the state from one call to the next, which no converted module does; save the model "
            "with stateful=False (the weights are the same) and pass states with return_state and initial_state",
            "stateful",
        )
    options.must_be("time_major", False)
    options.ignore("unit_forget_bias", "seed")
    if options.number("recurrent_dropout", default=0.0):
        layer.warn("recurrent_dropout, which acts in training only, is not converted")
    return Recurrent(
        layer,
        kind,
        units=options.integer("units", "output_dim"),
        activation=options.take("activation"),
        recurrent_activation=None
        if kind is _RNN
        else options.take("recurrent_activation", "inner_activation"),
        use_bias=options.flag("use_bias", default=True),
        # Before Keras 2.1.5 there was no such option: the reset gate came first.
        reset_after=kind is _GRU and options.flag("reset_after", default=False),
        sequences=options.flag("return_sequences", default=False),
        states=options.flag("return_state", default=False),
        backwards=options.flag("go_backwards", default=False),
        zero_masked=options.flag("zero_output_for_mask", default=False),
        unroll=options.flag("unroll", default=False),
        dropout=options.number("dropout", default=0.0, minimum=0.0),
    )


def fit_one_module(first: Recurrent, second: Recurrent) -> bool:
    """Whether both can be the two directions of one module of `nn`."""
    halves = [(half.kind, half.units, half.module_settings, half.dropout) for half in (first, second)]
    return first.fits_module and second.fits_module and halves[0] == halves[1]


def flipped(layer: LayerCall, value: Value) -> Value:
    """`value` with time, its second axis, reversed."""
    return layer.like(value, method(value, "flip", 1))


# ------------------------------------------------------------------------------------------------------ running


def run(
    layer: LayerCall, recurrent: Recurrent, x: Value, mask: Value | None, initial: list[Value]
) -> tuple[Value, list[Value]]:
    """The outputs of all steps, in the order in which they were made, or that of the last; and the states if
    asked for.
    """
    if mask is not None and recurrent.unroll and recurrent.backwards and recurrent.zero_masked:
        raise UnsupportedOption(
            "unroll=True backwards over masked steps: Keras zeroes the wrong ones", "unroll"
        )
    if recurrent.backwards:
        x, mask = flipped(layer, x), None if mask is None else flipped(layer, mask)
    x = _dropout(recurrent, x)
    # nn.LSTM gives the cell state of the last step only, which masked steps would have changed.
    in_module = recurrent.fits_module and (mask is None or not recurrent.states)
    rnn = _module(recurrent, x) if in_module else _loop(recurrent, x)
    start = [_state_argument(recurrent, [index(state, "None") for state in initial])] if initial else []
    zero = {"zero_masked": True} if recurrent.zero_masked else {}
    shape = (*x.shape[:2], recurrent.units)
    if mask is not None and in_module:
        output = layer.value(call(layer.part("over_valid_steps"), rnn, x, mask, *start, **zero), shape)
        return (output if recurrent.sequences else _last(layer, layer.bind(output))), []
    code = call(rnn.text, x, *start) if mask is None else call(rnn.text, x, *start, mask=mask, **zero)
    if not recurrent.states:
        output, _ = _bind(layer, recurrent, code, shape, outputs=True, states=0)
        return (output if recurrent.sequences else _last(layer, output)), []
    state_is_output = mask is None and not recurrent.sequences
    output, raw = _bind(
        layer, recurrent, code, shape, outputs=not state_is_output, states=recurrent.kind.states
    )
    states = [_part_of_state(layer, state, 0) for state in raw]
    if state_is_output:
        return states[0], states
    return (output if recurrent.sequences else _last(layer, output)), states


def run_both(
    layer: LayerCall, forward: Recurrent, backward: Recurrent, x: Value, initial: list[Value]
) -> tuple[list[Value], list[Value]]:
    """Two directions in one module: [both outputs side by side] or [forward, backward], and the states if asked for."""
    x = _dropout(forward, x)
    weights = {
        f"{name}_l0{suffix}": weight
        for half, suffix in ((forward, ""), (backward, "_reverse"))
        for name, weight in _weights(half, x, both_biases=True).items()
    }
    settings = {**forward.module_settings, "bidirectional": True}
    rnn = layer.submodule(forward.kind.module, x.shape[2], forward.units, state=weights, **settings)
    count = forward.kind.states
    pairs = [template("[{}, {}]", initial[i], initial[count + i]) for i in range(count)] if initial else []
    start = [_state_argument(forward, [call("torch.stack", pair) for pair in pairs])] if initial else []
    code = call(rnn.text, x, *start)
    shape = (*x.shape[:2], 2 * forward.units)
    wanted = count if forward.states else 0 if forward.sequences else 1
    output, raw = _bind(layer, forward, code, shape, outputs=forward.sequences, states=wanted)
    states = [_part_of_state(layer, state, i) for i in (0, 1) for state in raw] if forward.states else []
    if forward.sequences:
        return [output], states
    return [layer.value(index(raw[0], str(i)), (x.shape[0], forward.units)) for i in (0, 1)], states


def _bind(
    layer: LayerCall,
    recurrent: Recurrent,
    code: Code,
    shape: tuple[int | None, ...],
    *,
    outputs: bool,
    states: int,
) -> tuple[Value, list[Value]]:
    """`outputs, (h, c) = code` with only those names that are wanted; states are (directions, N, units)."""
    output = layer.value(code, shape)
    raw = [layer.value(code, (None, None, recurrent.units), hint=name) for name in _STATE_NAMES[:states]]
    names = ["{}"] * states + ["_"] * (recurrent.kind.states - states)
    state = "_" if not states else names[0] if len(names) == 1 else f"({', '.join(names)})"
    if outputs:
        layer.bind(output, "{}, " + state, *raw)
    else:
        layer.bind(raw[0], "_, " + state, *raw[1:])
    return output, raw


def _part_of_state(layer: LayerCall, state: Value, direction: int) -> Value:
    value = layer.value(index(state, str(direction)), (None, state.shape[2]), hint=state.hint)
    return layer.bind(value, optional=True)


def _state_argument(recurrent: Recurrent, parts: list[Code]) -> Code:
    return template("({}, {})", *parts) if recurrent.kind.states == 2 else parts[0]


def _last(layer: LayerCall, sequence: Value) -> Value:
    value = layer.value(index(sequence, ":, -1"), (sequence.shape[0], sequence.shape[2]))
    return layer.bind(value, optional=True)  # of an encoder, only the states may be read


def _dropout(recurrent: Recurrent, x: Value) -> Value:
    """Dropout on the input, one draw for all steps."""
    if not recurrent.dropout:
        return x
    drop = recurrent.layer.module(
        recurrent.layer.part("SharedDropout"), recurrent.dropout, (1,), suffix="dropout"
    )
    return recurrent.layer.like(x, drop(x))


# ------------------------------------------------------------------------------------------------------ modules


def _module(recurrent: Recurrent, x: Value) -> Raw:
    weights = {f"{name}_l0": weight for name, weight in _weights(recurrent, x, both_biases=True).items()}
    return recurrent.layer.submodule(
        recurrent.kind.module, x.shape[2], recurrent.units, state=weights, **recurrent.module_settings
    )


def _loop(recurrent: Recurrent, x: Value) -> Raw:
    layer, kind = recurrent.layer, recurrent.kind
    weights = {_IN_A_LOOP[name]: weight for name, weight in _weights(recurrent, x, both_biases=False).items()}
    settings: dict[str, Any] = {}
    if not _functions.is_plain(recurrent.activation, "tanh"):
        settings["activation"] = _function(recurrent, recurrent.activation, "activation")
    if kind is not _RNN and not _functions.is_plain(recurrent.recurrent_activation, "sigmoid"):
        settings["recurrent_activation"] = _function(
            recurrent, recurrent.recurrent_activation, "recurrent_activation"
        )
    if kind is _GRU and not recurrent.reset_after:
        settings["reset_after"] = False
    if not recurrent.use_bias:
        settings["bias"] = False
    return layer.submodule(layer.part(kind.part), x.shape[2], recurrent.units, state=weights, **settings)


def _weights(recurrent: Recurrent, x: Value, *, both_biases: bool) -> dict[str, Weight]:
    """Weights by their names in `nn`, asked for in Keras's order. `both_biases`: zeros for a bias that Keras lacks."""
    layer, kind, units, features = recurrent.layer, recurrent.kind, recurrent.units, x.shape[2]
    if features is None:
        raise LayerRefused("the number of input features is not known")
    width = len(kind.gates) * units

    def in_order(weight: Weight) -> Weight:
        return weight if kind.gates == tuple(range(len(kind.gates))) else weight.reorder_gates(kind.gates)

    weights = {
        "weight_ih": in_order(layer.weight("kernel", features, width).transpose(1, 0)),
        "weight_hh": in_order(layer.weight("recurrent_kernel", units, width).transpose(1, 0)),
    }
    if not recurrent.use_bias:
        return weights
    if recurrent.reset_after:
        bias = layer.weight("bias", 2, width)
        rows = [in_order(bias.take(i, i + 1).reshape(width)) for i in (0, 1)]
        return {**weights, "bias_ih": rows[0], "bias_hh": rows[1]}
    weights["bias_ih"] = in_order(layer.weight("bias", width))
    if both_biases:
        weights["bias_hh"] = Weight.constant(
            np.zeros(width, np.float32), "zeros: Keras has one bias, torch adds two"
        )
    return weights


def _function(recurrent: Recurrent, spec: Any, option: str) -> Raw:
    """An activation as a function object: by its name where it has one, else as a lambda."""
    layer = recurrent.layer
    name, inner = _functions.parse(spec, option, layer.generation)
    if inner is not None and inner.get("class_name") not in _functions.LAYERS:
        raise UnsupportedOption(f"{option} {spec!r} is no activation", option)
    if name == "hard_sigmoid" and layer.generation is not Generation.KERAS3:
        return Raw(layer.part("hard_sigmoid"))
    x = Value((None, recurrent.units), "float32", (0, 1), hint="x")
    result = layer.apply_activation(x, spec, option)
    if result is x:
        return Raw("nn.Identity()")
    if result.shape != x.shape or result.code is None:
        raise UnsupportedOption(f"{option} {spec!r} has no meaning inside a recurrent layer", option)
    text = render(result.code, lambda value: "x" if value is x else None)
    if "self." in text:
        raise UnsupportedOption(
            f"{option} is a layer with weights, which is not supported inside a recurrent layer", option
        )
    function, *rest = result.code.parts
    return Raw(str(function) if rest == ["(", x, ")"] else f"lambda x: {text}")
