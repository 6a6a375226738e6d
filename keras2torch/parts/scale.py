"""What residual branches are scaled by."""

from __future__ import annotations

import torch
from torch import nn


class LayerScale(nn.Module):
    """Multiplies by learned factors of the given shape, which broadcasts (Touvron et al., 2021)."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(shape))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.weight


class StochasticDepth(nn.Module):
    """Drops whole samples while training, each with probability `rate`, and scales the others up."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training:
            return x
        kept = torch.rand([x.shape[0]] + [1] * (x.dim() - 1), dtype=x.dtype, device=x.device) >= self.rate
        return x * kept / (1 - self.rate)
