"""How far apart two runs of one model are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

LIMIT = 1e-4
"""How far an export may be off, relative to the scale of an output: the ceiling that parity holds float32 to."""

LOST = 4.0
"""Where the module's own float32 has lost more than that: how many times its loss an export may be off."""


class Departs(Exception):
    """An export does not compute what the module computes."""


def flat(value: Any) -> list[torch.Tensor]:
    """The tensors in what a module returned, in order."""
    return [value] if isinstance(value, torch.Tensor) else [tensor for item in value for tensor in flat(item)]


def error_between(
    expected: Sequence[torch.Tensor], actual: Sequence[torch.Tensor], limit: float = LIMIT
) -> float:
    """The largest difference, each output's relative to its own largest magnitude.

    Raises `Departs` for one above `limit`, another shape or type, or NaN and infinity in other places.
    """
    if len(expected) != len(actual):
        raise Departs(f"{len(actual)} outputs in place of {len(expected)}")
    errors = [0.0]
    for number, (a, b) in enumerate(zip(expected, actual, strict=True), start=1):
        if a.shape != b.shape or a.dtype != b.dtype:
            raise Departs(
                f"output {number} is {_kind(b)}, where the module yields {_kind(a)} for the same input"
            )
        errors.append(_error(number, a, b))
        if errors[-1] > limit:
            raise Departs(f"output {number} is off by {errors[-1]:.1e} of its scale, more than {limit:.1e}")
    return max(errors)


def rounding(outputs: Sequence[torch.Tensor], exact: Sequence[torch.Tensor]) -> float:
    """How much a module has lost to rounding, from its `outputs` and what it computes with twice the digits."""
    return max(
        (_error(n, b, a) for n, (a, b) in enumerate(zip(outputs, exact, strict=True), start=1)), default=0.0
    )


def _error(number: int, expected: torch.Tensor, actual: torch.Tensor) -> float:
    a, b = (tensor.detach().to(torch.float64).numpy() for tensor in (expected, actual))
    finite = np.isfinite(a)
    if not np.array_equal(np.where(finite, 0, a), np.where(np.isfinite(b), 0, b), equal_nan=True):
        raise Departs(f"output {number} has NaN or infinity in other places")
    difference = float(np.abs(a[finite] - b[finite]).max(initial=0.0))
    scale = float(np.abs(a[finite]).max(initial=0.0))
    return difference / scale if scale else difference


def _kind(tensor: torch.Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"
