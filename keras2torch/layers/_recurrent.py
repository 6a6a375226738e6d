"""A recurrent layer of Keras as its configuration describes it: the cells it is made of, and what it hands out.

`_recurrent_modules` turns a cell into a module, `_recurrent_run` says how the module is called.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from keras2torch.errors import LayerRefused, UnsupportedOption
from keras2torch.layers import _functions, _padding
from keras2torch.layers._call import LayerCall
from keras2torch.source.model import Generation


@dataclass(frozen=True)
class Kind:
    """A class of cell: the module of `nn`, the part that stands in for it, its gates in torch's order."""

    module: str
    part: str
    gates: tuple[int, ...]
    states: int
    spatial: int = 0
    """How many axes of a picture its convolutions run along."""


# Keras orders the gates i, f, c, o and z, r, h, torch i, f, g, o and r, z, n.
RNN = Kind("nn.RNN", "StepByStepRNN", (0,), 1)
LSTM = Kind("nn.LSTM", "StepByStepLSTM", (0, 1, 2, 3), 2)
GRU = Kind("nn.GRU", "StepByStepGRU", (1, 0, 2), 1)
_CONV_LSTM = {n: Kind("", "StepByStepConvLSTM", (0, 1, 2, 3), 2, spatial=n) for n in (1, 2, 3)}
_LAYERS = {
    "SimpleRNN": RNN,
    "LSTM": LSTM,
    "LSTMV1": LSTM,
    "LSTMV2": LSTM,
    "UnifiedLSTM": LSTM,
    "CuDNNLSTM": LSTM,
    "GRU": GRU,
    "GRUV1": GRU,
    "GRUV2": GRU,
    "UnifiedGRU": GRU,
    "CuDNNGRU": GRU,
    "ConvLSTM1D": _CONV_LSTM[1],
    "ConvLSTM2D": _CONV_LSTM[2],
    "ConvLSTM3D": _CONV_LSTM[3],
}
_CELLS = {
    "SimpleRNNCell": RNN,
    "LSTMCell": LSTM,
    "LSTMCellV1": LSTM,
    "LSTMCellV2": LSTM,
    "GRUCell": GRU,
    "GRUCellV1": GRU,
    "GRUCellV2": GRU,
}
CUDNN = frozenset({"CuDNNLSTM", "CuDNNGRU"})


@dataclass(frozen=True)
class Cell:
    """What happens at one step. `layer` is asked for its weights."""

    layer: LayerCall
    kind: Kind
    units: int
    """Features, or filters of a convolutional cell, in each part of the state."""
    activation: Any
    recurrent_activation: Any
    use_bias: bool
    reset_after: bool
    dropout: float
    recurrent_dropout: float
    window: _padding.Window | None
    """Of the convolution of the input, in a convolutional cell."""
    data_format: str
    may_be_cudnn: bool
    """Whether files hold its weights in the form of cuDNN too."""

    @property
    def fits_module(self) -> bool:
        """Whether the module of `nn` computes this."""
        if self.kind is RNN:
            return any(_functions.is_plain(self.activation, name) for name in ("tanh", "relu"))
        usual = _functions.is_plain(self.activation, "tanh") and _functions.is_plain(
            self.recurrent_activation, "sigmoid"
        )
        return usual and not self.kind.spatial and (self.kind is LSTM or self.reset_after)

    @property
    def module_settings(self) -> dict[str, Any]:
        """Keyword arguments of the module of `nn`."""
        relu = self.kind is RNN and _functions.is_plain(self.activation, "relu")
        nonlinearity = {"nonlinearity": "relu"} if relu else {}
        return {**nonlinearity, **({} if self.use_bias else {"bias": False}), "batch_first": True}


@dataclass(frozen=True)
class Recurrent:
    """One recurrent layer. Several cells stand one on the other: each runs over the outputs of the one before."""

    cells: tuple[Cell, ...]
    sequences: bool
    states: bool
    backwards: bool
    zero_masked: bool
    unroll: bool
    time_major: bool
    batch_size: int | None
    """Number of sequences whose states the layer keeps from call to call; None where it keeps none."""

    @property
    def state_count(self) -> int:
        return sum(cell.kind.states for cell in self.cells)

    @property
    def rank(self) -> int:
        """Of the tensor that it is called on."""
        return 3 + self.cells[0].kind.spatial


