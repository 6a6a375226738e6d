"""Padding that depends on the size of what is padded."""

from __future__ import annotations

import torch
import torch.nn.functional as F


def pad_same(
    x: torch.Tensor,
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    dilation: tuple[int, ...] | None = None,
    value: float = 0.0,
) -> torch.Tensor:
    """Pad (N, C, spatial...) so that a strided window yields ceil(n / stride); the odd element goes behind."""
    pads: list[int] = []
    for axis in range(len(kernel) - 1, -1, -1):
        size = x.shape[axis + 2]
        reach = (kernel[axis] - 1) * (dilation[axis] if dilation else 1) + 1
        outputs = (size + stride[axis] - 1) // stride[axis]
        total = max((outputs - 1) * stride[axis] + reach - size, 0)
        pads += [total // 2, total - total // 2]
    return F.pad(x, pads, value=value)


def average_pool_same(x: torch.Tensor, kernel: tuple[int, ...], stride: tuple[int, ...]) -> torch.Tensor:
    """Average pooling of (N, C, spatial...) with "same" padding, whose padded cells do not count."""
    pool = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}[len(kernel)]
    inside = torch.ones_like(x[:1, :1])
    total = pool(pad_same(x, kernel, stride), kernel, stride)
    return total / pool(pad_same(inside, kernel, stride), kernel, stride)
