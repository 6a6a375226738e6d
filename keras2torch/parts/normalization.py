"""Normalizations that `torch.nn` has no module for."""

from __future__ import annotations

import torch
from torch import nn


class VarianceNorm(nn.Module):
    """Divides by the standard deviation over the trailing axes of extents `shape`, and leaves the mean in."""

    def __init__(self, shape: tuple[int, ...], eps: float = 1e-3) -> None:
        super().__init__()
        self.axes = tuple(range(-len(shape), 0))
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(shape))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        variance = x.var(self.axes, correction=0, keepdim=True)
        return x * torch.rsqrt(variance + self.eps) * self.weight
