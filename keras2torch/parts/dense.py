"""Layers of one weight that are neither `nn.Linear` nor `nn.Embedding`."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


class EinsumDense(nn.Module):
    """`torch.einsum` of the input and a weight, plus a bias that is broadcast against the last axes."""

    def __init__(self, equation: str, weight: tuple[int, ...], bias: tuple[int, ...] | None = None) -> None:
        super().__init__()
        self.equation = equation
        self.weight = nn.Parameter(torch.randn(weight) * 0.02)
        self.bias = nn.Parameter(torch.zeros(bias)) if bias is not None else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = torch.einsum(self.equation, x, self.weight)
        return y if self.bias is None else y + self.bias


class ReversibleEmbedding(nn.Module):
    """`nn.Embedding` that can also say how well a vector suits each id, by the same table if `tied`.

    With `logit_soft_cap`, those scores are squeezed between minus and plus that number.
    """

    def __init__(
        self, count: int, size: int, *, tied: bool = True, logit_soft_cap: float | None = None
    ) -> None:
        super().__init__()
        self.logit_soft_cap = logit_soft_cap
        self.weight = nn.Parameter(torch.randn(count, size) * 0.02)
        self.reverse_weight = None if tied else nn.Parameter(torch.randn(count, size) * 0.02)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Vectors (..., size) of `ids`."""
        return F.embedding(ids, self.weight)

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        """Scores (..., count) of the vectors `x` (..., size)."""
        logits = F.linear(x, self.weight if self.reverse_weight is None else self.reverse_weight)
        if self.logit_soft_cap is not None:
            logits = torch.tanh(logits / self.logit_soft_cap) * self.logit_soft_cap
        return logits


class RandomFourierFeatures(nn.Module):
    """`cos(weight x / scale + bias)`, whose products approximate a kernel (Rahimi and Recht, 2007).

    Only the scale is trained; weight and bias stay as they were drawn.
    """

    weight: torch.Tensor
    bias: torch.Tensor

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.register_buffer("weight", torch.randn(out_features, in_features))
        self.register_buffer("bias", torch.rand(out_features) * 2 * torch.pi)
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cos(F.linear(x, self.weight) / self.scale + self.bias)
