"""Convolutions that do not share their kernel."""

from __future__ import annotations

import torch
from torch import nn


class LocallyConnected(nn.Module):
    """A convolution with a kernel and a bias of its own at every place: (N, C, spatial...) to (N, F, spatial...).

    `output_size` is the number of places along each axis, which the input's size must yield.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: tuple[int, ...],
        output_size: tuple[int, ...],
        stride: tuple[int, ...],
        *,
        bias: bool = True,
    ):
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = stride
        self.weight = nn.Parameter(torch.empty(out_channels, *output_size, in_channels, *kernel_size))
        self.bias = nn.Parameter(torch.zeros(out_channels, *output_size)) if bias else None
        nn.init.kaiming_uniform_(self.weight.flatten(0, len(output_size)).flatten(1), a=5**0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for axis, (size, step) in enumerate(zip(self.kernel_size, self.stride, strict=True), start=2):
            x = x.unfold(axis, size, step)  # the window's own axis comes last
        one_dimension = len(self.kernel_size) == 1
        x = torch.einsum("ncxi,fxci->nfx" if one_dimension else "ncxyij,fxycij->nfxy", x, self.weight)
        return x if self.bias is None else x + self.bias
