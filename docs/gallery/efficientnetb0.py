"""efficientnetb0, converted from EfficientNetB0.h5 (Keras 3.15.1).

Inputs:
    x: float32 (N, 3, 224, 224), in Keras (N, 224, 224, 3)
Outputs:
    float32 (N, 1000)
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn

BN_EPS = 0.001
BN_MOMENTUM = 0.01


class Normalization(nn.Module):
    """Numbers of known mean and variance to mean 0 and variance 1, or back if `invert`; `shape` broadcasts."""

    mean: torch.Tensor
    variance: torch.Tensor

    def __init__(self, shape: tuple[int, ...], invert: bool = False) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(shape))
        self.register_buffer("variance", torch.ones(shape))
        self.invert = invert

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        deviation = torch.clamp(torch.sqrt(self.variance), min=1e-7)
        return x * deviation + self.mean if self.invert else (x - self.mean) / deviation


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


class InvertedResidual(nn.Module):
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        rate: float,
        residual: bool = True,
    ) -> None:
        super().__init__()
        hidden = 6 * in_channels
        self.residual = residual
        self.expand_conv = nn.Conv2d(in_channels, hidden, 1, bias=False)
        self.expand_bn = nn.BatchNorm2d(hidden, eps=BN_EPS, momentum=BN_MOMENTUM)
        self.dwconv = nn.Conv2d(
            hidden, hidden, kernel_size, padding=kernel_size // 2, groups=hidden, bias=False
        )
        self.bn = nn.BatchNorm2d(hidden, eps=BN_EPS, momentum=BN_MOMENTUM)
        self.se_reduce = nn.Conv2d(hidden, in_channels // 4, 1)
        self.se_expand = nn.Conv2d(in_channels // 4, hidden, 1)
        self.project_conv = nn.Conv2d(hidden, out_channels, 1, bias=False)
        self.project_bn = nn.BatchNorm2d(out_channels, eps=BN_EPS, momentum=BN_MOMENTUM)
        self.drop = SharedDropout(rate, (1, 2, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = F.silu(self.expand_bn(self.expand_conv(x)), inplace=True)
        y = F.silu(self.bn(self.dwconv(y)), inplace=True)
        z = y.mean(dim=(2, 3))
        z = z[:, :, None, None]
        z = F.silu(self.se_reduce(z), inplace=True)
        z = torch.sigmoid(self.se_expand(z))
        y = y * z
        y = self.project_bn(self.project_conv(y))
        y = self.drop(y)
        return y + x if self.residual else y


class InvertedBlock(nn.Module):
    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, pad: tuple[int, int, int, int]
    ) -> None:
        super().__init__()
        hidden = 6 * in_channels
        self.pad = pad
        self.expand_conv = nn.Conv2d(in_channels, hidden, 1, bias=False)
        self.expand_bn = nn.BatchNorm2d(hidden, eps=BN_EPS, momentum=BN_MOMENTUM)
        self.dwconv = nn.Conv2d(hidden, hidden, kernel_size, stride=2, groups=hidden, bias=False)
        self.bn = nn.BatchNorm2d(hidden, eps=BN_EPS, momentum=BN_MOMENTUM)
        self.se_reduce = nn.Conv2d(hidden, in_channels // 4, 1)
        self.se_expand = nn.Conv2d(in_channels // 4, hidden, 1)
        self.project_conv = nn.Conv2d(hidden, out_channels, 1, bias=False)
        self.project_bn = nn.BatchNorm2d(out_channels, eps=BN_EPS, momentum=BN_MOMENTUM)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.silu(self.expand_bn(self.expand_conv(x)), inplace=True)
        x = F.pad(x, self.pad)
        x = F.silu(self.bn(self.dwconv(x)), inplace=True)
        y = x.mean(dim=(2, 3))
        y = y[:, :, None, None]
        y = F.silu(self.se_reduce(y), inplace=True)
        y = torch.sigmoid(self.se_expand(y))
        x = x * y
        return self.project_bn(self.project_conv(x))


class EfficientNetB0(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.normalization = Normalization((3, 1, 1))
        self.stem_conv = nn.Conv2d(3, 32, 3, stride=2, bias=False)
        self.stem_bn = nn.BatchNorm2d(32, eps=BN_EPS, momentum=BN_MOMENTUM)
        self.block1a_dwconv = nn.Conv2d(32, 32, 3, padding=1, groups=32, bias=False)
        self.block1a_bn = nn.BatchNorm2d(32, eps=BN_EPS, momentum=BN_MOMENTUM)
        self.block1a_se_reduce = nn.Conv2d(32, 8, 1)
        self.block1a_se_expand = nn.Conv2d(8, 32, 1)
        self.block1a_project_conv = nn.Conv2d(32, 16, 1, bias=False)
        self.block1a_project_bn = nn.BatchNorm2d(16, eps=BN_EPS, momentum=BN_MOMENTUM)
        self.stage1 = nn.Sequential(
            InvertedBlock(16, 24, 3, pad=(0, 1, 0, 1)),
            InvertedResidual(24, 24, 3, rate=0.025),
        )
        self.stage2 = nn.Sequential(
            InvertedBlock(24, 40, 5, pad=(1, 2, 1, 2)),
            InvertedResidual(40, 40, 5, rate=0.05),
        )
        self.stage3 = nn.Sequential(
            InvertedBlock(40, 80, 3, pad=(0, 1, 0, 1)),
            InvertedResidual(80, 80, 3, rate=0.075),
            InvertedResidual(80, 80, 3, rate=0.0875),
            InvertedResidual(80, 112, 5, rate=0.0, residual=False),
            InvertedResidual(112, 112, 5, rate=0.1125),
            InvertedResidual(112, 112, 5, rate=0.125),
        )
        self.stage4 = nn.Sequential(
            InvertedBlock(112, 192, 5, pad=(1, 2, 1, 2)),
            InvertedResidual(192, 192, 5, rate=0.15),
            InvertedResidual(192, 192, 5, rate=0.1625),
            InvertedResidual(192, 192, 5, rate=0.175),
            InvertedResidual(192, 320, 3, rate=0.0, residual=False),
        )
        self.top_conv = nn.Conv2d(320, 1280, 1, bias=False)
        self.top_bn = nn.BatchNorm2d(1280, eps=BN_EPS, momentum=BN_MOMENTUM)
        self.top_dropout = nn.Dropout(0.2)
        self.predictions = nn.Linear(1280, 1000)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x * (1 / 255)
        x = self.normalization(x)
        x = F.pad(x, (0, 1, 0, 1))  # (3, 225, 225)
        x = F.silu(self.stem_bn(self.stem_conv(x)), inplace=True)  # (32, 112, 112)
        x = F.silu(self.block1a_bn(self.block1a_dwconv(x)), inplace=True)
        y = x.mean(dim=(2, 3))  # (32,)
        y = y[:, :, None, None]  # (32, 1, 1)
        y = F.silu(self.block1a_se_reduce(y), inplace=True)  # (8, 1, 1)
        y = torch.sigmoid(self.block1a_se_expand(y))  # (32, 1, 1)
        x = x * y  # (32, 112, 112)
        x = self.block1a_project_bn(self.block1a_project_conv(x))  # (16, 112, 112)
        x = self.stage1(x)  # (24, 56, 56)
        x = self.stage2(x)  # (40, 28, 28)
        x = self.stage3(x)  # (112, 14, 14)
        x = self.stage4(x)  # (320, 7, 7)
        x = F.silu(self.top_bn(self.top_conv(x)), inplace=True)  # (1280, 7, 7)
        x = x.mean(dim=(2, 3))  # (1280,)
        x = self.top_dropout(x)
        return torch.softmax(self.predictions(x), dim=-1)  # (1000,)


Model = EfficientNetB0


def load_model(
    weights: str | Path | None = None, *, device: str = "cpu", dtype: torch.dtype = torch.float32
) -> nn.Module:
    """The model with its weights, in eval mode. `weights` defaults to model.safetensors beside this file."""
    path = Path(weights) if weights is not None else Path(__file__).with_name("model.safetensors")
    with torch.device("meta"):
        model = Model()
    model.load_state_dict(load_file(path), assign=True)
    return model.to(device=device, dtype=dtype).eval()