def read(layer: LayerCall) -> Recurrent:
    """Read every option of a recurrent layer that bears on what it computes."""
    options = layer.options
    if layer.class_name == "RNN":
        cells = _cells(layer, options.take("cell"), "cell/")
        if options.take("num_constants", default=0):
            raise UnsupportedOption(
                "constants, which are for cells of one's own: none of Keras's reads them", "num_constants"
            )
    elif layer.class_name in _LAYERS:
        cells = (_cell(layer, _LAYERS[layer.class_name]),)
    else:
        raise LayerRefused(f"wraps {layer.class_name}, which is not supported")
    batch_size = None
    if options.flag("stateful", default=False):
        batch_size = layer.batch_size
        if batch_size is None:
            raise UnsupportedOption(
                "stateful=True in a model whose inputs leave the number of samples open", "stateful"
            )
    options.ignore("seed", "use_cudnn")
    return Recurrent(
        cells,
        sequences=options.flag("return_sequences", default=False),
        states=options.flag("return_state", default=False),
        backwards=options.flag("go_backwards", default=False),
        zero_masked=options.flag("zero_output_for_mask", default=False) and zeroes_masked(layer, cells),
        unroll=options.flag("unroll", default=False),
        time_major=options.flag("time_major", default=False),
        batch_size=batch_size,
    )


def zeroes_masked(layer: LayerCall, cells: tuple[Cell, ...]) -> bool:
    """Whether Keras heeds `zero_output_for_mask`, which convolutional layers did not before Keras 3."""
    return layer.generation is Generation.KERAS3 or not cells[0].kind.spatial


def _cells(layer: LayerCall, entry: Any, role_prefix: str) -> tuple[Cell, ...]:
    """The cells of an `RNN`: one, or those of a stack, which may hold stacks."""
    entries = entry if isinstance(entry, list) else [entry]
    if isinstance(entry, Mapping) and entry.get("class_name") == "StackedRNNCells":
        stack = layer.wrapped(entry, role_prefix)
        entries = stack.options.take("cells")
        if stack.options.flag("reverse_state_order", default=False):
            raise UnsupportedOption(
                "reverse_state_order, which no Keras writes to a file, and under which tf_keras mixes up the states of "
                "cells of unlike sizes: give each cell an RNN of its own",
                "reverse_state_order",
            )
        stack.close()
        if not isinstance(entries, list):
            raise UnsupportedOption("StackedRNNCells without a list of cells", "cells")
    elif not isinstance(entry, list):
        call = layer.wrapped(entry, role_prefix)
        if call.class_name not in _CELLS:
            raise LayerRefused(f"runs cells of class {call.class_name}, which is not supported")
        cell = _cell(call, _CELLS[call.class_name])
        call.close()
        return (cell,)
    if not entries:
        raise UnsupportedOption("a stack of no cells", "cells")
    return tuple(
        cell for number, each in enumerate(entries) for cell in _cells(layer, each, f"{role_prefix}{number}/")
    )


def _cell(layer: LayerCall, kind: Kind) -> Cell:
    options = layer.options
    options.ignore("unit_forget_bias", "seed")
    recurrent_dropout = options.number("recurrent_dropout", default=0.0, minimum=0.0)
    cudnn = layer.class_name in CUDNN
    activation: Any = "tanh"
    recurrent_activation: Any = None if kind is RNN else "sigmoid"
    if not cudnn:
        activation = options.take("activation")
        if kind is not RNN:
            recurrent_activation = options.take("recurrent_activation", "inner_activation")
    window = None
    if kind.spatial:
        window = _padding.window(layer, kind.spatial, causal=False)
    return Cell(
        layer,
        kind,
        units=options.integer("filters") if kind.spatial else options.integer("units", "output_dim"),
        activation=activation,
        recurrent_activation=recurrent_activation,
        use_bias=cudnn or options.flag("use_bias", default=True),
        # Before Keras 2.1.5 there was no such option: the reset gate came first.
        reset_after=kind is GRU and (cudnn or options.flag("reset_after", default=False)),
        dropout=options.number("dropout", default=0.0, minimum=0.0),
        # Keras drops nothing at a rate of one.
        recurrent_dropout=recurrent_dropout if recurrent_dropout < 1 else 0.0,
        window=window,
        data_format=layer.data_format() if kind.spatial else "channels_last",
        may_be_cudnn=layer.class_name in _LAYERS and not kind.spatial,
    )
