"""inception_v3, converted from InceptionV3.h5 (Keras 3.15.1).

Inputs:
    x: float32 (N, 3, 299, 299), in Keras (N, 299, 299, 3)
Outputs:
    float32 (N, 1000)
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn


class ShiftingBatchNorm2d(nn.BatchNorm2d):
    """Learns a shift and no scale."""

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float = 0.1) -> None:
        super().__init__(num_features, eps, momentum)
        self.weight.requires_grad_(False)


class ConvNormAct(nn.Module):
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int = 1,
        padding: int | tuple[int, int] = 0,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            in_channels, out_channels, kernel_size, stride=stride, padding=padding, bias=False
        )
        self.bn = ShiftingBatchNorm2d(out_channels, eps=0.001, momentum=0.01)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(self.bn(self.conv(x)))


class InceptionBlock(nn.Module):
    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.conv_norm_act1 = ConvNormAct(768, 192, 1)
        self.branch1 = nn.Sequential(
            ConvNormAct(768, hidden, 1),
            ConvNormAct(hidden, hidden, (1, 7), padding=(0, 3)),
            ConvNormAct(hidden, 192, (7, 1), padding=(3, 0)),
        )
        self.branch2 = nn.Sequential(
            ConvNormAct(768, hidden, 1),
            ConvNormAct(hidden, hidden, (7, 1), padding=(3, 0)),
            ConvNormAct(hidden, hidden, (1, 7), padding=(0, 3)),
            ConvNormAct(hidden, hidden, (7, 1), padding=(3, 0)),
            ConvNormAct(hidden, 192, (1, 7), padding=(0, 3)),
        )
        self.pool = nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)
        self.conv_norm_act2 = ConvNormAct(768, 192, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.conv_norm_act1(x)
        z = self.branch1(x)
        u = self.branch2(x)
        x = self.pool(x)
        x = self.conv_norm_act2(x)
        return torch.cat([y, z, u, x], dim=1)


class InceptionBlock2(nn.Module):
    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv_norm_act1 = ConvNormAct(in_channels, 64, 1)
        self.branch1 = nn.Sequential(
            ConvNormAct(in_channels, 48, 1),
            ConvNormAct(48, 64, 5, padding=2),
        )
        self.branch2 = nn.Sequential(
            ConvNormAct(in_channels, 64, 1),
            ConvNormAct(64, 96, 3, padding=1),
            ConvNormAct(96, 96, 3, padding=1),
        )
        self.pool = nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)
        self.conv_norm_act2 = ConvNormAct(in_channels, out_channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.conv_norm_act1(x)
        z = self.branch1(x)
        u = self.branch2(x)
        x = self.pool(x)
        x = self.conv_norm_act2(x)
        return torch.cat([y, z, u, x], dim=1)


class InceptionBlock3(nn.Module):
    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.conv_norm_act1 = ConvNormAct(in_channels, 320, 1)
        self.conv_norm_act2 = ConvNormAct(in_channels, 384, 1)
        self.conv_norm_act3 = ConvNormAct(384, 384, (1, 3), padding=(0, 1))
        self.conv_norm_act4 = ConvNormAct(384, 384, (3, 1), padding=(1, 0))
        self.blocks = nn.Sequential(
            ConvNormAct(in_channels, 448, 1),
            ConvNormAct(448, 384, 3, padding=1),
        )
        self.conv_norm_act5 = ConvNormAct(384, 384, (1, 3), padding=(0, 1))
        self.conv_norm_act6 = ConvNormAct(384, 384, (3, 1), padding=(1, 0))
        self.pool = nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)
        self.conv_norm_act7 = ConvNormAct(in_channels, 192, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.conv_norm_act1(x)
        z = self.conv_norm_act2(x)
        u = self.conv_norm_act3(z)
        z = self.conv_norm_act4(z)
        u = torch.cat([u, z], dim=1)
        z = self.blocks(x)
        v = self.conv_norm_act5(z)
        z = self.conv_norm_act6(z)
        v = torch.cat([v, z], dim=1)
        x = self.pool(x)
        x = self.conv_norm_act7(x)
        return torch.cat([y, u, v, x], dim=1)


class InceptionV3(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stage1 = nn.Sequential(
            ConvNormAct(3, 32, 3, stride=2),
            ConvNormAct(32, 32, 3),
            ConvNormAct(32, 64, 3, padding=1),
        )
        self.pool1 = nn.MaxPool2d(3, stride=2)
        self.stage2 = nn.Sequential(
            ConvNormAct(64, 80, 1),
            ConvNormAct(80, 192, 3),
        )
        self.pool2 = nn.MaxPool2d(3, stride=2)
        self.stage3 = nn.Sequential(
            InceptionBlock2(192, 32),
            InceptionBlock2(256, 64),
            InceptionBlock2(288, 64),
        )
        self.conv_norm_act = ConvNormAct(288, 384, 3, stride=2)
        self.branch1 = nn.Sequential(
            ConvNormAct(288, 64, 1),
            ConvNormAct(64, 96, 3, padding=1),
            ConvNormAct(96, 96, 3, stride=2),
        )
        self.pool3 = nn.MaxPool2d(3, stride=2)
        self.stage4 = nn.Sequential(
            InceptionBlock(128),
            InceptionBlock(160),
            InceptionBlock(160),
            InceptionBlock(192),
        )
        self.branch2 = nn.Sequential(
            ConvNormAct(768, 192, 1),
            ConvNormAct(192, 320, 3, stride=2),
        )
        self.branch3 = nn.Sequential(
            ConvNormAct(768, 192, 1),
            ConvNormAct(192, 192, (1, 7), padding=(0, 3)),
            ConvNormAct(192, 192, (7, 1), padding=(3, 0)),
            ConvNormAct(192, 192, 3, stride=2),
        )
        self.pool4 = nn.MaxPool2d(3, stride=2)
        self.stage5 = nn.Sequential(
            InceptionBlock3(1280),
            InceptionBlock3(2048),
        )
        self.predictions = nn.Linear(2048, 1000)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stage1(x)  # (64, 147, 147)
        x = self.pool1(x)  # (64, 73, 73)
        x = self.stage2(x)  # (192, 71, 71)
        x = self.pool2(x)  # (192, 35, 35)
        x = self.stage3(x)  # (288, 35, 35)
        y = self.conv_norm_act(x)  # (384, 17, 17)
        z = self.branch1(x)  # (96, 17, 17)
        x = self.pool3(x)  # (288, 17, 17)
        y = torch.cat([y, z, x], dim=1)  # (768, 17, 17)
        y = self.stage4(y)
        x = self.branch2(y)  # (320, 8, 8)
        z = self.branch3(y)  # (192, 8, 8)
        y = self.pool4(y)  # (768, 8, 8)
        x = torch.cat([x, z, y], dim=1)  # (1280, 8, 8)
        x = self.stage5(x)  # (2048, 8, 8)
        x = x.mean(dim=(2, 3))  # (2048,)
        return torch.softmax(self.predictions(x), dim=-1)  # (1000,)


Model = InceptionV3


def load_model(
    weights: str | Path | None = None, *, device: str = "cpu", dtype: torch.dtype = torch.float32
) -> nn.Module:
    """The model with its weights, in eval mode. `weights` defaults to model.safetensors beside this file."""
    path = Path(weights) if weights is not None else Path(__file__).with_name("model.safetensors")
    with torch.device("meta"):
        model = Model()
    model.load_state_dict(load_file(path), assign=True)
    return model.to(device=device, dtype=dtype).eval()
