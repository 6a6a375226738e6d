"""Weights as recipes: which stored arrays, through which views, become which tensor of the module.

A rule never sees a number. It names what it needs (`WeightKey`), in the order in which Keras creates it, and says how
to turn it; the arrays are looked up afterwards and read in blocks while the safetensors file is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod

import numpy as np

from keras2torch.emit.order import FeatureOrder
from keras2torch.source.model import Array


@dataclass(frozen=True)
class WeightKey:
    """One variable of a Keras layer: `role` is its name in Keras, `shape` its Keras shape."""

    layer: str
    role: str
    shape: tuple[int, ...]
    trainable: bool = True
    other_shapes: tuple[tuple[int, ...], ...] = ()
    """Shapes in which a file may hold it instead, see `by_stored_shape`."""

    def __str__(self) -> str:
        return f"{self.layer}/{self.role}"


Lookup = Mapping[WeightKey, Array]


@dataclass(frozen=True)
class Weight:
    """A tensor of the module: `shape` as torch holds it, `steps` in words, `evaluate` gives views of the stored arrays.

    `evaluate` returns arrays of equal first extent which stand side by side: row i of the tensor is row i of each,
    flattened, one after the other.
    """

    sources: tuple[WeightKey, ...]
    shape: tuple[int, ...]
    evaluate: Callable[[Lookup], list[Array]]
    steps: tuple[str, ...] = ()
    fixed_dtype: str | None = None
    computed: bool = False
    """Whether its numbers are computed of stored ones. Else they are stored ones, in other places."""
    choose: Callable[[Lookup], Weight] | None = None
    """Which of several recipes it is, where that depends on what the file holds."""
    factors: Callable[[Lookup], Array] | None = None
    """Of the leading axes, what every number behind them is multiplied by, in float64, when blocks are made."""

    @classmethod
    def stored(cls, key: WeightKey) -> Weight:
        return cls((key,), key.shape, lambda arrays: [arrays[key]])

    @classmethod
    def constant(cls, array: Array, steps: str) -> Weight:
        """A tensor that Keras does not have, such as BatchNorm's batch counter."""
        return cls((), array.shape, lambda _: [array], (steps,), fixed_dtype=array.dtype.name)

    def _map(self, shape: tuple[int, ...], step: str, function: Callable[[Array], Array]) -> Weight:
        def evaluate(arrays: Lookup) -> list[Array]:
            (array,) = self.evaluate(arrays)
            return [function(array)]

        return replace(self, shape=shape, evaluate=evaluate, steps=(*self.steps, step), choose=None)

    def transpose(self, *axes: int) -> Weight:
        shape = tuple(self.shape[axis] for axis in axes)
        return self._map(
            shape, f"transpose({', '.join(map(str, axes))})", lambda array: array.transpose(axes)
        )

    def reshape(self, *shape: int) -> Weight:
        """A new shape over the same row-major elements; of a large transposed weight a copy, so the last step only."""
        if prod(shape) != prod(self.shape):
            raise ValueError(f"{self.shape} does not reshape to {shape}")
        return self._map(shape, f"reshape({', '.join(map(str, shape))})", lambda array: array.reshape(shape))

    def as_shape(self, *shape: int) -> Weight:
        """Declare another shape for the same bytes: the last step, free of copies."""
        if prod(shape) != prod(self.shape):
            raise ValueError(f"{self.shape} is not as large as {shape}")
        step = f"reshape({', '.join(map(str, shape))})"
        return replace(self, shape=shape, steps=(*self.steps, step), choose=None)

    def take(self, start: int, stop: int, axis: int = 0) -> Weight:
        """The stretch [start, stop) of one axis."""
        where = (slice(None),) * (axis % len(self.shape)) + (slice(start, stop),)
        shape = tuple(stop - start if i == axis % len(self.shape) else n for i, n in enumerate(self.shape))
        return self._map(shape, f"axis {axis}: {start}..{stop}", lambda array: array[where])

    def reorder_gates(self, order: tuple[int, ...], axis: int = 0) -> Weight:
        """Split `axis` into len(order) equal gates and put them in another order."""

        def reordered(array: Array) -> Array:
            gates = np.split(array, len(order), axis=axis)
            return np.concatenate([gates[i] for i in order], axis=axis)

        return self._map(self.shape, f"gates {order} on axis {axis}", reordered)

    def flip(self, *axes: int) -> Weight:
        return self._map(self.shape, f"flip{axes}", lambda array: np.flip(array, axes))

    def rearranged(self, shape: tuple[int, ...], step: str, function: Callable[[Array], Array]) -> Weight:
        """What no view expresses: `function` makes an array of `shape` of the stored one; `step` says how."""
        return self._map(shape, step, function)

    def as_stored(self, arrays: Lookup) -> Weight:
        """The recipe for what the file holds, where it depends on that."""
        return self if self.choose is None else self.choose(arrays)

    def multiplied(self, factors: Callable[[Lookup], Array], of: Sequence[Weight], step: str) -> Weight:
        """Times `factors`, which have the extents of the leading axes and are computed `of` other weights."""
        before = self.factors
        sources = dict.fromkeys(key for weight in (self, *of) for key in weight.sources)
        return replace(
            self,
            sources=tuple(sources),
            steps=(*self.steps, step),
            factors=factors if before is None else lambda arrays: before(arrays) * factors(arrays),
            computed=True,
            choose=None,
        )

    def whole(self, arrays: Lookup) -> Array:
        """All of its numbers in a row, in float64: for vectors."""
        blocks = self.blocks(arrays, np.dtype(np.float64), 1 << 62)
        return np.concatenate([block.reshape(-1) for block in blocks])

    def in_order(self, order: FeatureOrder | None) -> Weight:
        """Permute the last axis from Keras's flattening to torch's."""
        if order is None:
            return self

        def evaluate(arrays: Lookup) -> list[Array]:
            (array,) = self.evaluate(arrays)
            pieces = order.columns(array)
            if array.ndim == 1:  # a vector: no rows to put side by side
                return [np.concatenate([piece.reshape(-1) for piece in pieces])]
            return pieces

        return replace(self, evaluate=evaluate, steps=(*self.steps, order.steps), choose=None)

    def blocks(self, arrays: Lookup, dtype: np.dtype[np.generic], block_bytes: int) -> Iterator[Array]:
        """The tensor's elements in row-major order, as contiguous arrays of about `block_bytes` (one row at least)."""
        pieces = self.evaluate(arrays)
        if not self.shape or pieces[0].ndim == 0:
            yield np.ascontiguousarray(pieces[0], dtype)
            return
        rows = pieces[0].shape[0]
        row_bytes = sum(prod(piece.shape[1:]) for piece in pieces) * dtype.itemsize
        step = max(1, block_bytes // max(row_bytes, 1))
        factors = None if self.factors is None else self.factors(arrays).reshape(-1)
        done = 0
        for start in range(0, rows, step):
            parts = [np.ascontiguousarray(piece[start : start + step], dtype) for piece in pieces]
            block = parts[0]
            if len(parts) > 1:
                block = np.concatenate([part.reshape(part.shape[0], -1) for part in parts], axis=1)
            if factors is not None:
                # Whole rows of the pieces are whole rows of the tensor, and so of what one factor is for.
                each = prod(self.shape) // len(factors)
                here = factors[done // each : (done + block.size) // each, None]
                done += block.size
                block = (block.reshape(-1, each) * here).astype(dtype)
            yield block


def stacked(weights: list[Weight], shape: tuple[int, ...], step: str) -> Weight:
    """Several weights one below the other (along the first axis)."""

    def evaluate(arrays: Lookup) -> list[Array]:
        return [np.concatenate([np.concatenate(weight.evaluate(arrays)) for weight in weights])]

    sources = tuple(key for weight in weights for key in weight.sources)
    return Weight(sources, shape, evaluate, (step,), computed=any(weight.computed for weight in weights))


def in_shape(key: WeightKey, shape: tuple[int, ...]) -> Weight:
    """The stored array where it has one of the `other_shapes` of its variable."""
    return Weight((key,), shape, lambda arrays: [arrays[key]])


def by_stored_shape(key: WeightKey, forms: Mapping[tuple[int, ...], Weight]) -> Weight:
    """One of several recipes for the same tensor: which one, the shape tells in which the file holds `key`."""
    first, *others = forms.values()
    if any(other.shape != first.shape for other in others):
        raise ValueError("the recipes make tensors of different shapes")
    sources = dict.fromkeys(source for weight in forms.values() for source in (*weight.sources, key))
    steps = tuple(
        f"where {key.role} is {shape}: {'; '.join(weight.steps) or 'as stored'}"
        for shape, weight in forms.items()
    )
    return Weight(
        tuple(sources),
        first.shape,
        lambda arrays: forms[arrays[key].shape].evaluate(arrays),
        steps,
        computed=any(weight.computed for weight in forms.values()),
        choose=lambda arrays: forms[arrays[key].shape],
    )


def sum_of(first: Weight, second: Weight) -> Weight:
    """Elementwise sum, for biases that Keras stores as two and a torch module holds as one."""

    def evaluate(arrays: Lookup) -> list[Array]:
        (left,), (right,) = first.evaluate(arrays), second.evaluate(arrays)
        return [left + right]

    return Weight((*first.sources, *second.sources), first.shape, evaluate, ("sum",), computed=True)
