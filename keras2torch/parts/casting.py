"""Numbers of one type as another."""

from __future__ import annotations

import torch
from torch import nn


class AsFloat(nn.Module):
    """Numbers of any type in the floating-point type that the model computes in."""

    unit: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("unit", torch.ones(()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.to(self.unit.dtype)
