"""Keras family "rnn": recurrent layers, whatever they are made of."""

from __future__ import annotations

from keras2torch.emit.code import Value
from keras2torch.layers import _recurrent, _recurrent_ends, _recurrent_run
from keras2torch.layers._call import LayerCall
from keras2torch.layers._registry import (
    BEFORE_KERAS3,
    SINCE_KERAS2,
    SINCE_TF_KERAS,
    Masks,
    cannot,
    converts,
    example,
)
from keras2torch.source.model import Generation


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
    "LSTMV1",
    "LSTMV2",
    "UnifiedLSTM",
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
        example(
            (7, 3),
            (4,),
            (4,),
            units=4,
            return_state=True,
            use_bias=False,
            _masked=True,
            _only=Generation.TF_KERAS,
        ),
        example((7, 3), units=4, stateful=True, _batch=2),
        example((7, 3), units=4, stateful=True, go_backwards=True, return_state=True, _masked=True, _batch=2),
        example((7, 3), (4,), (4,), units=4, stateful=True, _batch=2, _call={"initial_state": ["#1", "#2"]}),
        example(
            (7, 3), units=4, time_major=True, return_sequences=True, _masked=True, _only=Generation.TF_KERAS
        ),
    ],
    masks=Masks.HANDLE,
)
def lstm(layer: LayerCall) -> list[Value]:
    """`nn.LSTM`, its second bias zero; a loop for activations other than tanh and sigmoid."""
    return _one_direction(layer)


@converts(
    "GRU",
    "GRUV1",
    "GRUV2",
    "UnifiedGRU",
    examples=[
        example((7, 3), units=4),
        example((7, 3), units=4, return_sequences=True, return_state=True, use_bias=False),
        example((None, 3), units=4, reset_after=False, return_sequences=True),
        example((7, 3), units=4, reset_after=False, recurrent_activation="hard_sigmoid"),
        example((7, 3), units=4, activation="elu", go_backwards=True),
        example((7, 3), units=4, _masked=True),
        example((7, 3), units=4, return_sequences=True, return_state=True, go_backwards=True, _masked=True),
        example((7, 3), units=4, reset_after=False, return_sequences=True, _masked=True),
        example((7, 3), (4,), units=4, _only=Generation.TF_KERAS),
        example((7, 3), units=4, stateful=True, reset_after=False, return_sequences=True, _batch=3),
    ],
    masks=Masks.HANDLE,
)
def gru(layer: LayerCall) -> list[Value]:
    """`nn.GRU`; a loop for `reset_after=False` (where the option is missing too) and for other activations."""
    return _one_direction(layer)


@converts(
    "ConvLSTM1D",
    examples=[
        example((4, 9, 3), filters=2, kernel_size=3, strides=2, padding="same", return_sequences=True),
        example((4, 9, 3), filters=2, kernel_size=2, return_state=True, use_bias=False),
    ],
    masks=Masks.HANDLE,
    generations=SINCE_TF_KERAS,
)
def conv_lstm1d(layer: LayerCall) -> list[Value]:
    """A loop over the steps, with two `nn.Conv1d`."""
    return _one_direction(layer)


@converts(
    "ConvLSTM2D",
    examples=[
        example((4, 7, 6, 3), filters=2, kernel_size=[3, 2]),
        example((4, 7, 6, 3), filters=2, kernel_size=3, padding="same", return_sequences=True),
        example((4, 8, 7, 3), filters=2, kernel_size=3, padding="same", strides=[2, 1], return_state=True),
        example((None, 7, 6, 3), filters=2, kernel_size=2, dilation_rate=2, go_backwards=True),
        example((4, 5, 5, 3), filters=2, kernel_size=1, activation="relu", dropout=0.2, use_bias=False),
        example((4, 5, 5, 3), filters=2, kernel_size=3, padding="same", return_sequences=True, _masked=True),
        example((4, 3, 5, 5), filters=2, kernel_size=3, data_format="channels_first", return_sequences=True),
    ],
    masks=Masks.HANDLE,
)
def conv_lstm2d(layer: LayerCall) -> list[Value]:
    """A loop over the steps, with two `nn.Conv2d`."""
    return _one_direction(layer)


