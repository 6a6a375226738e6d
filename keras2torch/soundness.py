"""Whether weights are numbers to compute with: what cannot be is refused, what is odd is told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from keras2torch.errors import BadWeight
from keras2torch.graph.model import Graph
from keras2torch.source.model import Array
from keras2torch.weights import WeightKey

_BLOCK = 1 << 20
_EPSILON = 1e-3
"""Of a BatchNormalization that does not say, in every generation."""


def check_numbers(arrays: Mapping[WeightKey, Array], graph: Graph) -> Iterator[str]:
    """Warnings about the weights of a model. Raises `BadWeight` for a variance that has no root."""
    for key, array in arrays.items():
        if array.dtype.kind != "f":
            continue
        if key.role == "moving_variance":
            epsilon = graph.layers[key.layer].config.get("epsilon", _EPSILON)
            if (array + epsilon <= 0).any():
                raise BadWeight(
                    f"moving_variance + epsilon is {array.min() + epsilon:g}, and a variance has a root",
                    spot=key.layer,
                )
        if not _all_finite(array):
            yield f"{key.layer}: {key.role} holds NaN or infinity, and so will what the model computes"


def _all_finite(array: Array) -> bool:
    flat = array.reshape(-1)
    return all(_block_finite(flat[start : start + _BLOCK]) for start in range(0, len(flat), _BLOCK))


def _block_finite(block: Array) -> bool:
    # A sum of squares runs at the speed of memory. It may overflow; only then is each number looked at.
    if block.dtype.itemsize > 2 and block.dtype.isnative and np.isfinite(np.dot(block, block)):
        return True
    return bool(np.isfinite(block).all())
