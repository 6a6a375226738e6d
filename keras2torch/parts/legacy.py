"""Layers of Keras 1 that no later library has."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


def cosine(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Cosine of the angle between vectors (N, d), as (N, 1, 1)."""
    lengths = torch.sqrt((left**2).sum(1) * (right**2).sum(1))
    return ((left * right).sum(1) / torch.clamp(lengths, min=1e-7))[:, None, None]


class ParametricSoftplus(nn.Module):
    """`alpha * softplus(beta * x)` with parameters for every element, or shared along the axes where `shape` is 1."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.full(shape, 0.2))
        self.beta = nn.Parameter(torch.full(shape, 5.0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.alpha * F.softplus(self.beta * x, threshold=40)


class SReLU(nn.Module):
    """S-shaped ReLU (Jin et al., 2015): identity between two thresholds, a line of another slope beyond either.

    The upper threshold is `t_left + |t_right|`. `shape` is that of one sample, 1 where parameters are shared.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.t_left = nn.Parameter(torch.zeros(shape))
        self.a_left = nn.Parameter(torch.zeros(shape))
        self.t_right = nn.Parameter(torch.ones(shape))
        self.a_right = nn.Parameter(torch.ones(shape))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        upper = self.t_left + self.t_right.abs()
        below = self.t_left + self.a_left * (x - self.t_left)
        above = upper + self.a_right * (x - upper)
        return torch.where(x < self.t_left, below, torch.where(x > upper, above, x))


class SampleNorm(nn.Module):
    """Normalises each vector along the last axis. `eps` is added to the variance, and to its root again."""

    def __init__(self, features: int, eps: float = 1e-3) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(features))
        self.bias = nn.Parameter(torch.zeros(features))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        variance, mean = torch.var_mean(x, -1, correction=0, keepdim=True)
        return (x - mean) / (torch.sqrt(variance + self.eps) + self.eps) * self.weight + self.bias


class BatchAtHandNorm(nn.Module):
    """Normalises each channel, axis 1, by mean and variance of the batch at hand, in training or not.

    `nn.BatchNorm2d(track_running_stats=False)` for any number of axes, and for single samples too.
    """

    def __init__(self, features: int, eps: float = 1e-3) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(features))
        self.bias = nn.Parameter(torch.zeros(features))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        axes = [axis for axis in range(x.dim()) if axis != 1]
        variance, mean = torch.var_mean(x, axes, correction=0, keepdim=True)
        weight, bias = (
            parameter.reshape([-1] + [1] * (x.dim() - 2)) for parameter in (self.weight, self.bias)
        )
        return (x - mean) * torch.rsqrt(variance + self.eps) * weight + bias
