"""Keras family "locally_connected": convolutions whose kernel differs from place to place. Keras 3 has none.

Keras holds the kernels in one of three forms (`implementation`): of each place; as the matrix from all inputs to all
outputs; or as the entries of that matrix that can be other than zero, row by row.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from keras2torch.emit.code import Value, call
from keras2torch.errors import LayerRefused, UnsupportedOption
from keras2torch.layers import _padding
from keras2torch.layers._call import LayerCall
from keras2torch.layers._registry import BEFORE_KERAS3, Masks, converts, example
from keras2torch.source.model import Array
from keras2torch.weights import Weight

_MOST_WEIGHTS = 1 << 31


@converts(
    "LocallyConnected1D",
    examples=[
        example((9, 3), filters=4, kernel_size=3, strides=2),
        example((9, 3), filters=4, kernel_size=2, use_bias=False, activation="relu", implementation=2),
        example((9, 3), filters=4, kernel_size=4, strides=2, padding="same", implementation=3),
    ],
    masks=Masks.STOP,
    generations=BEFORE_KERAS3,
)
def locally_connected1d(layer: LayerCall) -> Value:
    """The part `LocallyConnected`."""
    return _locally_connected(layer, 1)


@converts(
    "LocallyConnected2D",
    examples=[
        example((6, 5, 3), filters=2, kernel_size=[3, 2]),
        example((6, 7, 3), filters=2, kernel_size=[2, 3], strides=[1, 2], padding="same", implementation=2),
        example((5, 4, 3), filters=2, kernel_size=[2, 3], padding="same", implementation=3),
        example((3, 6, 5), filters=2, kernel_size=[3, 2], data_format="channels_first"),
        example(
            (3, 5, 4),
            filters=2,
            kernel_size=2,
            padding="same",
            data_format="channels_first",
            implementation=2,
        ),
        example((3, 5, 4), filters=2, kernel_size=2, data_format="channels_first", implementation=3),
    ],
    masks=Masks.STOP,
    generations=BEFORE_KERAS3,
)
def locally_connected2d(layer: LayerCall) -> Value:
    """The part `LocallyConnected`."""
    return _locally_connected(layer, 2)


@dataclass(frozen=True)
class _Places:
    """Which inputs each output sees. All sizes are per spatial axis, in Keras's order."""

    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    before: tuple[int, ...]
    """Padding in front: half the kernel in mode "same", whatever the size (not what convolutions do)."""
    channels: int
    filters: int
    channels_first: bool

    @property
    def behind(self) -> tuple[int, ...]:
        """Padding that the last window needs behind."""
        sizes = zip(self.inputs, self.outputs, self.kernel, self.strides, self.before, strict=True)
        return tuple(max((out - 1) * step + k - front - n, 0) for n, out, k, step, front in sizes)

    def seen(self, axis: int) -> Array:
        """(outputs, kernel): the input under each place of each window, -1 outside."""
        at = np.arange(self.outputs[axis])[:, None] * self.strides[axis] - self.before[axis]
        at = at + np.arange(self.kernel[axis])
        return np.where((at >= 0) & (at < self.inputs[axis]), at, -1)

    @property
    def connections(self) -> int:
        """Pairs of an input and an output that a weight connects."""
        pairs = [int((self.seen(axis) >= 0).sum()) for axis in range(len(self.inputs))]
        return prod(pairs) * self.channels * self.filters