@converts(
    "ConvLSTM3D",
    examples=[example((3, 4, 6, 5, 2), filters=2, kernel_size=2, padding="same", return_sequences=True)],
    masks=Masks.HANDLE,
    generations=SINCE_TF_KERAS,
)
def conv_lstm3d(layer: LayerCall) -> list[Value]:
    """A loop over the steps, with two `nn.Conv3d`."""
    return _one_direction(layer)


@converts(
    "CuDNNLSTM",
    examples=[
        example((7, 3), units=4, return_sequences=True),
        example((None, 5), units=4, go_backwards=True, return_state=True),
    ],
    generations=BEFORE_KERAS3,
)
def cudnn_lstm(layer: LayerCall) -> list[Value]:
    """`nn.LSTM`."""
    return _one_direction(layer)


@converts(
    "CuDNNGRU",
    examples=[example((7, 3), units=4), example((7, 3), units=4, return_sequences=True, return_state=True)],
    generations=BEFORE_KERAS3,
)
def cudnn_gru(layer: LayerCall) -> list[Value]:
    """`nn.GRU`."""
    return _one_direction(layer)


_LSTM_CELL, _GRU_CELL = ("LSTMCell", {"units": 4}), ("GRUCell", {"units": 3, "reset_after": False})


@converts(
    "RNN",
    examples=[
        example((7, 3), return_state=True, _cells=(_LSTM_CELL,)),
        example((7, 3), return_sequences=True, go_backwards=True, _cells=(_GRU_CELL, _LSTM_CELL)),
        example(
            (7, 3),
            return_state=True,
            _cells=(_LSTM_CELL, ("SimpleRNNCell", {"units": 5, "activation": "relu"})),
            _masked=True,
        ),
        example(
            (7, 3),
            zero_output_for_mask=True,
            return_sequences=True,
            _cells=(_LSTM_CELL, _GRU_CELL),
            _masked=True,
        ),
        example((7, 3), stateful=True, _cells=(_GRU_CELL, _LSTM_CELL), _batch=2),
        example(
            (7, 3),
            (3,),
            stateful=True,
            _cells=(_GRU_CELL,),
            _batch=2,
            _masked=True,
            _call={"initial_state": "#1"},
        ),
    ],
    masks=Masks.HANDLE,
    generations=SINCE_KERAS2,
)
def rnn(layer: LayerCall) -> list[Value]:
    """What its cells become: one module a cell, each over the outputs of the one before."""
    return _one_direction(layer)


_ONE_STEP = "outside of an RNN it is one step of a recurrence, not a layer; wrap it in RNN"
cannot(__name__, "LSTMCell", "GRUCell", "SimpleRNNCell", "StackedRNNCells", reason=_ONE_STEP)
cannot(
    __name__,
    "LSTMCellV1",
    "LSTMCellV2",
    "GRUCellV1",
    "GRUCellV2",
    reason=_ONE_STEP,
    generations=BEFORE_KERAS3,
)
cannot(
    __name__,
    "ConvLSTM2DCell",
    "ConvRNN2D",
    reason="only ConvLSTM2D itself is known to run these cells",
    generations=BEFORE_KERAS3,
)
cannot(
    __name__,
    "DeviceWrapper",
    "DropoutWrapper",
    "ResidualWrapper",
    reason="it is a wrapper of TensorFlow 1 round one step of a recurrence",
    generations=BEFORE_KERAS3,
)


def _one_direction(layer: LayerCall) -> list[Value]:
    recurrent = _recurrent.read(layer)
    x, mask, initial, goes_on = _recurrent_ends.inputs(layer, recurrent)
    _recurrent_ends.check_count(initial, recurrent.state_count)
    output, states = _recurrent_run.run(layer, recurrent, x, mask, initial)
    (output,) = _recurrent_ends.handed_out(layer, recurrent, [output], goes_on)
    return [output, *states]
