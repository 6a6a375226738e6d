"""A trainable constant."""

from __future__ import annotations

import torch
from torch import nn


class LearnedConstant(nn.Module):
    """A parameter of any shape, called without arguments."""

    def __init__(self, *shape: int):
        super().__init__()
        self.value = nn.Parameter(torch.zeros(shape))

    def forward(self) -> torch.Tensor:
        return self.value