def _locally_connected(layer: LayerCall, rank: int) -> Value:
    options = layer.options
    data_format = layer.data_format()
    x = layer.channels_first(layer.input, data_format)
    if x.rank != rank + 2 or None in x.torch_shape[1:]:
        raise LayerRefused(f"called on a tensor of shape {x.shape}, expected {rank + 2} known extents")
    channels, *spatial = (extent or 0 for extent in x.torch_shape[1:])
    window = _padding.window(layer, rank, causal=False)
    same = window.padding == "same"
    if any(n != 1 for n in window.dilation):
        raise UnsupportedOption("locally connected layers have no dilation", "dilation_rate")
    places = _Places(
        inputs=tuple(spatial),
        outputs=tuple(window.output(n, axis) or 0 for axis, n in enumerate(spatial)),
        kernel=window.kernel,
        strides=window.strides,
        before=tuple(size // 2 if same else 0 for size in window.kernel),
        channels=channels,
        filters=options.integer("filters"),
        channels_first=data_format == "channels_first",
    )
    if prod(places.outputs) * prod(places.kernel) * channels * places.filters > _MOST_WEIGHTS:
        raise LayerRefused("has more weights than any file holds")
    implementation = options.integer("implementation", default=1, maximum=3)
    state = {"weight": _FORMS[implementation](layer, places)}
    settings: dict[str, Any] = {}
    if options.flag("use_bias", default=True):
        state["bias"] = _bias(layer, places)
    else:
        settings["bias"] = False
    pairs = list(zip(places.before, places.behind, strict=True))
    pads = tuple(number for pair in reversed(pairs) for number in pair)
    if same and any(pads):
        padded = tuple(n + sum(pair) for n, pair in zip(spatial, pairs, strict=True))
        x = _padding.channels_first_value(layer, call("F.pad", x, pads), x, channels, padded)
    part = layer.module(
        layer.part("LocallyConnected"),
        channels,
        places.filters,
        places.kernel,
        places.outputs,
        places.strides,
        state=state,
        **settings,
    )
    return layer.activation(_padding.channels_first_value(layer, part(x), x, places.filters, places.outputs))


def _bias(layer: LayerCall, places: _Places) -> Weight:
    rank = len(places.outputs)
    bias = layer.weight("bias", *places.outputs, places.filters)
    if places.channels_first:
        return bias.reshape(places.filters, *places.outputs)  # as Keras does: its axes are not permuted
    return bias.transpose(rank, *range(rank))


def _of_each_place(layer: LayerCall, places: _Places) -> Weight:
    """Keras holds (places, window and channels, filters)."""
    if any(places.before):
        raise UnsupportedOption(
            "padding 'same' in implementation 1, which Keras has only 'valid' for", "padding"
        )
    rank = len(places.outputs)
    flat = layer.weight("kernel", prod(places.outputs), prod(places.kernel) * places.channels, places.filters)
    out, window = range(rank), range(rank, 2 * rank)
    if places.channels_first:
        shape = (*places.outputs, places.channels, *places.kernel, places.filters)
        return flat.reshape(*shape).transpose(2 * rank + 1, *range(2 * rank + 1))
    shape = (*places.outputs, *places.kernel, places.channels, places.filters)
    return flat.reshape(*shape).transpose(2 * rank + 1, *out, 2 * rank, *window)


def _of_all_pairs(layer: LayerCall, places: _Places) -> Weight:
    """Keras holds a weight from every input to every output."""
    rank = len(places.outputs)
    if places.channels_first:
        kernel = layer.weight("kernel", places.channels, *places.inputs, places.filters, *places.outputs)
        kernel = kernel.transpose(rank + 1, *range(rank + 2, 2 * rank + 2), *range(rank + 1))
    else:
        kernel = layer.weight("kernel", *places.inputs, places.channels, *places.outputs, places.filters)
        kernel = kernel.transpose(2 * rank + 1, *range(rank + 1, 2 * rank + 1), rank, *range(rank))

    def windows(array: Array) -> Array:
        # (filters, outputs..., channels, inputs...): of each output, only the inputs in its window.
        grid = _Grid.of(places)
        pairs = array[(grid.filters, *grid.outputs, grid.channels, *grid.inputs)]
        return np.where(grid.exists, pairs, np.zeros((), array.dtype))

    return kernel.rearranged(_torch_shape(places), "the window of each output", windows)


def _of_connected_pairs(layer: LayerCall, places: _Places) -> Weight:
    """Keras holds one vector: the weights that there are, by output, then by input, both flattened."""

    def windows(array: Array) -> Array:
        grid, shape, first = _Grid.of(places), _torch_shape(places), places.channels_first
        row = _flat(grid.outputs, places.outputs, grid.filters, places.filters, channels_first=first)
        column = _flat(grid.inputs, places.inputs, grid.channels, places.channels, channels_first=first)
        rows, columns = (np.broadcast_to(n, shape)[grid.exists] for n in (row, column))
        values = np.empty(len(rows), array.dtype)
        values[np.lexsort((columns, rows))] = array
        result = np.zeros(shape, array.dtype)
        result[grid.exists] = values
        return result

    kernel = layer.weight("kernel", places.connections)
    return kernel.rearranged(_torch_shape(places), "the window of each output", windows)


@dataclass(frozen=True)
class _Grid:
    """For each weight of the torch tensor, what it connects: arrays that broadcast to its shape."""

    filters: Array
    outputs: tuple[Array, ...]
    channels: Array
    inputs: tuple[Array, ...]
    """Where along each axis; -1 in the padding."""
    exists: Array
    """Whether Keras has the weight: of the tensor's full shape."""

    @classmethod
    def of(cls, places: _Places) -> _Grid:
        shape, rank = _torch_shape(places), len(places.outputs)
        filters, *rest = np.meshgrid(*(np.arange(n) for n in shape), indexing="ij", sparse=True)
        outputs, channels, inside = tuple(rest[:rank]), rest[rank], rest[rank + 1 :]
        inputs = tuple(places.seen(axis)[outputs[axis], inside[axis]] for axis in range(rank))
        exists: Array = np.ones(shape, np.bool_)
        for position in inputs:
            exists &= position >= 0
        return cls(filters, outputs, channels, inputs, exists)


def _flat(
    at: tuple[Array, ...], sizes: tuple[int, ...], channel: Array, channels: int, *, channels_first: bool
) -> Array:
    """Index into a flattened picture of `sizes` with `channels`."""
    steps = list(zip(at, sizes, strict=True))
    steps = [(channel, channels), *steps] if channels_first else [*steps, (channel, channels)]
    index: Array = np.zeros((), np.int64)
    for position, size in steps:
        index = index * size + position
    return index


def _torch_shape(places: _Places) -> tuple[int, ...]:
    return (places.filters, *places.outputs, places.channels, *places.kernel)


_FORMS = {1: _of_each_place, 2: _of_all_pairs, 3: _of_connected_pairs}
