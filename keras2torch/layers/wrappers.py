"""Keras family "wrappers": recurrent layers in two directions, and layers applied at every step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from keras2torch.emit.code import Code, Value, call, method, template
from keras2torch.errors import LayerRefused, UnsupportedMask, UnsupportedOption
from keras2torch.graph.entries import is_model
from keras2torch.layers import _recurrent, _recurrent_ends, _recurrent_run
from keras2torch.layers._call import LayerCall
from keras2torch.layers._functions import is_function, parse
from keras2torch.layers._recurrent import CUDNN, Recurrent
from keras2torch.layers._registry import Masks, converts, example, find
from keras2torch.source.model import Generation

_MERGE_MODES = ("concat", "sum", "mul", "ave")
_NO_MASKS = "cuDNN's layers raise an error on masks in Keras: one reaches this"


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
        example(
            (7, 3),
            merge_mode=None,
            _inner=("LSTM", {"units": 4, "return_sequences": True, "return_state": True}),
            _masked=True,
        ),
        example(
            (3, 7, 6, 2), _inner=("ConvLSTM2D", {"filters": 3, "kernel_size": 3, "return_sequences": True})
        ),
        example(
            (3, 6, 5, 2),
            _inner=(
                "ConvLSTM2D",
                {"filters": 3, "kernel_size": 3, "padding": "same", "return_sequences": True},
            ),
            _masked=True,
        ),
        example(
            (3, 7, 2),
            merge_mode="ave",
            _inner=("ConvLSTM1D", {"filters": 3, "kernel_size": 2, "padding": "same"}),
        ),
        example(
            (3, 2, 6, 5),
            _inner=("ConvLSTM2D", {"filters": 3, "kernel_size": 2, "data_format": "channels_first"}),
        ),
    ],
    masks=Masks.HANDLE,
)
def bidirectional(layer: LayerCall) -> list[Value]:
    """`bidirectional=True` of the same module; two modules where masks are used or the halves differ."""
    forward, backward = _halves(layer)
    given, mask, initial, goes_on = _recurrent_ends.inputs(layer, forward)
    merge = layer.options.take("merge_mode", default="concat")
    if merge is not None and merge not in _MERGE_MODES:
        raise UnsupportedOption(
            f"merge_mode {merge!r} is not one of {', '.join(_MERGE_MODES)} or null", "merge_mode"
        )
    layer.options.must_be("num_constants", 0, None)
    _recurrent_ends.check_count(initial, 2 * forward.state_count)
    x = given
    if (
        mask is not None
        and forward.zero_masked
        and layer.generation in (Generation.KERAS1, Generation.KERAS2)
    ):
        layer.warn("yields zeros at masked steps, as tf.keras does; Keras 2 repeated the output before")
    as_given = forward
    if forward.backwards:
        # Both halves then see time reversed and neither output is turned back: the usual case on a reversed input.
        x = layer.bind(_recurrent_run.flipped(layer, x))
        mask = None if mask is None else layer.bind(_recurrent_run.flipped(layer, mask))
        forward, backward = replace(forward, backwards=False), replace(backward, backwards=True)
    if mask is None and _recurrent_run.fit_one_module(forward, backward):
        outputs, states = _recurrent_run.run_both(layer, forward, backward, x, initial)
    else:
        half = len(initial) // 2
        first, states = _recurrent_run.run(layer, forward, x, mask, initial[:half])
        second, more = _recurrent_run.run(layer, backward, x, mask, initial[half:])
        states += more
        if mask is not None and forward.sequences and first.valid_first and second.valid_first:
            back = layer.bind(_recurrent_run.valid_reversed(layer, second.valid_first[0], mask))
            fronts = _merged(layer, [first.valid_first[0], back], merge)
            merged = [
                _recurrent_run.spread(layer, layer.bind(front), mask, zero_masked=forward.zero_masked)
                for front in fronts
            ]
            return [*_recurrent_ends.handed_out(layer, as_given, merged, goes_on), *states]
        second = _recurrent_run.flipped(layer, second) if backward.sequences else second
        outputs = [layer.bind(first), layer.bind(second)]
    return [*_recurrent_ends.handed_out(layer, as_given, _merged(layer, outputs, merge), goes_on), *states]


def _halves(layer: LayerCall) -> tuple[Recurrent, Recurrent]:
    """The layer that runs forward and the one that runs backward, which is the same with time reversed unless given."""
    entry, other = layer.options.take("layer"), layer.options.take("backward_layer", default=None)
    forward = _half(layer, entry, "forward/")
    backward = _half(layer, other or entry, "backward/")
    if other is None:
        backward = replace(backward, backwards=not forward.backwards)
    for option in ("sequences", "states", "time_major", "batch_size", "state_count", "rank"):
        if getattr(forward, option) != getattr(backward, option):
            raise UnsupportedOption("layer and backward_layer differ in what they hand out", "backward_layer")
    if forward.backwards == backward.backwards:
        raise UnsupportedOption(
            "layer and backward_layer do not run in opposite directions", "backward_layer"
        )
    # Keras overrides the option inside this wrapper.
    zero = forward.sequences and _recurrent.zeroes_masked(layer, forward.cells)
    return replace(forward, zero_masked=zero), replace(backward, zero_masked=zero)


def _half(layer: LayerCall, entry: Any, role_prefix: str) -> Recurrent:
    call = layer.wrapped(entry, role_prefix)
    half = _recurrent.read(call)
    call.close()
    if call.class_name in CUDNN and layer.inputs[0].mask is not None:
        raise UnsupportedMask(_NO_MASKS)
    return half


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
        last = first.shape[-1], second.shape[-1]
        width = None if None in last else sum(n or 0 for n in last)
        axis = first.torch_axis(-1)
        pair = template("[{}, {}]", first, second)
        code = call("torch.cat", pair, dim=-1 if axis == first.rank - 1 else axis)
        return [layer.value(code, (*first.shape[:-1], width), axes=first.axes)]
    if first.shape != second.shape:
        raise UnsupportedOption(
            f"the halves have different numbers of units: merge_mode {merge!r}", "merge_mode"
        )
    text = {"sum": "{} + {}", "mul": "{} * {}", "ave": "({} + {}) / 2"}[merge]
    return [layer.like(first, template(text, first, second))]


# ------------------------------------------------------------------------------------------- a layer at each step


@converts(
    "TimeDistributed",
    examples=[
        example((7, 5), _inner=("Dense", {"units": 4, "activation": "relu"})),
        example((None, 5), _inner=("Dense", {"units": 4})),
        example((4, 6, 5, 3), _inner=("Conv2D", {"filters": 4, "kernel_size": 3, "padding": "same"})),
        example((None, 6, 5, 3), _inner=("MaxPooling2D", {})),
        example((4, 6, 5, 3), _inner=("Flatten", {})),
        example((4, 6, 5), _inner=("BatchNormalization", {})),
        example((4, 6, 5), _inner=("LSTM", {"units": 3})),
        example((7, 5), _inner=("Dense", {"units": 4}), _masked=True),
        example((4, 6, 5), _inner=("LSTM", {"units": 3, "return_sequences": True}), _masked=True),
    ],
    masks=Masks.HANDLE,
)
def time_distributed(layer: LayerCall) -> Value:
    """The inner layer, with time folded into the batch where it does not work on the last axis alone."""
    if any(x.rank < 3 for x in layer.inputs):
        raise LayerRefused(f"called on a tensor of rank {layer.inputs[0].rank}, expected (batch, time, ...)")
    entry = layer.options.take("layer")
    if not isinstance(entry, Mapping) or not isinstance(entry.get("config"), Mapping | list):
        raise UnsupportedOption("a wrapped layer without class_name and config", "layer")
    if isinstance(entry["config"], Mapping) and entry["config"].get("stateful") is True:
        raise UnsupportedOption("a layer that keeps states, at each step of another", "stateful")
    if len(layer.inputs) == 1 and _works_on_last_axis(entry, layer.generation):
        return layer.sublayer(entry, layer.inputs, "")
    if any(x.rank == 3 for x in layer.inputs) and _attends(entry):
        # Keras takes the axis before the features for steps; where a step is a vector, that is the batch.
        raise LayerRefused("attention inside it runs along the batch, step by step")
    if len(layer.inputs) > 1 and any(x.mask for x in layer.inputs):
        raise UnsupportedMask("a mask reaches a TimeDistributed with several inputs")
    _check_mask(layer, entry, layer.inputs[0])
    if layer.generation is Generation.KERAS3 and "BatchNormalization" in _classes_in(entry):
        layer.warn(
            "in training, Keras 3 normalises each step by its own statistics; PyTorch takes those of all steps"
        )
    mask = layer.inputs[0].mask
    inputs = [layer.arranged(x, _time_in_front(x, entry)) for x in layer.inputs]
    like = inputs[0]
    if like.shape[1] is None:
        layer.bind(like)  # its shape is read again
    result = layer.sublayer(entry, [_folded(layer, x) for x in inputs], "")
    unfolded = _unfolded(result, like)
    if layer.generation is Generation.KERAS3:
        unfolded.mask = mask
    elif result.mask is not None:
        unfolded.mask = layer.bind(_unfolded(result.mask, like), optional=True)
    elif mask is not None and mask.rank > 2:
        # Of a mask of more than steps, whether anything of a step is left.
        code = method(method(mask, "flatten", 2), "any", -1)
        unfolded.mask = layer.bind(
            layer.value(code, mask.shape[:2], dtype="bool", hint="mask"), optional=True
        )
    else:
        unfolded.mask = mask
    return unfolded


def _folded(layer: LayerCall, x: Value) -> Value:
    """`x` (N, T, ...) with time folded into the batch, and a mask that says more than which steps are valid."""
    axes = (0, *(axis - 1 for axis in x.axes[2:]))
    folded = Value((None, *x.shape[2:]), x.dtype, axes, method(x, "flatten", 0, 1), x.order, hint=x.hint)
    if x.mask is not None and x.mask.rank > 2:
        shape = (None, *x.mask.shape[2:])
        mask = layer.value(method(x.mask, "flatten", 0, 1), shape, dtype="bool", hint="mask")
        folded.mask = layer.bind(mask, optional=True)
    return folded


def _works_on_last_axis(entry: Mapping[str, Any], generation: Generation) -> bool:
    """Whether the layer does the same with a time axis before the others as at each step."""
    config = entry.get("config")
    activation = config.get("activation") if isinstance(config, Mapping) else None
    if activation is not None and not is_function(activation):
        _, inside = parse(activation, "activation", generation)
        if inside is not None and inside.get("class_name") == "PReLU":  # slopes for every element of a step
            return False
    if entry.get("class_name") == "Dropout":
        return isinstance(config, Mapping) and config.get("noise_shape") is None
    return entry.get("class_name") in ("Activation", "Dense", "ELU", "LeakyReLU", "ReLU")


def _check_mask(layer: LayerCall, entry: Mapping[str, Any], x: Value) -> None:
    """Keras hands a step's part of the mask to the inner layer: one number a sample is of no use to any."""
    if x.mask is None:
        return
    keras3 = layer.generation is Generation.KERAS3
    rule = find(str(entry.get("class_name")))
    if x.mask.rank > 2:
        # Before Keras 3, a layer that knows nothing of masks raises an error inside this wrapper.
        known = is_model(entry) or (rule is not None and (keras3 or rule.masks is not Masks.STOP))
        if layer.generation in (Generation.KERAS1, Generation.KERAS2):
            layer.warn("hands masks to the inner layer as tf.keras does; early Keras 2 did not")
    else:
        known = _is_blind_to_masks(entry, (Masks.PASS, Masks.STOP) if keras3 else (Masks.PASS,))
    if not known:
        raise UnsupportedMask(f"a mask reaches {entry.get('class_name')} inside a TimeDistributed")


