"""How the module of a recurrent layer is called, and what becomes of its outputs and states."""

from __future__ import annotations

from dataclasses import dataclass

from keras2torch.emit.code import Code, Value, call, index, method, template
from keras2torch.errors import UnsupportedMask, UnsupportedOption
from keras2torch.graph.model import Shape
from keras2torch.layers import _recurrent_modules
from keras2torch.layers._call import LayerCall
from keras2torch.layers._recurrent import LSTM, Cell, Recurrent
from keras2torch.layers._recurrent_modules import Kept
from keras2torch.source.model import Generation

_STATE_NAMES = ("h", "c")


def fit_one_module(first: Recurrent, second: Recurrent) -> bool:
    """Whether both can be the two directions of one module of `nn`."""
    if len(first.cells) > 1 or first.batch_size is not None:
        return False
    if first.cells[0].recurrent_dropout or second.cells[0].recurrent_dropout:
        return False
    halves = [
        (cell.kind, cell.units, cell.module_settings, cell.dropout)
        for half in (first, second)
        for cell in half.cells
    ]
    return first.cells[0].fits_module and second.cells[0].fits_module and halves[0] == halves[1]


def flipped(layer: LayerCall, value: Value) -> Value:
    """`value` with time, its second axis, reversed."""
    return layer.like(value, method(value, "flip", 1))


def with_valid_first(layer: LayerCall, x: Value, mask: Value) -> Value:
    """`x` (N, T, C), bound, with its valid steps in front, as modules of `nn` want it."""
    if x.valid_first is None or x.valid_first[1] is not mask:
        front = layer.bind(layer.like(x, call(layer.part("valid_first"), x, mask)), optional=True)
        x.valid_first = (front, mask)
    return x.valid_first[0]


def valid_reversed(layer: LayerCall, front: Value, mask: Value) -> Value:
    """`front`, which has its valid steps in front, with these in reversed order."""
    return layer.like(front, call(layer.part("reverse_valid"), front, mask))


def spread(layer: LayerCall, front: Value, mask: Value, *, zero_masked: bool) -> Value:
    """`front`, which has its valid steps in front, with these in their places again. Dropped if nothing reads it."""
    zero = {"zero_masked": True} if zero_masked else {}
    value = layer.like(front, call(layer.part("spread_valid"), front, mask, **zero))
    value.valid_first = (front, mask)
    return layer.bind(value, optional=True)


def run(
    layer: LayerCall, recurrent: Recurrent, x: Value, mask: Value | None, initial: list[Value]
) -> tuple[Value, list[Value]]:
    """The outputs of all steps, in the order in which they were made, or that of the last; and the states if
    asked for.
    """
    as_given = mask
    if mask is not None and recurrent.unroll and recurrent.backwards and recurrent.zero_masked:
        raise UnsupportedOption(
            "unroll=True backwards over masked steps: Keras zeroes the wrong ones", "unroll"
        )
    if recurrent.backwards:
        turned = flipped(layer, x)
        if as_given is not None:
            mask = flipped(layer, as_given)
            if recurrent.cells[0].fits_module:
                front = valid_reversed(layer, with_valid_first(layer, x, as_given), as_given)
                turned.valid_first = (layer.bind(front, optional=True), mask)
        x = turned
    stack = len(recurrent.cells) > 1
    if stack and (initial or recurrent.states):
        _check_order_of_states(layer)
    resumes = bool(initial) and recurrent.batch_size is not None and layer.generation is not Generation.KERAS3
    if resumes:
        _check_resuming(layer, stack=stack)
    if stack and mask is not None:
        layer.bind(mask)
    states: list[Value] = []
    for number, cell in enumerate(recurrent.cells):
        last = number == len(recurrent.cells) - 1
        own, initial = initial[: cell.kind.states], initial[cell.kind.states :]
        wanted = _Wanted(
            sequences=recurrent.sequences or not last,
            states=recurrent.states,
            zero_masked=recurrent.zero_masked and last,
        )
        run = _Run(layer, cell, x, recurrent.batch_size, resumes=resumes)
        # What is dropped of a state while training cannot be told from the outputs, which `last_cell_state` would need.
        tells_states = not (wanted.states and cell.kind is LSTM and cell.recurrent_dropout)
        in_module = cell.fits_module and recurrent.batch_size is None and tells_states
        if mask is not None and as_given is not None and in_module:
            x, more = run.over_valid_steps(mask, as_given, own, wanted)
        else:
            x, more = run.over_all_steps(mask, own, wanted)
        states += more
    return x, states


