"""Layers that disturb their input while training and leave it alone otherwise."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


class SharedDropout(nn.Module):
    """Dropout with one draw shared along the axes in `shared`."""

    def __init__(self, rate: float, shared: tuple[int, ...]) -> None:
        super().__init__()
        self.rate = rate
        self.shared = shared

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.draw(x) if self.training else x

    def draw(self, x: torch.Tensor) -> torch.Tensor:
        """Zero where `x` is dropped; what is left is scaled up."""
        shape = [1 if axis in self.shared else size for axis, size in enumerate(x.shape)]
        return F.dropout(torch.ones(shape, dtype=x.dtype, device=x.device), self.rate)


class SharedAlphaDropout(SharedDropout):
    """Alpha dropout (Klambauer et al., 2017) with one draw shared along the axes in `shared`."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training:
            return x
        dropped = -1.7580993408473766  # what SELU saturates at
        scale: float = ((1 - self.rate) * (1 + self.rate * dropped**2)) ** -0.5
        return scale * torch.where(self.draw(x) > 0, x, dropped) - scale * dropped * self.rate


class GaussianDropout(nn.Module):
    """Multiplies by normal noise of mean one and the variance that dropping at `rate` would give."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.stddev: float = (rate / (1 - rate)) ** 0.5

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training:
            return x
        return x * (1 + self.stddev * torch.randn_like(x))


class GaussianNoise(nn.Module):
    """Adds normal noise of mean zero."""

    def __init__(self, stddev: float) -> None:
        super().__init__()
        self.stddev = stddev

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training:
            return x
        return x + self.stddev * torch.randn_like(x)
