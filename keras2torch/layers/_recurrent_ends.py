"""What a recurrent layer is given, and what it hands out, in the terms of Keras."""

from __future__ import annotations

from typing import Any

from keras2torch.emit.code import Value, method
from keras2torch.errors import LayerRefused, UnsupportedMask, UnsupportedOption
from keras2torch.graph.stored_masks import IMPLICIT
from keras2torch.layers._call import LayerCall
from keras2torch.layers._recurrent import Recurrent
from keras2torch.source.model import Generation


def inputs(layer: LayerCall, recurrent: Recurrent) -> tuple[Value, Value | None, list[Value], Value | None]:
    """The sequence (N, T, ...), its pictures channels-first, the mask that acts on it, and the initial states; and the
    mask that goes on from here: the caller's own, or the one that came with the sequence.

    The states are further inputs before Keras 3, a call argument since.
    """
    given = layer.inputs[0]
    states: Any = layer.argument("initial_state") or []
    initial = [*layer.inputs[1:], *_flat(states)]
    if layer.argument("constants") is not None:
        raise UnsupportedOption(
            "constants, which are for cells of one's own: none of Keras's reads them", "constants"
        )
    if given.rank != recurrent.rank:
        raise LayerRefused(
            f"called on a tensor of rank {given.rank}, expected {recurrent.rank}: (batch, time, features ...)"
        )
    if any(not isinstance(value, Value) or value.rank != recurrent.rank - 1 for value in initial):
        raise LayerRefused("initial_state is not made of (batch, units) tensors")
    stored, mask = layer.argument("mask"), given.mask
    if isinstance(stored, Value) and stored.dtype == "bool":
        mask = stored
    elif stored is not None and (stored != IMPLICIT or mask is None):
        raise UnsupportedOption("call argument mask, which is no tensor of bools", "mask")
    if mask is not None and mask.rank not in (2, recurrent.rank - 1):
        raise UnsupportedMask(f"a mask of rank {mask.rank}, expected (batch, time)")
    x, goes_on = given, mask
    if recurrent.time_major:
        x, mask = _time_and_batch_swapped(layer, x), mask and _time_and_batch_swapped(layer, mask)
    formats = recurrent.cells[0].data_format
    x = layer.bind(layer.arranged(x, _pictures_channels_first(recurrent.rank, 2, formats)))
    if mask is not None:
        layer.bind(mask)
    if layer.generation is Generation.KERAS3 and initial and stored is None:
        mask = None  # Keras 3 fills in the mask only where the sequence is the one tensor of the call
    channels_first = _pictures_channels_first(recurrent.rank - 1, 1, formats)
    return x, mask, [layer.arranged(value, channels_first) for value in initial], goes_on


def handed_out(
    layer: LayerCall, recurrent: Recurrent, outputs: list[Value], mask: Value | None
) -> list[Value]:
    """Outputs as Keras returns them, with the mask as it came, even where they stand in reversed order."""
    if recurrent.sequences and recurrent.time_major:
        outputs = [_time_and_batch_swapped(layer, output) for output in outputs]
    for output in outputs:
        output.mask = mask if recurrent.sequences else None
    return outputs


def _flat(states: Any) -> list[Any]:
    """Initial states one after the other: those of stacked cells stand in lists."""
    if isinstance(states, list):
        return [state for each in states for state in _flat(each)]
    return [states]


def _time_and_batch_swapped(layer: LayerCall, value: Value) -> Value:
    value = layer.keras_layout(value)
    first, second, *rest = value.shape
    return layer.value(method(value, "transpose", 0, 1), (second, first, *rest), dtype=value.dtype)


def _pictures_channels_first(rank: int, leading: int, data_format: str) -> tuple[int, ...]:
    """Axes of (batch, time, channels, spatial...), or without the time."""
    if rank <= leading + 1 or data_format == "channels_first":
        return tuple(range(rank))
    return (*range(leading), rank - 1, *range(leading, rank - 1))


def check_count(initial: list[Value], states: int) -> None:
    if initial and len(initial) != states:
        raise LayerRefused(f"initial_state has {len(initial)} tensors, expected {states}")