def _check_order_of_states(layer: LayerCall) -> None:
    if layer.generation is Generation.KERAS2 or layer.older_than(2):
        raise UnsupportedOption(
            "states of a stack of cells, which older versions of Keras 2 list from the last cell to the first and "
            "newer ones from the first; the file does not say which: give each cell an RNN of its own",
            "cell",
        )


def _check_resuming(layer: LayerCall, *, stack: bool) -> None:
    """Of a state that a call gives to a layer that has one already."""
    if layer.generation is not Generation.TF_KERAS:
        raise UnsupportedOption(
            "stateful=True with initial states, of which versions of Keras prefer the one or the other",
            "stateful",
        )
    if stack:
        raise UnsupportedOption(
            "stateful=True in a stack with initial states, which Keras uses while the states of all cells are zeros: "
            "leave the initial states out, or give each cell an RNN of its own",
            "stateful",
        )


@dataclass(frozen=True)
class _Wanted:
    """What is to come out of one cell."""

    sequences: bool
    states: bool
    zero_masked: bool


class _Run:
    """One cell run over all steps of `x` (N, T, ...)."""

    def __init__(self, layer: LayerCall, cell: Cell, x: Value, batch_size: int | None, *, resumes: bool):
        self._layer = layer
        self._resumes = resumes
        self._cell = cell
        self._batch_size = batch_size
        self._x = x
        self._step_shape, self._step_axes = _step(cell, x)

    def over_valid_steps(
        self, mask: Value, either: Value, initial: list[Value], wanted: _Wanted
    ) -> tuple[Value, list[Value]]:
        """In a module of `nn`, which knows no masks. `either`: the mask, though it may be with time reversed."""
        layer, cell = self._layer, self._cell
        x = _dropout(cell, with_valid_first(layer, self._x, mask))
        wants_cell_state = wanted.states and cell.kind.states == 2
        if wants_cell_state:
            layer.bind(x)
        rnn = _recurrent_modules.module(cell, x, None)
        front, _ = self._bind(
            call(rnn.text, x, *_start(cell, [index(state, "None") for state in initial])),
            outputs=True,
            states=0,
        )
        shape = (x.shape[0], cell.units)

        def last(*start: Value) -> Value:
            code = call(layer.part("last_valid"), front, either, *start)
            return layer.bind(layer.value(code, shape, hint="h" if wanted.states else None), optional=True)

        states = [last(*initial[:1])] if wanted.states else []
        if wants_cell_state:
            start = [template("({}, {})", *initial)] if initial else []
            code = call(layer.part("last_cell_state"), rnn, x, front, either, *start)
            states.append(layer.bind(layer.value(code, shape, hint="c"), optional=True))
        if wanted.sequences or wanted.zero_masked:
            output = spread(layer, front, mask, zero_masked=wanted.zero_masked)
            return (output if wanted.sequences else _last(layer, output)), states
        return (states[0] if states and not initial else last()), states

    def over_all_steps(
        self, mask: Value | None, initial: list[Value], wanted: _Wanted
    ) -> tuple[Value, list[Value]]:
        """In a module of `nn`, or with a mask or where none fits in a loop."""
        layer, cell = self._layer, self._cell
        x = _padded(layer, cell, _dropout(cell, self._x)) if cell.kind.spatial else _dropout(cell, self._x)
        kept = None if self._batch_size is None else Kept(self._kept_shape(), self._resumes)
        make = _recurrent_modules.module if cell.fits_module and mask is None else _recurrent_modules.loop
        rnn = make(cell, x, kept)
        start = _start(cell, [index(state, "None") for state in initial])
        zero = {"zero_masked": True} if wanted.zero_masked else {}
        if mask is not None and cell.kind.spatial:
            mask = self._mask_of_pictures(mask)
        code = call(rnn.text, x, *start) if mask is None else call(rnn.text, x, *start, mask=mask, **zero)
        if not wanted.states:
            output, _ = self._bind(code, outputs=True, states=0)
            return (output if wanted.sequences else _last(layer, output)), []
        state_is_output = mask is None and not wanted.sequences
        output, raw = self._bind(code, outputs=not state_is_output, states=cell.kind.states)
        states = [part_of_state(layer, state, 0) for state in raw]
        if state_is_output:
            return states[0], states
        return (output if wanted.sequences else _last(layer, output)), states

    def _outputs(self, code: Code) -> Value:
        shape = (*self._x.shape[:2], *self._step_shape[1:])
        return self._layer.value(code, shape, axes=(0, 1, *(axis + 1 for axis in self._step_axes[1:])))

    def _bind(self, code: Code, *, outputs: bool, states: int) -> tuple[Value, list[Value]]:
        output = self._outputs(code)
        raw = _raw_states(self._layer, code, self._step_shape, self._step_axes, states)
        bind_result(self._layer, self._cell, output if outputs else None, raw)
        return output, raw

    def _kept_shape(self) -> tuple[int, ...]:
        torch_shape = (1, self._batch_size, *(self._step_shape[axis] for axis in self._step_axes[1:]))
        known = tuple(extent for extent in torch_shape if extent is not None)
        if len(known) < len(torch_shape):
            raise UnsupportedOption("stateful=True with states of unknown size", "stateful")
        return known

    def _mask_of_pictures(self, mask: Value) -> Value:
        """A mask of whole pictures, broadcast over their points, or one of each point."""
        points = self._cell.kind.spatial
        if mask.rank == 2:
            code = index(mask, ", ".join([":, :", *["None"] * points]))
            return self._layer.value(code, (*mask.shape, *(1,) * points), dtype="bool", hint="mask")
        spatial = [self._step_shape[axis] for axis in self._step_axes[2:]]
        if list(mask.shape[2:]) != spatial or self._cell.data_format != "channels_last":
            raise UnsupportedMask("a mask of single points, of which the output has another number")
        return mask


