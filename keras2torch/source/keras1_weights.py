"""Keras 1's arrays in Keras 2's layout: kernels turned, the gates of recurrent layers side by side.

What is only turned or sliced stays a view of the mapped file; gates that were stored one by one are copied together.
Layouts follow `preprocess_weights_for_loading` of Keras 2.3.1, beside it the `build` methods of Keras 1.2.2.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from keras2torch.source.model import Array, StoredWeight
from keras2torch.source.weight_owners import Owner, keras2_count, owners, shares

_Config = Mapping[str, Any]
_GATES = {
    # In the order in which they were stored, by the order in which they stand in one kernel.
    "LSTM": (0, 2, 1, 3),  # i, c, f, o -> i, f, c, o
    "ConvLSTM2D": (0, 2, 1, 3),
    "GRU": (0, 1, 2),  # z, r, h
}
_FUSED = 2
"""`implementation` under which an LSTM or GRU kept one kernel for all gates."""


def in_keras2_layout(entry: _Config, stored: Sequence[StoredWeight]) -> tuple[StoredWeight, ...]:
    """The weights of a top-level layer; `entry` is its entry in Keras 2's spelling.

    Returned as they are where the entry does not say whose they are: what reads them then refuses them.
    """
    owned = owners(entry, keras1_count)
    if owned is None or sum(owner.trainable + owner.others for owner in owned) != len(stored):
        return tuple(stored)
    trainable: list[StoredWeight] = []
    others: list[StoredWeight] = []
    for owner, share in shares(owned, stored):
        converted = _convert(owner, share)
        last = len(converted) - owner.others if owner.trainable else 0
        trainable += converted[:last]
        others += converted[last:]
    return (*trainable, *others)


def keras1_count(class_name: str, config: _Config) -> tuple[int, int] | None:
    """What a layer of Keras 1 stores."""
    if class_name in _GATES and not _is_fused(class_name, config):
        return 3 * len(_GATES[class_name]), 0
    return keras2_count(class_name, config)


def _is_fused(class_name: str, config: _Config) -> bool:
    return class_name != "ConvLSTM2D" and config.get("implementation") == _FUSED


def _convert(owner: Owner, share: list[StoredWeight]) -> list[StoredWeight]:
    class_name, config = owner.class_name, owner.config
    if class_name in _GATES and len(share) == 3 * len(_GATES[class_name]):
        share = _joined(
            share, _GATES[class_name], along=0 if _is_th(config) and class_name == "ConvLSTM2D" else -1
        )
    turn = _TURNS.get(class_name)
    return (
        [_with(weight, turn(number, weight.array, config)) for number, weight in enumerate(share)]
        if turn
        else share
    )


def _joined(share: Sequence[StoredWeight], order: Sequence[int], along: int) -> list[StoredWeight]:
    """One array each of the kernels, recurrent kernels and biases, which were stored gate by gate."""
    joined = []
    for role in range(3):
        gates = [share[3 * gate + role] for gate in order]
        arrays = [gate.array for gate in gates]
        alike = len({array.shape for array in arrays}) == 1 and arrays[0].ndim
        joined.append(
            _with(gates[0], np.concatenate(arrays, axis=along if role < 2 else -1) if alike else arrays[0])
        )
    return joined


def _with(weight: StoredWeight, array: Array) -> StoredWeight:
    return StoredWeight(weight.name, array)


# ------------------------------------------------------------------------------------------ single layers

_Turn = Callable[[int, Array, _Config], Array]
"""(number of the array in its layer, the array, the layer's configuration) -> the array as Keras 2 has it."""


def _is_th(config: _Config) -> bool:
    return config.get("data_format") == "channels_first"


def _turned(array: Array, *axes: int) -> Array:
    """What has another rank is left for the check of shapes to refuse."""
    return array.transpose(axes) if array.ndim == len(axes) else array


def _conv1d(number: int, array: Array, config: _Config) -> Array:
    """(length, 1, in, out), before Keras 1.2 (out, in, length, 1)."""
    if number or array.ndim != 4:
        return array
    size = config.get("kernel_size")
    if array.shape[:2] != (size, 1) or array.shape[3] != config.get("filters"):
        array = array.transpose(2, 3, 1, 0)
    return array[:, 0] if array.shape[1] == 1 else array


def _conv2d(_: int, array: Array, config: _Config) -> Array:
    return _turned(array, 2, 3, 1, 0) if _is_th(config) and array.ndim == 4 else array


def _conv3d(_: int, array: Array, config: _Config) -> Array:
    return _turned(array, 2, 3, 4, 1, 0) if _is_th(config) and array.ndim == 5 else array


def _transposed2d(_: int, array: Array, config: _Config) -> Array:
    """(h, w, in, out) or, channels first, (out, in, h, w); Keras 2 has (h, w, out, in)."""
    return _turned(array, *((2, 3, 0, 1) if _is_th(config) else (0, 1, 3, 2)))


def _transposed3d(_: int, array: Array, config: _Config) -> Array:
    return _turned(array, *((2, 3, 4, 0, 1) if _is_th(config) else (0, 1, 2, 4, 3)))


def _locally_connected2d(number: int, array: Array, config: _Config) -> Array:
    """The bias alone stood channels first: (out, h, w)."""
    return _turned(array, 1, 2, 0) if number and _is_th(config) else array


_TURNS: dict[str, _Turn] = {
    "AtrousConvolution1D": _conv1d,
    "AtrousConvolution2D": _conv2d,
    "Conv1D": _conv1d,
    "Conv2D": _conv2d,
    "Conv3D": _conv3d,
    "ConvLSTM2D": _conv2d,
    "Deconvolution2D": _transposed2d,
    "Deconvolution3D": _transposed3d,
    "LocallyConnected2D": _locally_connected2d,
    "SeparableConv2D": _conv2d,
}
