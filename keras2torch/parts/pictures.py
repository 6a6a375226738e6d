"""Changes to whole pictures that depend on what they show."""

from __future__ import annotations

import torch


def auto_contrast(x: torch.Tensor, dims: tuple[int, int], low: float, high: float) -> torch.Tensor:
    """Every channel of every picture stretched to reach from `low` to `high`; `dims` are its rows and columns.

    A channel of a single value stays as it is.
    """
    darkest, brightest = x.amin(dim=dims, keepdim=True), x.amax(dim=dims, keepdim=True)
    stretched = (x - darkest) / (brightest - darkest) * (high - low) + low
    return torch.where(brightest > darkest, stretched, x)