def run_both(
    layer: LayerCall, forward: Recurrent, backward: Recurrent, x: Value, initial: list[Value]
) -> tuple[list[Value], list[Value]]:
    """Two directions in one module: [both outputs side by side] or [forward, backward], and the states if asked for."""
    (first,), (second,) = forward.cells, backward.cells
    x = _dropout(first, x)
    rnn = _recurrent_modules.module_of_both(layer, first, second, x)
    count = first.kind.states
    pairs = [template("[{}, {}]", initial[i], initial[count + i]) for i in range(count)] if initial else []
    code = call(rnn.text, x, *_start(first, [call("torch.stack", pair) for pair in pairs]))
    wanted = count if forward.states else 0 if forward.sequences else 1
    output = layer.value(code, (*x.shape[:2], 2 * first.units))
    raw = _raw_states(layer, code, (x.shape[0], first.units), (0, 1), wanted)
    bind_result(layer, first, output if forward.sequences else None, raw)
    states = [part_of_state(layer, state, i) for i in (0, 1) for state in raw] if forward.states else []
    if forward.sequences:
        return [output], states
    return [layer.value(index(raw[0], str(i)), (x.shape[0], first.units)) for i in (0, 1)], states


def bind_result(layer: LayerCall, cell: Cell, output: Value | None, raw: list[Value]) -> None:
    """`output, (h, c) = ...` with only those names that are wanted."""
    names = ["{}"] * len(raw) + ["_"] * (cell.kind.states - len(raw))
    state = "_" if not raw else names[0] if len(names) == 1 else f"({', '.join(names)})"
    if output is not None:
        layer.bind(output, "{}, " + state, *raw)
    else:
        layer.bind(raw[0], "_, " + state, *raw[1:])


