"""Keras family "rnn": recurrent layers in one direction or two, and layers applied at every step."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from keras2torch.emit.code import Value, call, method, template
from keras2torch.errors import LayerRefused, UnsupportedOption
from keras2torch.layers import _recurrent
from keras2torch.layers._call import LayerCall
from keras2torch.layers._recurrent import Recurrent
from keras2torch.layers._registry import Masks, converts, example
from keras2torch.source.model import Generation

_MERGE_MODES = ("concat", "sum", "mul", "ave")


@converts(
    "SimpleRNN",
    examples=[
        example((7, 3), units=4),
        example((7, 3), units=4, return_sequences=True, activation="relu", use_bias=False),
        example((None, 3), units=4, go_backwards=True, return_sequences=True),
        example((7, 3), units=4, activation="softsign", return_state=True),
        example((7, 3), units=4, return_sequences=True, _masked=True),
    ],
    masks=Masks.HANDLE,
)
def simple_rnn(layer: LayerCall) -> list[Value]:
    """`nn.RNN`; a loop for activations other than tanh and relu."""
    return _one_direction(layer)


@converts(
    "LSTM",
    examples=[
        example((7, 3), units=4),
        example((7, 3), units=4, return_sequences=True, use_bias=False),
        example((None, 3), units=4, go_backwards=True, return_sequences=True),
        example((7, 3), units=4, return_sequences=True, return_state=True),
        example((7, 3), units=4, return_state=True),
        example((7, 3), units=4, recurrent_activation="hard_sigmoid", return_sequences=True),
        example((7, 3), units=4, activation="relu", go_backwards=True),
        example((7, 3), units=4, dropout=0.2),
        example((7, 3), units=4, _masked=True),
        example((7, 3), units=4, return_sequences=True, _masked=True),
        example((7, 3), units=4, return_sequences=True, return_state=True, go_backwards=True, _masked=True),
        example((7, 3), units=4, return_sequences=True, zero_output_for_mask=True, _masked=True),
        example((7, 3), (4,), (4,), units=4, return_sequences=True, _only=Generation.TF_KERAS),
    ],
    masks=Masks.HANDLE,
)
def lstm(layer: LayerCall) -> list[Value]:
    """`nn.LSTM`, its second bias zero; a loop for activations other than tanh and sigmoid."""
    return _one_direction(layer)


@converts(
    "GRU",
    examples=[
        example((7, 3), units=4),
        example((7, 3), units=4, return_sequences=True, return_state=True, use_bias=False),
        example((None, 3), units=4, reset_after=False, return_sequences=True),
        example((7, 3), units=4, reset_after=False, recurrent_activation="hard_sigmoid"),
        example((7, 3), units=4, activation="elu", go_backwards=True),
        example((7, 3), units=4, _masked=True),
        example((7, 3), units=4, reset_after=False, return_sequences=True, _masked=True),
        example((7, 3), (4,), units=4, _only=Generation.TF_KERAS),
    ],
    masks=Masks.HANDLE,
)
def gru(layer: LayerCall) -> list[Value]:
    """`nn.GRU`; a loop for `reset_after=False` (where the option is missing too) and for other activations."""
    return _one_direction(layer)


def _one_direction(layer: LayerCall) -> list[Value]:
    x, initial = _inputs(layer)
    recurrent = _recurrent.read(layer)
    _check_count(initial, recurrent.kind.states)
    output, states = _recurrent.run(layer, recurrent, x, x.mask, initial)
    # Keras hands the mask on as it came, even where the outputs stand in reversed order.
    output.mask = x.mask if recurrent.sequences else None
    return [output, *states]


def _inputs(layer: LayerCall) -> tuple[Value, list[Value]]:
    """The sequence (N, T, C) and the initial states: further inputs before Keras 3, a call argument since."""
    given = layer.inputs[0]
    states: Any = layer.argument("initial_state") or []
    initial = [*layer.inputs[1:], *(states if isinstance(states, list) else [states])]
    if given.rank != 3:
        raise LayerRefused(f"called on a tensor of rank {given.rank}, expected (batch, time, features)")
    if any(not isinstance(value, Value) or value.rank != 2 for value in initial):
        raise LayerRefused("initial_state is not made of (batch, units) tensors")
    x = layer.bind(layer.keras_layout(given))
    x.mask = given.mask
    if x.mask is not None:
        layer.bind(x.mask)
    return x, initial


def _check_count(initial: list[Value], states: int) -> None:
    if initial and len(initial) != states:
        raise LayerRefused(f"initial_state has {len(initial)} tensors, expected {states}")


# ----------------------------------------------------------------------------------------------- two directions


@converts(
    "Bidirectional",
    examples=[
        example((7, 3), _inner=("LSTM", {"units": 4, "return_sequences": True})),
        example((7, 3), _inner=("LSTM", {"units": 4})),
        example((None, 3), merge_mode="sum", _inner=("GRU", {"units": 4, "return_sequences": True})),
        example((7, 3), merge_mode="mul", _inner=("SimpleRNN", {"units": 4})),
        example(
            (7, 3),
            merge_mode="ave",
            _inner=("LSTM", {"units": 4, "activation": "relu", "return_sequences": True}),
        ),
        example((7, 3), merge_mode=None, _inner=("GRU", {"units": 4, "return_sequences": True})),
        example((7, 3), _inner=("LSTM", {"units": 4, "return_sequences": True, "return_state": True})),
        example((7, 3), _inner=("GRU", {"units": 4, "reset_after": False})),
        example((7, 3), _inner=("LSTM", {"units": 4, "return_sequences": True}), _masked=True),
        example((7, 3), _inner=("GRU", {"units": 4}), _masked=True),
    ],
    masks=Masks.HANDLE,
)
def bidirectional(layer: LayerCall) -> list[Value]:
    """`bidirectional=True` of the same module; two modules where masks are used or the halves differ."""
    given, initial = _inputs(layer)
    merge = layer.options.take("merge_mode", default="concat")
    if merge is not None and merge not in _MERGE_MODES:
        raise UnsupportedOption(
            f"merge_mode {merge!r} is not one of {', '.join(_MERGE_MODES)} or null", "merge_mode"
        )
    layer.options.must_be("num_constants", 0, None)
    forward, backward = _halves(layer)
    _check_count(initial, 2 * forward.kind.states)
    x, mask = given, given.mask
    if mask is not None and forward.sequences and layer.generation in (Generation.KERAS1, Generation.KERAS2):
        layer.warn("yields zeros at masked steps, as tf.keras does; Keras 2 repeated the output before")
    if forward.backwards:
        # Both halves then see time reversed and neither output is turned back: the usual case on a reversed input.
        x = layer.bind(_recurrent.flipped(layer, x))
        mask = None if mask is None else layer.bind(_recurrent.flipped(layer, mask))
        forward, backward = replace(forward, backwards=False), replace(backward, backwards=True)
    if mask is None and _recurrent.fit_one_module(forward, backward):
        outputs, states = _recurrent.run_both(layer, forward, backward, x, initial)
    else:
        half = len(initial) // 2
        first, states = _recurrent.run(layer, forward, x, mask, initial[:half])
        second, more = _recurrent.run(layer, backward, x, mask, initial[half:])
        second = _recurrent.flipped(layer, second) if backward.sequences else second
        outputs = [layer.bind(first), layer.bind(second)]
        states += more
    outputs = _merged(layer, outputs, merge)
    for output in outputs:
        output.mask = given.mask if forward.sequences else None
    return [*outputs, *states]


def _halves(layer: LayerCall) -> tuple[Recurrent, Recurrent]:
    """The layer that runs forward and the one that runs backward, which is the same with time reversed unless given."""
    entry, other = layer.options.take("layer"), layer.options.take("backward_layer", default=None)
    call = layer.wrapped(entry, "forward/")
    forward = _recurrent.read(call)
    call.close()
    call = layer.wrapped(other or entry, "backward/")
    if other is None:
        backward = replace(forward, layer=call, backwards=not forward.backwards)
    else:
        backward = _recurrent.read(call)
        call.close()
    for option in ("sequences", "states"):
        if getattr(forward, option) != getattr(backward, option):
            raise UnsupportedOption(f"layer and backward_layer differ in return_{option}", "backward_layer")
    if forward.backwards == backward.backwards or forward.kind.states != backward.kind.states:
        raise UnsupportedOption(
            "layer and backward_layer do not run in opposite directions", "backward_layer"
        )
    # Keras overrides the option inside this wrapper.
    zero = forward.sequences
    return replace(forward, zero_masked=zero), replace(backward, zero_masked=zero)


def _merged(layer: LayerCall, outputs: list[Value], merge: str | None) -> list[Value]:
    """The two halves made one as `merge_mode` says. `outputs` may hold both side by side already."""
    if len(outputs) == 1:
        (both,) = outputs
        units = (both.shape[2] or 0) // 2
        if merge == "concat":
            return outputs
        code = method(both, "chunk", 2, dim=-1)
        outputs = [layer.value(code, (*both.shape[:2], units)) for _ in range(2)]
        layer.bind(outputs[0], "{}, {}", outputs[1])
    first, second = outputs
    if merge is None:
        return outputs
    if merge == "concat":
        width = (first.shape[-1] or 0) + (second.shape[-1] or 0)
        code = call("torch.cat", template("[{}, {}]", first, second), dim=-1)
        return [layer.value(code, (*first.shape[:-1], width))]
    if first.shape != second.shape:
        raise UnsupportedOption(
            f"the halves have different numbers of units: merge_mode {merge!r}", "merge_mode"
        )
    text = {"sum": "{} + {}", "mul": "{} * {}", "ave": "({} + {}) / 2"}[merge]
    return [layer.like(first, template(text, first, second))]
