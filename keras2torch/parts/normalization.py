"""Normalizations that `torch.nn` has no module for."""

from __future__ import annotations

import torch
import torch.nn.functional as F
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


class FrozenBatchNorm1d(nn.BatchNorm1d):
    """Keeps to its statistics in training mode too, as a frozen BatchNormalization of Keras does."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)


class FrozenBatchNorm2d(nn.BatchNorm2d):
    """Keeps to its statistics in training mode too, as a frozen BatchNormalization of Keras does."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)


class FrozenBatchNorm3d(nn.BatchNorm3d):
    """Keeps to its statistics in training mode too, as a frozen BatchNormalization of Keras does."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)


class ShiftingBatchNorm1d(nn.BatchNorm1d):
    """Learns a shift and no scale."""

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float = 0.1) -> None:
        super().__init__(num_features, eps, momentum)
        self.weight.requires_grad_(False)


class ShiftingBatchNorm2d(nn.BatchNorm2d):
    """Learns a shift and no scale."""

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float = 0.1) -> None:
        super().__init__(num_features, eps, momentum)
        self.weight.requires_grad_(False)


class ShiftingBatchNorm3d(nn.BatchNorm3d):
    """Learns a shift and no scale."""

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float = 0.1) -> None:
        super().__init__(num_features, eps, momentum)
        self.weight.requires_grad_(False)
