"""How far apart two runs of one model are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

LIMIT = 1e-4
"""How far an export may be off, relative to the scale of an output: the ceiling that parity holds float32 to."""


class Departs(Exception):
    """An export does not compute what the module computes."""


def flat(value: Any) -> list[torch.Tensor]:
    """The tensors in what a module returned, in order."""
    return [value] if isinstance(value, torch.Tensor) else [tensor for item in value for tensor in flat(item)]


def error_between(expected: Sequence[torch.Tensor], actual: Sequence[torch.Tensor]) -> float:
    """The largest difference, each output's relative to its own largest magnitude.

    Raises `Departs` for one above `LIMIT`, another shape or type, or NaN and infinity in other places.
    """
    if len(expected) != len(actual):
        raise Departs(f"{len(actual)} outputs in place of {len(expected)}")
    return max(
        (_error(number, a, b) for number, (a, b) in enumerate(zip(expected, actual, strict=True), start=1)),
        default=0.0,
    )


def _error(number: int, expected: torch.Tensor, actual: torch.Tensor) -> float:
    if expected.shape != actual.shape or expected.dtype != actual.dtype:
        raise Departs(
            f"output {number} is {_kind(actual)}, where the module yields {_kind(expected)} for the same input"
        )
    a, b = (tensor.detach().to(torch.float64).numpy() for tensor in (expected, actual))
    finite = np.isfinite(a)
    if not np.array_equal(np.where(finite, 0, a), np.where(np.isfinite(b), 0, b), equal_nan=True):
        raise Departs(f"output {number} has NaN or infinity in other places")
    difference = float(np.abs(a[finite] - b[finite]).max(initial=0.0))
    scale = float(np.abs(a[finite]).max(initial=0.0))
    error = difference / scale if scale else difference
    if error > LIMIT:
        raise Departs(f"output {number} is off by {error:.1e} of its scale, more than {LIMIT:.0e}")
    return error


def _kind(tensor: torch.Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"