def _raw_states(
    layer: LayerCall, code: Code, step_shape: Shape, step_axes: tuple[int, ...], count: int
) -> list[Value]:
    """The states as torch hands them out: one axis in front, for the directions."""
    axes = (0, *(axis + 1 for axis in step_axes))
    return [layer.value(code, (None, *step_shape), axes=axes, hint=name) for name in _STATE_NAMES[:count]]


def part_of_state(layer: LayerCall, state: Value, direction: int) -> Value:
    axes = tuple(axis - 1 for axis in state.axes[1:])
    value = layer.value(index(state, str(direction)), state.shape[1:], axes=axes, hint=state.hint)
    return layer.bind(value, optional=True)


def _start(cell: Cell, parts: list[Code]) -> list[Code]:
    """The argument that holds the initial state, if there is one."""
    if not parts:
        return []
    return [template("({}, {})", *parts) if cell.kind.states == 2 else parts[0]]


def _last(layer: LayerCall, sequence: Value) -> Value:
    axes = tuple(axis - (axis > 0) for axis in sequence.axes if axis != 1)
    value = layer.value(index(sequence, ":, -1"), (sequence.shape[0], *sequence.shape[2:]), axes=axes)
    return layer.bind(value, optional=True)  # of an encoder, only the states may be read


def _dropout(cell: Cell, x: Value) -> Value:
    """Dropout on the input, one draw for all steps."""
    if not cell.dropout:
        return x
    drop = cell.layer.module(cell.layer.part("SharedDropout"), cell.dropout, (1,), suffix="dropout")
    return cell.layer.like(x, drop(x))


def _step(cell: Cell, x: Value) -> tuple[Shape, tuple[int, ...]]:
    """Keras's shape of one step's output, and its torch axes."""
    if cell.window is None:
        return (x.shape[0], cell.units), (0, 1)
    spatial = tuple(cell.window.output(n, axis) for axis, n in enumerate(x.torch_shape[3:]))
    if cell.data_format == "channels_first":
        return (x.shape[0], cell.units, *spatial), tuple(range(2 + len(spatial)))
    return (x.shape[0], *spatial, cell.units), (0, len(spatial) + 1, *range(1, len(spatial) + 1))


def _padded(layer: LayerCall, cell: Cell, x: Value) -> Value:
    """`x` (N, T, C, spatial...) with the padding that a strided convolution cannot do itself."""
    window = cell.window
    if window is None or window.padding != "same" or all(stride == 1 for stride in window.strides):
        return x
    spatial = x.torch_shape[3:]
    known = [window.before_after(n, axis) if n is not None else None for axis, n in enumerate(spatial)]
    pairs = [pair for pair in known if pair is not None]
    if len(pairs) < len(known):
        # The axis of channels counts as one of the window, over which it does nothing.
        kernel, strides = (1, *window.kernel), (1, *window.strides)
        settings = {"dilation": (1, *window.dilation)} if any(n != 1 for n in window.dilation) else {}
        code = call(layer.part("pad_same"), x, kernel, strides, **settings)
    else:
        pads = tuple(number for pair in reversed(pairs) for number in pair)
        if not any(pads):
            return x
        code = call("F.pad", x, pads)
    torch_shape = (
        *x.torch_shape[:3],
        *(n if n is None or pair is None else n + sum(pair) for n, pair in zip(spatial, known, strict=True)),
    )
    shape = tuple(torch_shape[x.axes.index(axis)] for axis in range(x.rank))
    return layer.value(code, shape, axes=x.axes)