def _is_blind_to_masks(entry: Mapping[str, Any], kinds: tuple[Masks, ...]) -> bool:
    """Whether the layer, or every layer of the model, is of the `kinds` that compute the same with a mask."""
    rules = (find(name) for name in _classes_in(entry) if name != "InputLayer")
    return all(rule is not None and rule.masks in kinds for rule in rules)


def _classes_in(entry: Any) -> Iterator[str]:
    """The class of a layer, or of every layer of a model."""
    if not isinstance(entry, Mapping) or not is_model(entry):
        yield str(entry.get("class_name")) if isinstance(entry, Mapping) else "?"
        return
    config = entry["config"]
    for layer in config["layers"] if isinstance(config, Mapping) else config:
        yield from _classes_in(layer)


def _attends(entry: Mapping[str, Any]) -> bool:
    """Whether there is an attention in it that takes vectors without steps."""
    if not is_model(entry):
        return entry.get("class_name") in ("Attention", "AdditiveAttention")
    config = entry["config"]
    layers = config["layers"] if isinstance(config, Mapping) else config
    return any(isinstance(layer, Mapping) and _attends(layer) for layer in layers)


def _time_in_front(x: Value, entry: Mapping[str, Any]) -> tuple[int, ...]:
    """The layout (N, T, ...) that suits the inner layer: pictures channels-first."""
    if x.axes[:2] == (0, 1):
        return x.axes
    config = entry.get("config")
    channels_first = isinstance(config, Mapping) and config.get("data_format") == "channels_first"
    if x.rank < 5 or channels_first:
        return tuple(range(x.rank))
    return (0, 1, x.rank - 1, *range(2, x.rank - 1))


def _unfolded(value: Value, like: Value) -> Value:
    """`value` with its first axis taken apart into the batch and the steps of `like`."""
    steps = like.shape[1]
    sizes = Code((like, ".shape[:2]")) if steps is None else (-1, steps)
    shape = (like.shape[0], steps, *value.shape[1:])
    axes = (0, 1, *(axis + 1 for axis in value.axes[1:]))
    return Value(shape, value.dtype, axes, method(value, "unflatten", 0, sizes), value.order, hint=value.hint)
