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


class MaskedBatchNorm(nn.Module):
    """Batch normalization of axis 1, whose statistics of a batch count only where `inside` is True; all without one.

    `inside` broadcasts to the tensor, of any rank, and is of no effect in evaluation. The running statistics move as
    Keras's do: by the variance of the batch as it is, and with 1e-7 added to how many are inside.
    """

    running_mean: torch.Tensor
    running_var: torch.Tensor

    def __init__(
        self,
        features: int,
        eps: float = 1e-3,
        momentum: float = 0.01,
        scale: bool = True,
        center: bool = True,
    ) -> None:
        super().__init__()
        self.eps = eps
        self.momentum = momentum
        self.weight = nn.Parameter(torch.ones(features)) if scale else None
        self.bias = nn.Parameter(torch.zeros(features)) if center else None
        self.register_buffer("running_mean", torch.zeros(features))
        self.register_buffer("running_var", torch.ones(features))

    def forward(self, x: torch.Tensor, inside: torch.Tensor | None = None) -> torch.Tensor:
        if not self.training:
            return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)
        least = 0.0 if inside is None else 1e-7
        inside = torch.ones_like(x, dtype=torch.bool) if inside is None else inside.expand_as(x)
        others = [axis for axis in range(x.dim()) if axis != 1]
        count = inside.sum(others, keepdim=True, dtype=x.dtype) + least
        mean = torch.where(inside, x, 0.0).sum(others, keepdim=True) / count
        variance = torch.where(inside, x - mean, 0.0).square().sum(others, keepdim=True) / count
        self.running_mean.lerp_(mean.detach().flatten(), self.momentum)
        self.running_var.lerp_(variance.detach().flatten(), self.momentum)
        x = (x - mean) * torch.rsqrt(variance + self.eps)
        if self.weight is not None:
            x = x * self.weight.reshape(mean.shape)
        return x if self.bias is None else x + self.bias.reshape(mean.shape)
